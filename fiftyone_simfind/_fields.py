"""The only reader and writer of FiftyOne samples."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

import fiftyone as fo
import fiftyone.core.odm as foo
import gridfs
import numpy as np
from bson import ObjectId
from fiftyone import ViewField as F
from numpy.typing import NDArray
from pymongo import UpdateMany, UpdateOne

from fiftyone_simfind._types import Objects
from fiftyone_simfind.backend.objects import STAMP, all_slices, encode
from fiftyone_simfind.errors import CollectionError, FieldError
from fiftyone_simfind.numerics import boxes as bx
from fiftyone_simfind.numerics import ids as nid
from fiftyone_simfind.numerics import masks as mk
from fiftyone_simfind.numerics import stamps as st

INFO_KEY = "simfind"
SCORES = {"scores": "cosine similarity to the last query"}
OF_DETECTIONS = {"instance", *dir(fo.Detection)}  # names of all that FiftyOne itself has in a detection
WHOLE = "whole images"  # under which a field of them says where their labels are from
HEATMAP = {"heatmap": "cosine similarity of the places in a match's box to the query, 0 and less as 0"}
LOST = (gridfs.errors.NoFile, AttributeError)  # raised where the results of a run are named but are not there
NO_DATASET = fo.core.dataset.DatasetNotFoundError
CHUNK = 1000  # samples read from the database at a time
CHUNK_OF_MASKS = 100  # likewise, with masks as large as their objects


class ImageFile(NamedTuple):
    """A sample and its image."""

    sample_id: str
    filepath: str


class BoxedImage(NamedTuple):
    """A sample, its image, and the boxes to embed in it; row ``i`` of ``boxes`` belongs to ``label_ids[i]``.

    ``masks`` are grids of :mod:`fiftyone_simfind.numerics.masks`, None for objects without a mask, or for all.
    """

    sample_id: str
    filepath: str
    label_ids: list[str]
    boxes: NDArray[np.float64]
    masks: list[NDArray[np.float32] | None] | None = None

    def take(self, rows: Sequence[int]) -> BoxedImage:
        """Some of the objects."""
        masks = None if self.masks is None else [self.masks[row] for row in rows]
        return self._replace(label_ids=[self.label_ids[row] for row in rows], boxes=self.boxes[rows], masks=masks)


class Counts(NamedTuple):
    """A field of detections: its objects, the samples without it; by attribute, the vectors, and how many cannot be."""

    patches_field: str
    objects: int
    unseen: int
    vectors: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class ObjectTable:
    """Objects with vectors, as they are in the database; row ``i`` of everything belongs to one object."""

    label_ids: NDArray[np.str_]
    sample_ids: NDArray[np.str_]
    labels: NDArray[np.object_]
    vectors: NDArray[np.float32]


def images(samples: Any) -> Any:
    """The samples as a collection of whole images, which is what all verbs look at.

    A patches view becomes the view of the images that its objects lie in, holding those objects alone; groups become
    the images in all of their slices.

    Raises:
        CollectionError: these are no image samples
    """
    require_collection(samples)
    if samples.media_type == "group":
        return _ungrouped(samples)
    field = patches_field_of(samples)
    if field is not None:
        return everything(samples).select_labels(ids=samples.values("id"), fields=field)
    if samples.media_type not in ("image", None) or samples._is_frames or samples._is_clips:
        raise CollectionError(
            f'"{samples._dataset.name}" has {samples.media_type} samples; only images can be searched by object. '
            "Make images of a video with samples.to_frames(sample_frames=True), clone(), and give those"
        )
    return samples


def _ungrouped(samples: Any) -> Any:
    if samples._is_dynamic_groups:
        raise CollectionError(
            f'"{samples._dataset.name}" is grouped by a field in this view; give its images, samples.flatten()'
        )
    kinds = sorted(set(samples.group_media_types.values()))
    if "image" not in kinds:
        raise CollectionError(
            f'"{samples._dataset.name}" has groups of {kinds}; only images can be searched by object. Add a slice of '
            "images"
        )
    return all_slices(samples)


def require_collection(samples: Any) -> None:
    """Raise unless this is a dataset or view.

    Raises:
        CollectionError: it is none
    """
    if not isinstance(samples, fo.core.collections.SampleCollection):
        raise CollectionError(f"samples={samples!r} is no dataset or view; load one with fiftyone.load_dataset(name)")


def with_all_fields(view: Any, patches_field: str | None = None) -> Any:
    """The same samples, in their order, with all that the dataset has of them.

    What ``select_fields()`` or ``exclude_fields()`` hides from a view would be taken for missing.

    Args:
        view: image samples
        patches_field: field of which the view must go on to show the same objects

    Raises:
        CollectionError: without these stages the view shows other samples or objects
    """
    stages = view._stages if isinstance(view, fo.DatasetView) else []
    kept = [stage for stage in stages if not isinstance(stage, (fo.SelectFields, fo.ExcludeFields))]
    if len(kept) == len(stages):
        return view
    whole = view._base_view
    for stage in kept:
        whole = whole.add_stage(stage)
    filtered = patches_field is not None and view.get_field(patches_field) and hides_objects(view, patches_field)
    field = patches_field if filtered else None
    (ids, objects), (all_ids, all_objects) = packed_ids(view, field), packed_ids(whole, field)
    if not np.array_equal(ids, all_ids) or objects != all_objects:
        raise CollectionError(
            f'which samples or objects this view of "{view._dataset.name}" shows depends on its stages '
            f"{[stage for stage in stages if stage not in kept]}; give a view without them"
        )
    return whole


def patches_field_of(samples: Any) -> str | None:
    """The label field that a patches view shows, or None for a collection of images.

    Raises:
        CollectionError: its patches are of more than one field, as those of an evaluation are
    """
    if isinstance(samples, fo.core.patches.PatchesView):
        return samples.patches_field
    if samples._is_patches:
        raise CollectionError(
            f'the {type(samples).__name__} of "{dataset_of(samples).name}" shows patches of more than one field; give '
            'those of one, dataset.to_patches("field")'
        )
    return None


def _shown(samples: Any, patches_field: str) -> bool:
    """Whether this is a patches view of a field; False for a collection of images.

    Raises:
        CollectionError: it is a patches view of another field
    """
    field = patches_field_of(samples)
    if field not in (None, patches_field):
        raise CollectionError(
            f'the view shows patches of "{field}", but the index covers "{patches_field}"; give the dataset, or '
            f'patches of "{patches_field}"'
        )
    return field is not None


def dataset_of(samples: Any) -> Any:
    """The dataset behind any view, patches views included."""
    return samples._root_dataset


def everything(samples: Any) -> Any:
    """All samples of the dataset behind any view; of a grouped one the images in all of its slices."""
    return all_slices(dataset_of(samples))


def catch_up(samples: Any, key: str | None = None, *, kind: str = "brain_methods") -> None:
    """Reload a dataset where another process has made or deleted the run of a name, or any run, since it was loaded.

    Args:
        samples: dataset or view
        key: name of the run; default is all of them
        kind: where FiftyOne keeps such runs, ``"brain_methods"`` or ``"runs"``
    """
    dataset = dataset_of(samples)
    known = {name: run.id for name, run in dataset._doc[kind].items()}
    stored = (foo.get_db_conn()["datasets"].find_one({"_id": dataset._doc.id}, {kind: 1}) or {}).get(kind, {})
    changed = [name for name in ({*known, *stored} if key is None else [key]) if known.get(name) != stored.get(name)]
    if not changed:
        return
    dataset.reload()  # as a whole: whoever made the run may have made the fields that it is of
    for name in changed:
        for results in (dataset._brain_cache, dataset._run_cache):
            results.pop(name, None)


def objects_path(samples: Any, patches_field: str) -> str:
    """The path of the objects in a field, such as ``"objects.detections"``.

    Raises:
        FieldError: there is no such field, or it holds no detections
    """
    dataset = dataset_of(samples)
    field = dataset.get_field(patches_field)
    if field is None:
        fields = sorted(dataset.get_field_schema(embedded_doc_type=fo.Detections))
        hint = (
            f"its detection fields are {fields}"
            if fields
            else 'run simfind.detect(samples, label_field="objects") first'
        )
        raise FieldError(f'"{patches_field}" does not exist on dataset "{dataset.name}"; {hint}')
    if getattr(field, "document_type", None) is not fo.Detections:
        kind = getattr(field, "document_type", type(field)).__name__
        raise FieldError(f'"{patches_field}" of dataset "{dataset.name}" holds {kind}; give a field of Detections')
    return f"{patches_field}.detections"


# What made the vectors of a field


def model_facts(embedder: Any, model: Any, image_size: int) -> dict[str, Any]:
    """What is recorded about a model: enough to tell it from others, and to load it again where it came from a file."""
    weights = os.fspath(model) if isinstance(model, (str, os.PathLike)) else None
    parts = [list(part) for part in getattr(embedder, "parts", [])]
    prompts = getattr(embedder, "takes_prompts", False)
    return {"model": embedder.name, "weights": weights, "image_size": image_size, "parts": parts, "prompts": prompts}


def recorded(samples: Any, path: str) -> dict[str, Any] | None:
    """What was recorded about the run that filled a field, or None."""
    field = dataset_of(samples).get_field(path)
    return None if field is None else (field.info or {}).get(INFO_KEY)


def record(samples: Any, path: str, facts: Mapping[str, Any]) -> None:
    """Record on a field what fills it; the App shows it when the field is pointed at."""
    if recorded(samples, path) == dict(facts):
        return  # many machines at once do this; only the first may write what all of them read
    field = dataset_of(samples).get_field(path)
    field.info = {**(field.info or {}), INFO_KEY: dict(facts)}
    field.save()


def declare_objects(samples: Any, label_field: str) -> None:
    """Make sure that a field of detections exists."""
    if dataset_of(samples).get_field(label_field) is None:
        dataset_of(samples).add_sample_field(label_field, fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)


def declare_vectors(samples: Any, path: str) -> None:
    """Make sure that a vector field exists; Brain takes an undeclared one for missing and downloads a model."""
    dataset = dataset_of(samples)
    field = dataset.get_field(path)
    if field is None:
        dataset.add_sample_field(path, fo.VectorField)
    elif not isinstance(field, fo.VectorField):
        raise FieldError(
            f'"{path}" of dataset "{dataset.name}" is a {type(field).__name__}, no VectorField; '
            "choose another embeddings_field"
        )


def prepare_vectors(view: Any, vectors: str, facts: Mapping[str, Any], overwrite: bool) -> None:
    """Make the vector field ready, or say why it cannot take these vectors; nothing is lost before that is sure.

    Raises:
        FieldError: it has vectors of another model that would stay, or is no vector field
    """
    dataset = dataset_of(view)
    declare_vectors(view, vectors)
    before = (recorded(view, vectors) or {}).get("model")
    if before == facts["model"] and not overwrite:
        record(view, vectors, facts)
        return  # nothing is counted: that takes as long as the dataset is large
    there = count_values(everything(view), vectors)
    if there and before != facts["model"]:
        whose = f"vectors of {before}" if before else "vectors that simfind did not make"
        if not overwrite:
            raise FieldError(
                f'"{vectors}" of dataset "{dataset.name}" holds {whose}, not of {facts["model"]}. Choose another '
                "embeddings_field, or replace them with overwrite=True"
            )
        if there > count_values(view, vectors):
            raise FieldError(
                f'overwrite=True would leave {whose} on objects outside this view in "{vectors}". Give the whole '
                f'dataset "{dataset.name}", or choose another embeddings_field'
            )
    if overwrite and there:
        clear_objects(view, vectors)
    record(view, vectors, facts)


# Reading


def exists(samples: Any, path: str) -> bool:
    """Whether the dataset has a field."""
    return dataset_of(samples).get_field(path) is not None


def count_values(samples: Any, path: str) -> int:
    """How many values, not None, the samples have in a field."""
    return samples.count(path)


class ImageFiles:
    """The samples that have no value in a field, and their images, in order; how many is its length.

    Twelve bytes of each are in memory. Samples that are deleted meanwhile are left out.
    """

    def __init__(self, view: Any, *, without: str):
        self._collection = dataset_of(view)._sample_collection
        self._ids = _ids_without(view, without)

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[ImageFile]:
        for start in range(0, len(self), CHUNK):
            ids = nid.to_hex(self._ids[start : start + CHUNK]).tolist()
            some = self._collection.find({"_id": {"$in": [ObjectId(one) for one in ids]}}, {"filepath": True})
            paths = {str(document["_id"]): document["filepath"] for document in some}
            yield from (ImageFile(one, paths[one]) for one in ids if one in paths)


def _ids_without(view: Any, field: str) -> nid.Ids:
    """The ids of the samples, in order, that have no value in a field of the dataset, whatever the view shows of it."""
    if isinstance(view, fo.Dataset):
        return packed_ids(view.exists(field, False))[0]
    ids, found = packed_ids(view)[0], bytearray()
    collection = dataset_of(view)._sample_collection
    for start in range(0, len(ids), CHUNK):
        some = [ObjectId(one) for one in nid.to_hex(ids[start : start + CHUNK]).tolist()]
        for document in collection.find({"_id": {"$in": some}, field: None}, {"_id": True}):
            found += document["_id"].binary
    return ids[np.isin(ids, nid.pack([bytes(found)]))]


def count_boxed(view: Any, path: str, *, missing: str | None = None) -> int:
    """How many images :func:`boxed_images` gives."""
    return _with_objects(view, path, missing).count()


def unfinished(view: Any, field: str, embeddings_field: str, *, by_object: bool) -> tuple[nid.Ids, list[bytes]]:
    """The ids of the samples that :class:`ImageFiles` or, by object, :func:`boxed_images` gives.

    And where the view hides some objects of its samples, the ids of those that :func:`boxed_images` gives.
    """
    if not by_object:
        return _ids_without(view, field), []
    todo = _with_objects(view, f"{field}.detections", embeddings_field)
    return packed_ids(todo, field if hides_objects(view, field) else None)


def hides_objects(view: Any, field: str) -> bool:
    """Whether a view shows only some of the objects of its samples."""
    return isinstance(view, fo.DatasetView) and f"{field}.detections" in (view._get_filtered_fields() or ())


def packed_ids(view: Any, field: str | None = None) -> tuple[nid.Ids, list[bytes]]:
    """The ids of the samples, ``(n,)``, and with a field the ids of the objects that each shows, 12 bytes an id."""
    project = {"_id": 1, **({"shown": f"${field}.detections._id"} if field else {})}
    samples, objects = bytearray(), []  # a million samples are 12 MB
    for document in view._aggregate(post_pipeline=[{"$project": project}]):
        samples += document["_id"].binary
        if field:
            objects.append(b"".join(label_id.binary for label_id in document.get("shown") or ()))
    return nid.pack([bytes(samples)]), objects


def some_samples(name: str, sample_ids: Sequence[str], field: str, label_ids: Sequence[str] | None) -> Any:
    """Some samples of the dataset of a name as it is now; with label ids, no other objects in a field."""
    view = all_slices(fo.load_dataset(name, reload=True)).select(list(sample_ids))
    return view if label_ids is None else view.select_labels(ids=list(label_ids), fields=field)


def image_folders(view: Any) -> set[str]:
    """The folders in which the images of some samples lie."""
    return {os.path.dirname(path) for path in view.values("filepath")}


def boxed_objects(
    samples: Any, path: str, sample_ids: Sequence[str], label_ids: Iterable[str], *, masks: bool = False
) -> Iterator[BoxedImage]:
    """Some objects with their boxes, by image; those that are gone are left out."""
    wanted = set(label_ids)
    for image in boxed_images(everything(samples).select(list(sample_ids)), path, masks=masks):
        rows = [row for row, label_id in enumerate(image.label_ids) if label_id in wanted]
        if rows:
            yield image.take(rows)


def boxed_images(view: Any, path: str, *, missing: str | None = None, masks: bool = False) -> Iterator[BoxedImage]:
    """The images that hold objects, with their boxes.

    Args:
        view: image samples
        path: path of the objects
        missing: give only the objects that have no value in this attribute
        masks: give those of the objects, too
    """
    view = _with_objects(view, path, missing)
    ids, _ = packed_ids(view)
    size = CHUNK_OF_MASKS if masks else CHUNK
    for start in range(0, len(ids), size):
        chunk = view.select(nid.to_hex(ids[start : start + size]).tolist())
        rows = chunk.values(["id", "filepath", f"{path}.id", f"{path}.bounding_box"])
        grids = _grids(chunk, path) if masks else [None] * len(rows[0])
        for sample_id, filepath, label_ids, boxes, of_image in zip(*rows, grids, strict=True):
            corners = bx.as_boxes([box or [np.nan] * 4 for box in boxes])
            yield BoxedImage(sample_id, filepath, label_ids, corners, of_image)


def _grids(chunk: Any, path: str) -> list[list[NDArray[np.float32] | None] | None]:
    """For each image the grids of its objects' masks; None where no object has a mask."""
    rows = zip(*chunk.values([f"{path}.{name}" for name in ("bounding_box", "mask", "mask_path")]), strict=True)
    made = [[_grid(*row) for row in zip(*columns, strict=True)] for columns in rows]
    return [None if all(grid is None for grid in grids) else grids for grids in made]


