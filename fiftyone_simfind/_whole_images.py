"""Whole images as objects, so that images are compared as objects are."""

from __future__ import annotations

from typing import Any

from fiftyone_simfind import _fields
from fiftyone_simfind.errors import FieldError


def whole_images(samples: Any, *, label_field: str | None = None, patches_field: str = "whole") -> int:
    """Gives every image one object around all of it, so that images are searched, mapped and measured as objects are.

    The object is a ``Detection`` with the ``bounding_box`` ``[0, 0, 1, 1]``. Images that have theirs are left alone, so
    that a call which was stopped goes on where it was, and new images are added::

        simfind.whole_images(dataset, label_field="ground_truth")
        simfind.embed(dataset, "whole", model="resnet50")
        simfind.build_index(dataset, "whole")
        simfind.evaluate(dataset)

    Args:
        samples: image dataset or view; of a patches view the images that its objects lie in
        label_field: where the object's ``label`` is from: a field of ``Classification``, or of strings, of the samples;
            an image without a value gets an object without a label
        patches_field: new field of ``Detections`` for these objects, or one that an earlier call made

    Returns:
        how many images were given one

    Raises:
        CollectionError: the samples are no images
        FieldError: there is no such ``label_field``, or it is of another kind; or ``patches_field`` holds objects that
            are not whole images, or whose labels are from another field
    """
    view = _fields.images(samples)
    labels = None if label_field is None else _fields.label_path(view, label_field)
    facts = {_fields.WHOLE: labels}
    if _fields.exists(view, patches_field):
        _require_own(view, patches_field, facts)
    _fields.declare_objects(view, patches_field)
    _fields.record(view, patches_field, facts)
    return _fields.give_whole(view, patches_field, labels)


def _require_own(view: Any, patches_field: str, facts: dict[str, str | None]) -> None:
    """Raise if a field holds something that whole images, labelled like this, would be mixed with."""
    path = _fields.objects_path(view, patches_field)
    before = _fields.recorded(view, patches_field) or {}
    count = _fields.count_values(_fields.everything(view), path)
    if before == facts or not count:
        return
    where = f'"{patches_field}" of dataset "{_fields.dataset_of(view).name}"'
    if _fields.WHOLE not in before:
        raise FieldError(f"{where} holds {count:,} objects that are not whole images; choose another patches_field")
    raise FieldError(
        f"{where} has {count:,} images with labels from {before[_fields.WHOLE]!r}, not {facts[_fields.WHOLE]!r}; give "
        "that label_field, or choose another patches_field"
    )
