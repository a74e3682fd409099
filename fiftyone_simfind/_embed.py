"""Vectors for boxes that already exist."""

from __future__ import annotations

from typing import Any

from fiftyone_simfind import _cluster, _embedding, _fields
from fiftyone_simfind._batches import Batches
from fiftyone_simfind._types import EmbedReport

DEFAULT_IMAGE_SIZE = 640


def embed(
    samples: Any,
    patches_field: str,
    *,
    model: Any = "yolo11n.pt",
    embeddings_field: str = "embedding",
    image_size: int | None = None,
    batch_size: int | None = None,
    num_workers: int | None = None,
    device: str | None = None,
    engine: str = "auto",
    cluster: str | None = None,
    skip_failures: bool = True,
    overwrite: bool = False,
    progress: Any = None,
) -> EmbedReport:
    """A vector on every object of a field: ground truth, edited boxes, or another model's.

    Boxes, labels and all other attributes stay as they are. Objects that have a vector of the same model are left
    alone, so that a run which was stopped goes on where it was.

    Where a detection has a ``mask`` or a ``mask_path``, YOLO vectors are of what lies inside. A mask that was changed
    since is not noticed: give ``overwrite=True``.

    Args:
        samples: image dataset or view; of a patches view, or one with filtered labels, only the objects in it
        patches_field: field of ``Detections``
        model: YOLO weights, as a path or a name, an ``ultralytics.YOLO``, or an :class:`Embedder`; or a network that
            looks at crops: ``"mobilenet_v2"`` and others of torchvision, also as ``"mobilenet_v2:/path/to/file.pth"``,
            YOLO classification weights, or a model of FiftyOne's zoo, as ``"zoo:clip-vit-base32-torch"``
        embeddings_field: attribute of each detection for its vector
        image_size: longest side of an image in the network, in pixels; default is what the field's vectors were made
            with, or 640
        batch_size: images in a forward pass; default is what suits the device
        num_workers: threads that read images ahead; default is one per core, up to 16
        device: torch device such as ``"cuda:0"``; default is the first GPU, or else the CPU
        engine: what runs the network: ``"torch"``, ``"openvino"``, ``"onnx"`` or ``"tensorrt"``, whose boxes and
            vectors differ a little (docs/throughput.md says by how much); or ``"auto"``, the fastest of those that are
            installed, which a short trial finds and the report names; for fewer than 64 images torch
        cluster: address of a Ray cluster whose machines share the work, such as ``"auto"`` or ``"ray://host:10001"``;
            ``"local"`` begins one on this machine, with a process for each of its GPUs
        skip_failures: go on after an image that cannot be read, and name it in the report
        overwrite: replace the vectors of these objects
        progress: True, False, None for FiftyOne's default, or a function that is given the progress bar

    Returns:
        what was done: images, objects, failures, seconds

    Raises:
        CollectionError: the samples are no images
        FieldError: there is no such field, or it has vectors of another model, and ``overwrite`` is not set
        ModelError: the model cannot be loaded
        OptionError: an option is out of range
        ClusterError: the cluster cannot be reached, or its machines see no database, images or weights
    """
    options = {name: value for name, value in locals().items() if name != "samples"}
    view = _fields.with_all_fields(_fields.images(samples), patches_field)
    path = _fields.objects_path(view, patches_field)
    vectors = f"{path}.{embeddings_field}"
    from fiftyone_simfind.models import images, load_embedder

    batches = Batches(images.read, batch_size, num_workers, skip_failures, progress)
    size = image_size or (_fields.recorded(view, vectors) or {}).get("image_size") or DEFAULT_IMAGE_SIZE
    embedder = load_embedder(model, image_size=size, device=device, engine=_embedding.engine_for(view, engine, cluster))
    facts = _fields.model_facts(embedder, model, size)
    if cluster:
        _cluster.require(cluster, model=model, device=device)
    _fields.prepare_vectors(view, vectors, facts, overwrite)
    total = _fields.count_boxed(view, path)
    todo = _fields.count_boxed(view, path, missing=embeddings_field)
    if cluster:
        options["image_size"] = size
        return _cluster.run("embed", view, options, cluster, EmbedReport(embedder.name, already_done=total - todo))
    report = EmbedReport(embedder.name, already_done=total - todo, engine=getattr(embedder, "engine", None))

    masks = _embedding.takes_masks(embedder)
    items = _fields.boxed_images(view, path, missing=embeddings_field, masks=masks)
    return _embedding.run(view, vectors, embedder, batches, items, todo, report)