def _grid(box: list[float] | None, mask: Any, mask_path: str | None) -> NDArray[np.float32] | None:
    """What of a box is the object; None if nothing says so, or a file does that is not there."""
    if (mask is None and mask_path is None) or not box or not bx.has_area([box])[0]:
        return None
    try:
        found = fo.Detection(mask=mask, mask_path=mask_path).get_mask()
    except (OSError, ValueError):
        return None
    return mk.of_detection(found.reshape(*found.shape[:2], -1).any(axis=2), box)


def _with_objects(view: Any, path: str, missing: str | None) -> Any:
    field = path.rpartition(".")[0]
    if missing is not None:
        return view.filter_labels(field, ~F(missing).exists())
    return view.match(F(path).length() > 0)


def object_table(samples: Any, path: str, embeddings_field: str) -> ObjectTable:
    """Every object of the dataset that has a vector."""
    fields = ["id", f"{path}.id", f"{path}.label", f"{path}.{embeddings_field}"]
    ids, label_ids, labels, vectors = everything(samples).values(fields)
    rows = [
        (label_id, sample_id, label, vector)
        for sample_id, *objects in zip(ids, label_ids, labels, vectors, strict=True)
        for label_id, label, vector in zip(*(x or () for x in objects), strict=True)
        if vector is not None
    ]
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    stacked = _stack(columns[3], f"{path}.{embeddings_field}")
    return ObjectTable(np.array(columns[0], "U24"), np.array(columns[1], "U24"), np.array(columns[2], object), stacked)


