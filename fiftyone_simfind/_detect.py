"""Run YOLO: objects and their vectors in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fiftyone_simfind import _cluster, _embedding, _fields
from fiftyone_simfind._batches import Batches
from fiftyone_simfind._types import EmbedReport, Objects
from fiftyone_simfind.errors import FieldError, OptionError


def detect(
    samples: Any,
    *,
    label_field: str = "objects",
    model: Any = "yolo11n.pt",
    embeddings_field: str = "embedding",
    classes: Sequence[str] | None = None,
    confidence_thresh: float = 0.25,
    image_size: int = 640,
    batch_size: int | None = None,
    num_workers: int | None = None,
    device: str | None = None,
    engine: str = "auto",
    cluster: str | None = None,
    skip_failures: bool = True,
    overwrite: bool = False,
    progress: Any = None,
) -> EmbedReport:
    """Objects with vectors, in a field of ``Detections`` on every image.

    The boxes, labels and confidences are those of ``ultralytics.YOLO.predict`` for each image; the vectors come from
    feature maps of the same forward pass, with segmentation and OBB models of what lies inside the masks or the rotated
    boxes, which are not stored. Images that an earlier run with the same settings has finished are left
    alone, so that a run which was stopped goes on where it was; what it had found is kept.

    Args:
        samples: image dataset or view; of groups the images in all of their slices are taken
        label_field: field of ``Detections`` to write
        model: YOLO weights, as a path or a name, an ``ultralytics.YOLO``, or a :class:`Detector`
        embeddings_field: attribute of each detection for its vector, at most 512 float32 of length 1
        classes: names of the classes to keep; default is all
        confidence_thresh: leave out objects less sure than this, in [0, 1]
        image_size: longest side of an image in the network, in pixels
        batch_size: images in a forward pass; default is what suits the device
        num_workers: threads that read images ahead; default is one per core, up to 16
        device: torch device such as ``"cuda:0"``; default is the first GPU, or else the CPU
        engine: what runs the network: ``"torch"``, ``"openvino"``, ``"onnx"`` or ``"tensorrt"``, whose boxes and
            vectors differ a little (docs/throughput.md says by how much); or ``"auto"``, the fastest of those that are
            installed, which a short trial finds and the report names; for fewer than 64 images torch
        cluster: address of a Ray cluster whose machines share the work, such as ``"auto"`` or ``"ray://host:10001"``;
            ``"local"`` begins one on this machine, with a process for each of its GPUs
        skip_failures: go on after an image that cannot be read, and name it in the report
        overwrite: replace what the field holds on these samples
        progress: True, False, None for FiftyOne's default, or a function that is given the progress bar

    Returns:
        what was done: images, objects, failures, seconds

    Raises:
        CollectionError: the samples are no images
        FieldError: the field holds labels that this call did not write, and ``overwrite`` is not set
        ModelError: the model cannot be loaded
        OptionError: an option is out of range
        ClusterError: the cluster cannot be reached, or its machines see no database, images or weights
    """
    options = {name: value for name, value in locals().items() if name != "samples"}
    if not 0 <= confidence_thresh <= 1:
        raise OptionError(f"confidence_thresh={confidence_thresh} must lie in [0, 1]")
    if not label_field.isidentifier():
        raise OptionError(
            f'label_field="{label_field}" must be letters, digits and underscores, and not begin with a digit'
        )
    view = _fields.with_all_fields(_fields.images(samples))
    from fiftyone_simfind.models import images, load_detector

    batches = Batches(images.read, batch_size, num_workers, skip_failures, progress)
    detector = load_detector(
        model, image_size=image_size, device=device, engine=_embedding.engine_for(view, engine, cluster)
    )
    classes = [classes] if isinstance(classes, str) else classes
    detector.detect([], confidence_thresh=confidence_thresh, classes=classes)  # refuses unknown classes
    facts = _fields.model_facts(detector, model, image_size)
    settings = {**facts, "embeddings_field": embeddings_field, "confidence_thresh": confidence_thresh}
    settings["classes"] = sorted(classes) if classes else None
    if cluster:
        _cluster.require(cluster, model=model, device=device)
    _prepare(view, label_field, embeddings_field, facts, settings, overwrite)
    todo = _fields.ImageFiles(view, without=label_field)
    done = view.count() - len(todo)
    if cluster:
        return _cluster.run("detect", view, options, cluster, EmbedReport(detector.name, already_done=done))
    report = EmbedReport(detector.name, already_done=done, engine=getattr(detector, "engine", None))

    def find(items: list, pictures: list) -> list[Objects]:
        return detector.detect(pictures, confidence_thresh=confidence_thresh, classes=classes)

    def write(found: list[tuple[Any, Objects]]) -> None:
        _fields.write_objects(view, label_field, embeddings_field, {item.sample_id: o for item, o in found})
        report.images += len(found)
        report.objects += sum(len(o) for _, o in found)

    batches.of(detector).run(todo, len(todo), find, write, report)
    return report


def _prepare(
    view: Any,
    label_field: str,
    embeddings_field: str,
    facts: Mapping[str, Any],
    settings: Mapping[str, Any],
    overwrite: bool,
) -> None:
    """Make the fields ready for a run, or say why they cannot take it; nothing is lost before that is sure."""
    if _fields.exists(view, label_field):
        _fields.objects_path(view, label_field)
        _refuse_to_mix(view, label_field, facts, settings, overwrite)
    vectors = f"{label_field}.detections.{embeddings_field}"
    _fields.declare_objects(view, label_field)
    _fields.prepare_vectors(view, vectors, facts, overwrite)
    if overwrite:
        _fields.clear_samples(view, label_field)
    _fields.record(view, label_field, settings)


def _refuse_to_mix(
    view: Any, label_field: str, facts: Mapping[str, Any], settings: Mapping[str, Any], overwrite: bool
) -> None:
    before = _fields.recorded(view, label_field) or {}
    if before == settings or not _fields.count_values(_fields.everything(view), label_field):
        return
    name = _fields.dataset_of(view).name
    if not overwrite and not before:
        raise FieldError(
            f'"{label_field}" of dataset "{name}" already holds labels that simfind.detect did not write. Choose '
            f'another label_field; or give them vectors with simfind.embed(samples, "{label_field}"); or replace them '
            "with overwrite=True"
        )
    if not overwrite:
        changed = {key: (before.get(key), value) for key, value in settings.items() if before.get(key) != value}
        told = ", ".join(f"{key}={old!r}, now {new!r}" for key, (old, new) in changed.items())
        raise FieldError(
            f'"{label_field}" of dataset "{name}" was detected with {told}. Choose another label_field, or replace it '
            "with overwrite=True"
        )
    left = _fields.count_values(_fields.everything(view), label_field) - _fields.count_values(view, label_field)
    if left:  # what is recorded of a field is true of all its images
        other = "of another model" if before.get("model") != facts["model"] else "found with other settings"
        raise FieldError(
            f'overwrite=True would leave {left:,} samples outside this view with labels {other} in "{label_field}". '
            f'Give the whole dataset "{name}", or choose another label_field'
        )
