"""The objects of an image from outside, with vectors that an index can be searched for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fiftyone_simfind import _fields, _gallery, _photos
from fiftyone_simfind._candidates import WHOLE, Candidate
from fiftyone_simfind._types import Detector, Embedder
from fiftyone_simfind.errors import ImageError, ModelError, OptionError
from fiftyone_simfind.numerics import boxes as bx

logger = logging.getLogger(__name__)

PICTURE_PIXELS = 320  # longest side of a candidate's picture
NARROW = 100  # times as long as wide: a network would see nothing of it


def detect_query(
    image: Any,
    *,
    samples: Any,
    brain_key: str = "simfind",
    confidence_thresh: float = 0.25,
    classes: Sequence[str] | None = None,
    model: Any = None,
    detector: Any = None,
    device: str | None = None,
) -> list[Candidate]:
    """What can be searched for in an image that is not in the dataset: its objects, and the image as a whole.

    The model that made the index's vectors finds the objects and gives them theirs, so that they compare like those of
    the dataset. It is loaded once for all calls of a process, which may come from several threads. Nothing is added to
    the dataset::

        candidates = simfind.detect_query("photo.jpg", samples=dataset)
        results = simfind.search(dataset, candidates[0], scope="same_class")

    Networks that look at crops find no objects. There the detector finds them that found the index's objects, if
    :func:`detect` wrote these, and the network that made the vectors looks at the crops.

    Args:
        image: path of an image file, or its bytes, a PIL image, or an ``(h, w, 3)`` uint8 RGB array; see
            :func:`read_image`
        samples: dataset or view that has the index
        brain_key: name of the index
        confidence_thresh: leave out objects less sure than this, in [0, 1]
        classes: names of the classes to find; default is those that :func:`detect` kept when it found the index's
            objects, or else all
        model: the model that made the vectors; default is to load it from where it was loaded then
        detector: YOLO weights, as a path or a name, or a :class:`Detector`, that finds the objects where the model that
            made the vectors finds none; default is the one of the index's objects, and False is none
        device: torch device such as ``"cuda:0"``; default is the first GPU, or else the CPU

    Returns:
        the objects, surest first, and last the whole image

    Raises:
        ImageError: the image cannot be used
        BrainRunError: there is no such index
        ModelError: it is not known which model made the vectors, it or the detector cannot be loaded, or is another one
        OptionError: an option is out of range
    """
    if not 0 <= confidence_thresh <= 1:
        raise OptionError(f"confidence_thresh={confidence_thresh} must lie in [0, 1]")
    fields = _gallery.vector_fields(samples, brain_key)
    pixels = _photos.read_image(image)
    height, width = pixels.shape[:2]
    if max(height, width) > NARROW * min(height, width):
        raise ImageError(f"the image has {width:,} x {height:,} pixels, too narrow to find anything in; crop it")
    embedder = _model(samples, fields, model, device)
    finder = embedder if isinstance(embedder, Detector) else _detector(samples, fields, detector, device)
    seen = np.ascontiguousarray(pixels[..., ::-1])  # models take BGR
    found = []
    if isinstance(finder, Detector):
        classes = _classes(samples, fields, finder) if classes is None else classes
        classes = [classes] if isinstance(classes, str) else classes
        (objects,) = finder.detect([seen], confidence_thresh=confidence_thresh, classes=classes)
        vectors = objects.vectors
        if finder is not embedder and len(objects):
            (vectors,) = embedder.embed([seen], [objects.boxes])
        rows = zip(objects.labels, objects.boxes.tolist(), objects.confidences.tolist(), vectors, strict=True)
        found = [Candidate(*row, _picture(pixels, row[1])) for row in rows if not np.isnan(row[3]).any()]
    ((whole,),) = embedder.embed([seen], [np.array([WHOLE])])
    return [*found, Candidate(None, list(WHOLE), None, whole, _picture(pixels, WHOLE))]


def _detector(samples: Any, fields: _gallery.IndexFields, given: Any, device: str | None) -> Detector | None:
    """What finds the objects of an image for a model that finds none."""
    facts = _fields.recorded(samples, fields.patches_field) or {}
    source = facts.get("weights") if given is None else given
    if source in (None, False):  # the objects were not found by simfind, or by what cannot be loaded again
        return None
    from fiftyone_simfind.models import load_detector

    try:
        finder = load_detector(source, image_size=facts.get("image_size", 640), device=device)
    except ModelError as error:
        if given is not None:
            raise
        logger.warning("Nothing but the whole image can be searched for: %s", error)
        return None
    if given is None and finder.name != facts["model"]:
        raise ModelError(
            f'the objects in "{fields.patches_field}" were found by {facts["model"]}, and {source!r} is now '
            f"{finder.name}; put the former back, give another one as detector=, or detector=False for the whole image"
        )
    return finder


def _classes(samples: Any, fields: _gallery.IndexFields, finder: Detector) -> Sequence[str] | None:
    """The classes that a detector kept when it found the objects of an index; None if it was another one, or all."""
    facts = _fields.recorded(samples, fields.patches_field) or {}
    return facts.get("classes") if facts.get("model") == finder.name else None


def _picture(pixels: NDArray[np.uint8], box: Sequence[float]) -> Image.Image:
    left, top, right, bottom = bx.around(box, (pixels.shape[1], pixels.shape[0]))
    part = Image.fromarray(pixels[top:bottom, left:right])
    part.thumbnail((PICTURE_PIXELS, PICTURE_PIXELS))
    return part


def _model(samples: Any, fields: _gallery.IndexFields, model: Any, device: str | None) -> Embedder:
    """The very model that made the vectors of an index."""
    path = f"{_fields.objects_path(samples, fields.patches_field)}.{fields.embeddings_field}"
    facts = _fields.recorded(samples, path)
    again = f'simfind.embed(samples, "{fields.patches_field}", embeddings_field="{fields.embeddings_field}", ' + (
        "model=..., overwrite=True), with a weights file or a model's name, and build the index again"
    )
    if facts is None:
        raise ModelError(
            f'the vectors in "{path}" were not made by simfind, so that no model is known to look at an image with; '
            f"search for vectors of your own, or run {again}"
        )
    if model is None and not facts.get("weights"):
        raise ModelError(
            f'the vectors in "{path}" were made by {facts["model"]}, which did not come from a file and cannot be '
            f"loaded again; give it as model=, or run {again}"
        )
    from fiftyone_simfind.models import load_embedder

    source = facts["weights"] if model is None else model
    embedder = load_embedder(source, image_size=facts["image_size"], device=device)
    if embedder.name != facts["model"]:
        raise ModelError(
            f'the vectors in "{path}" were made by {facts["model"]}, and {source!r} is now {embedder.name}; put the '
            f"former back, give it as model=, or run {again}"
        )
    return embedder