def _stack(vectors: Sequence[NDArray], path: str) -> NDArray[np.float32]:
    lengths = sorted({len(v) for v in vectors})
    if len(lengths) > 1:
        raise FieldError(
            f'"{path}" holds vectors of different lengths, {lengths}: embed the objects again, all with one model'
        )
    return np.array(vectors, dtype=np.float32).reshape(len(vectors), lengths[0] if lengths else 0)


def object_values(view: Any, path: str, attribute: str) -> dict[str, Any]:
    """An attribute of every object of some images, by label id; None for objects that lack it.

    Raises:
        FieldError: none of the objects has it
    """
    rows = zip(*all_slices(view).values([f"{path}.id", f"{path}.{attribute}"]), strict=True)
    found = {i: value for ids, values in rows for i, value in zip(ids or (), values or (), strict=True)}
    if all(value is None for value in found.values()):
        raise FieldError(
            f'no object in "{path}" of dataset "{dataset_of(view).name}" has an attribute "{attribute}"; '
            f"those in the schema are {_attributes(view, path)}"
        )
    return found


def _attributes(view: Any, path: str) -> list[str]:
    schema = dataset_of(view).get_field_schema(flat=True)
    names = [name.removeprefix(f"{path}.") for name in schema if name.startswith(f"{path}.")]
    return sorted(name for name in names if "." not in name and name not in ("id", "bounding_box", "mask"))


def find_object(samples: Any, patches_field: str, label_id: str) -> Any | None:
    """The object of an id in a field of the dataset, or None."""
    if not ObjectId.is_valid(label_id):
        return None
    found = list(everything(samples).select_labels(ids=[label_id], fields=patches_field).limit(1))
    return found[0][patches_field].detections[0] if found else None


def label_ids(samples: Any, patches_field: str) -> list[str]:
    """The ids of the objects that a view shows in a field."""
    shown = _shown(samples, patches_field)
    if shown:
        return samples.values("id")
    return samples.values(f"{patches_field}.detections.id", unwind=True)


def places(samples: Any, path: str, sample_ids: Iterable[str]) -> dict[str, tuple[str, list[float]]]:
    """``(filepath, relative bounding box)`` of every object of some samples, by label id.

    Not by ``values()``, which takes longer to think of its question than the database to answer it.
    """
    wanted = {"_id": {"$in": [ObjectId(one) for one in set(sample_ids)]}}
    asked = {"filepath": True, f"{path}._id": True, f"{path}.bounding_box": True}
    return {
        str(found["_id"]): (sample["filepath"], found.get("bounding_box"))
        for sample in dataset_of(samples)._sample_collection.find(wanted, asked)
        for found in _inside(sample, path) or ()
    }


def find_places(samples: Any, path: str, label_ids: Sequence[str]) -> dict[str, tuple[str, list[float] | None]]:
    """``(filepath, relative bounding box)`` of some objects, by label id; those that are not there are left out."""
    wanted = [ObjectId(label_id) for label_id in label_ids if ObjectId.is_valid(label_id)]
    chunks = (wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK))
    collection = dataset_of(samples)._sample_collection
    holders = [str(d["_id"]) for ids in chunks for d in collection.find({f"{path}._id": {"$in": ids}}, {"_id": 1})]
    found = places(samples, path, holders) if holders else {}
    return {label_id: found[label_id] for label_id in label_ids if label_id in found}


def count_vectors(samples: Any) -> list[Counts]:
    """How many objects, and vectors of each kind, are in every field of detections; no vector leaves the database."""
    dataset = dataset_of(samples)
    fields = list(dataset.get_field_schema(embedded_doc_type=fo.Detections))
    schema = dataset.get_field_schema(ftype=fo.VectorField, flat=True)
    sums: dict[str, Any] = {}
    kinds: dict[str, list[str]] = {}
    for i, field in enumerate(fields):
        path = f"{field}.detections"
        kinds[field] = [name.removeprefix(f"{path}.") for name in schema if name.startswith(f"{path}.")]
        sums[f"n{i}"] = {"$sum": {"$size": {"$ifNull": [f"${path}._id", []]}}}
        sums[f"u{i}"] = {"$sum": {"$cond": [{"$eq": [{"$ifNull": [f"${field}", None]}, None]}, 1, 0]}}
        for j, name in enumerate(kinds[field]):
            sums[f"v{i}_{j}"] = _sum_where(f"{path}.{name}", {"$ne": ["$$this", None]})
            # A missing stamp is none at all; a null one would count as less than any number.
            below = {"$and": [{"$ne": ["$$this", None]}, {"$lt": ["$$this", 0]}]}
            sums[f"t{i}_{j}"] = _sum_where(f"{path}.{name}{STAMP}", below)
    found: dict = next(iter(everything(dataset)._aggregate(post_pipeline=[{"$group": {"_id": None, **sums}}])), {})
    return [
        Counts(
            field,
            found.get(f"n{i}", 0),
            found.get(f"u{i}", 0),
            {name: (found.get(f"v{i}_{j}", 0), found.get(f"t{i}_{j}", 0)) for j, name in enumerate(kinds[field])},
        )
        for i, field in enumerate(fields)
    ]


def _sum_where(path: str, condition: dict) -> dict:
    """For MongoDB: over all objects, how many have an attribute that meets a condition."""
    return {"$sum": {"$size": {"$filter": {"input": {"$ifNull": [f"${path}", []]}, "cond": condition}}}}


def object_runs(samples: Any, kind: str) -> dict[str, Any]:
    """The configurations of the Brain runs of a kind that are of objects, by their names."""
    dataset = dataset_of(samples)
    configs = {key: dataset.get_brain_info(key).config for key in dataset.list_brain_runs(type=kind)}
    return {key: config for key, config in configs.items() if getattr(config, "patches_field", None)}


def score_fields(samples: Any, patches_field: str) -> list[str]:
    """The attributes of a field's objects that hold the scores of searches."""
    path = objects_path(samples, patches_field)
    floats = dataset_of(samples).get_field_schema(ftype=fo.FloatField, flat=True)
    names = [name for name in floats if name.startswith(f"{path}.") and recorded(samples, name) == SCORES]
    return [name.removeprefix(f"{path}.") for name in names]


def has_whole_images(samples: Any, patches_field: str) -> bool:
    """Whether the objects of a field are whole images, which :func:`give_whole` made."""
    return WHOLE in (recorded(samples, patches_field) or {})


def last_change(samples: Any) -> tuple[int, Any]:
    """Something that differs after any sample of the dataset was added, edited or removed."""
    every = everything(samples)
    return every.count(), every.max("last_modified_at")


def is_whole(samples: Any) -> bool:
    """Whether this is a dataset or a view that leaves nothing out."""
    return isinstance(samples, fo.Dataset) or not samples._all_stages


# Writing


def products(name: str | None, rows: Iterable[tuple[str, str, str, str | None]]) -> Any:
    """A new dataset of photos of products: ``(filepath, url, product, link)`` rows, in their order."""
    dataset = fo.Dataset(name)
    dataset.add_sample_field("product", fo.EmbeddedDocumentField, embedded_doc_type=fo.Classification)
    for field in ("url", "link"):
        dataset.add_sample_field(field, fo.StringField)
    samples = [
        fo.Sample(filepath=filepath, product=fo.Classification(label=product), url=url, link=link)
        for filepath, url, product, link in rows
    ]
    dataset.add_samples(samples, progress=False)
    return dataset


def clear_samples(samples: Any, field: str) -> None:
    """Remove a field's values from some samples."""
    dataset_of(samples).set_values(field, dict.fromkeys(samples.values("id")), key_field="id")


def clear_objects(samples: Any, path: str) -> None:
    """Remove an attribute from the objects of some samples, and nothing else.

    Not by ``set_field().save()``: saving a view with filtered labels deletes the labels that were filtered out.
    """
    samples = all_slices(samples)
    if isinstance(samples, fo.Dataset):
        samples.set_field(path, None).save()
        return
    objects = path.rpartition(".")[0]
    ids, labels = samples.values(["id", f"{objects}.id"])
    write_vectors(samples, path, [(i, label, None) for i, row in zip(ids, labels, strict=True) for label in row or ()])


def write_objects(samples: Any, label_field: str, embeddings_field: str, found: Mapping[str, Objects]) -> None:
    """Write the objects of some samples, by sample id, in one bulk operation.

    As ``set_values`` would, but without a document of Python for each object, which takes longer than to pool its
    vector.
    """
    model = (recorded(samples, f"{label_field}.detections.{embeddings_field}") or {}).get("model", "")
    _update(
        samples,
        {
            sample_id: {
                label_field: {"_cls": "Detections", "detections": _detections(objects, embeddings_field, model)}
            }
            for sample_id, objects in found.items()
        },
    )


def label_path(samples: Any, label_field: str) -> str:
    """The path of the class names of whole samples, such as ``"ground_truth.label"``.

    Raises:
        FieldError: there is no such field, or it holds neither a classification nor a string for each sample
    """
    dataset = dataset_of(samples)
    field = dataset.get_field(label_field)
    kind = getattr(field, "document_type", type(field))
    parents = [label_field[:place] for place, letter in enumerate(label_field) if letter == "."]
    in_list = any(isinstance(dataset.get_field(parent), fo.ListField) for parent in parents)
    if kind in (fo.Classification, fo.StringField) and not in_list:
        return f"{label_field}.label" if kind is fo.Classification else label_field
    fields = sorted(dataset.get_field_schema(embedded_doc_type=fo.Classification))
    found = "does not exist" if field is None else f"is a {kind.__name__}{' of each object' * in_list}"
    raise FieldError(
        f'label_field="{label_field}" {found} on dataset "{dataset.name}"; give a field of Classification '
        f"(it has {fields}), a field of strings, or None"
    )


def give_whole(view: Any, patches_field: str, labels: str | None) -> int:
    """Give one object around all of it to every image that has no object in a field; to how many.

    Args:
        view: image samples
        patches_field: field of ``Detections``
        labels: path of the samples' class names, or None
    """
    ids, count = packed_ids(view)[0], 0
    collection = dataset_of(view)._sample_collection
    for start in range(0, len(ids), CHUNK):
        some = [ObjectId(one) for one in nid.to_hex(ids[start : start + CHUNK]).tolist()]
        missing = {"_id": {"$in": some}, f"{patches_field}.detections.0": {"$exists": False}}
        found = list(collection.find(missing, {labels or "_id": 1}))
        _update(view, {str(sample["_id"]): {patches_field: _whole(_inside(sample, labels))} for sample in found})
        count += len(found)
    return count


def _inside(document: Any, path: str | None) -> Any:
    """A value of a document of the database, or None where there is none."""
    if path is None:
        return None
    for name in path.split("."):
        document = (document or {}).get(name)
    return document


def _whole(label: str | None) -> dict[str, Any]:
    blank = {key: value for key, value in fo.Detection(label=label).to_dict().items() if key != "_id"}
    return {
        "_cls": "Detections",
        "detections": [{"_id": ObjectId(), **blank, "bounding_box": [0.0, 0.0, 1.0, 1.0]}],
    }


def _detections(objects: Objects, embeddings_field: str, model: str) -> list[dict[str, Any]]:
    """Objects as the database holds them."""
    blank = {key: value for key, value in fo.Detection().to_dict().items() if key != "_id"}
    made = stamps(objects.boxes, model, objects.vectors)
    columns = (objects.labels, objects.boxes.tolist(), objects.confidences.tolist(), objects.vectors, made)
    return [
        {
            "_id": ObjectId(),
            **blank,
            "label": label,
            "bounding_box": box,
            "confidence": confidence,
            **_vector(embeddings_field, vector, stamp),
        }
        for label, box, confidence, vector, stamp in zip(*columns, strict=True)
    ]


def _vector(embeddings_field: str, vector: NDArray[np.float32], stamp: int) -> dict[str, Any]:
    """A vector, where there is one, and what it was made of, as the database holds them."""
    there = {embeddings_field: encode(vector)} if stamp > 0 else {}
    return {**there, embeddings_field + STAMP: stamp}


def _update(samples: Any, values: Mapping[str, Mapping[str, Any]], filters: Mapping[str, list] | None = None) -> None:
    """Set values of some samples, by sample id and path, in one bulk operation."""
    now = datetime.now(timezone.utc)
    ops = [
        UpdateOne(
            {"_id": ObjectId(sample_id)},
            {"$set": {**of_sample, "last_modified_at": now}},
            array_filters=filters[sample_id] if filters else None,
        )
        for sample_id, of_sample in values.items()
    ]
    if ops:
        dataset_of(samples)._bulk_write(ops, ids=list(values))


def write_vectors(samples: Any, path: str, rows: Iterable[tuple[str, str, Any]]) -> None:
    """Write ``(sample id, label id, value)`` rows in one bulk operation; the objects are otherwise untouched."""
    values = [{"sample_id": s, "label_id": i, "value": vector} for s, i, vector in rows]
    if values:
        dataset_of(samples).set_label_values(path, values)


def stamps(boxes: NDArray[np.float64], model: str, vectors: NDArray[np.float32]) -> list[int]:
    """What the vectors of some boxes were made of, as whole numbers; negative where a box got none."""
    made = st.stamps(boxes, model) if len(boxes) else np.empty(0, np.int64)
    return np.where(np.isnan(vectors).any(axis=1), -made, made).tolist()


def write_made(samples: Any, path: str, model: str, made: Iterable[tuple[BoxedImage, NDArray[np.float32]]]) -> int:
    """Write the vectors that a model made of the boxes of some images, and what it made them of; how many there are.

    An image gets all of them at once, so that a run which is stopped leaves no object with one and not the other.
    """
    objects, _, attribute = path.rpartition(".")
    values: dict[str, dict[str, Any]] = {}
    filters: dict[str, list] = {}
    count = 0
    for image, vectors in made:
        made_of = stamps(image.boxes, model, vectors)
        rows = enumerate(zip(image.label_ids, vectors, made_of, strict=True))
        of_image = {row: (label_id, _vector(attribute, vector, stamp)) for row, (label_id, vector, stamp) in rows}
        values[image.sample_id] = {
            f"{objects}.$[o{row}].{key}": value for row, (_, found) in of_image.items() for key, value in found.items()
        }
        filters[image.sample_id] = [{f"o{row}._id": ObjectId(label_id)} for row, (label_id, _) in of_image.items()]
        count += sum(stamp > 0 for stamp in made_of)
    _update(samples, values, filters)
    return count


def is_foreign(samples: Any, path: str, facts: Mapping[str, Any]) -> bool:
    """Whether an attribute of objects holds something else than what is recorded as these facts.

    Values that were stored without being declared, as FiftyOne does with those of a user, are something else; so is
    what FiftyOne's own code looks for under that name.
    """
    if path.rpartition(".")[2] in OF_DETECTIONS:
        return True
    if exists(samples, path):
        return recorded(samples, path) != facts
    field, objects, attribute = path.partition(".detections.")
    held = {field + objects[:-1]: {"$elemMatch": {attribute: {"$ne": None}}}}
    return dataset_of(samples)._sample_collection.find_one(held, {"_id": True}) is not None


def require_score_field(samples: Any, path: str) -> None:
    """Raise unless a field may be filled with scores.

    Raises:
        FieldError: it holds something that is no score of an earlier search
    """
    if is_foreign(samples, path, SCORES):
        objects, _, attribute = path.rpartition(".")
        raise FieldError(
            f'"{attribute}" of "{objects}" holds something else than scores of an earlier search, which would be lost; '
            "choose another score_field"
        )


def write_scores(samples: Any, path: str, scores: Mapping[str, float]) -> None:
    """Write a number onto some objects, by label id, and remove it from all others."""
    require_score_field(samples, path)
    dataset = dataset_of(samples)
    if exists(samples, path):
        _clear_scores(dataset, path)
    else:
        dataset.add_sample_field(path, fo.FloatField)
        record(samples, path, SCORES)
    everything(samples).set_label_values(path, dict(scores))


def _clear_scores(dataset: Any, path: str) -> None:
    """Remove scores where there are any: each other sample would count as modified, and the indexes look into those."""
    objects, _, attribute = path.rpartition(".")
    scored = {objects: {"$elemMatch": {attribute: {"$ne": None}}}}
    cleared = {f"{objects}.$[].{attribute}": None, "last_modified_at": datetime.now(timezone.utc)}
    dataset._bulk_write([UpdateMany(scored, {"$set": cleared})])


def delete_attribute(samples: Any, path: str) -> int:
    """Remove an attribute from all objects of the dataset, and from its schema; how many had it."""
    count = count_values(everything(samples), path)
    dataset_of(samples).delete_sample_field(path)
    return count


def require_heatmap_field(samples: Any, field: str) -> None:
    """Raise unless a field of the samples may be filled with heat maps.

    Raises:
        FieldError: it holds something that is no heat map of an earlier explanation, or lies inside another field
    """
    if "." in field:
        raise FieldError(f'heatmap_field="{field}" lies inside another field; give a name of its own, such as "why"')
    if exists(samples, field) and recorded(samples, field) != HEATMAP:
        raise FieldError(
            f'"{field}" of dataset "{dataset_of(samples).name}" holds something else than heat maps of earlier '
            "explanations, which would be lost; choose another heatmap_field"
        )


def write_heatmap(samples: Any, field: str, sample_id: str, values: NDArray[np.float32]) -> None:
    """Write a map of the whole image, ``(h, w)`` in [0, 1], onto one sample in place of its earlier one."""
    require_heatmap_field(samples, field)
    dataset = dataset_of(samples)
    if not exists(samples, field):
        dataset.add_sample_field(field, fo.EmbeddedDocumentField, embedded_doc_type=fo.Heatmap)
        record(samples, field, HEATMAP)
    dataset.set_values(field, {sample_id: fo.Heatmap(map=values, range=[0, 1])}, key_field="id")


# Views


def in_dataset_order(samples: Any, patches_field: str, ids: Sequence[str], sample_ids: Sequence[str]) -> list[str]:
    """The ids of some objects, as the dataset orders them."""
    some = everything(samples).select(list(dict.fromkeys(sample_ids)))
    wanted = set(ids)
    return [i for i in some.values(f"{patches_field}.detections.id", unwind=True) if i in wanted]


def patches_in_order(
    samples: Any, patches_field: str, ids: Sequence[str], sample_ids: Sequence[str], *, anew: bool = False
) -> Any:
    """The patches view of some objects, in the order of their ids.

    Made of these objects alone: the patches of a whole dataset of a million objects would take half a minute.
    Patches are copies: ``anew`` copies those of a patches view again, after something was written onto the objects.
    """
    if _shown(samples, patches_field):
        if not anew:
            return samples.select(list(ids), ordered=True)
        samples = samples._source_collection
    some = (
        all_slices(samples).select(list(dict.fromkeys(sample_ids))).select_labels(ids=list(ids), fields=patches_field)
    )
    return some.to_patches(patches_field).select(list(ids), ordered=True)
