"""Taking back what was made: an index, or the scores of searches."""

from __future__ import annotations

from typing import Any

from fiftyone_simfind import _fields, _gallery, _runs
from fiftyone_simfind.errors import FieldError


def delete_index(samples: Any, *, brain_key: str = "simfind") -> None:
    """Delete an index, and what it keeps on this machine or in a vector database.

    The objects and their vectors stay, so that :func:`build_index` makes it again; so do maps and tables of neighbours
    that were made with it.

    Args:
        samples: dataset or view that has the index
        brain_key: name of the index

    Raises:
        BrainRunError: there is no such index
    """
    _gallery.index_config(samples, brain_key)
    _runs.delete(_fields.dataset_of(samples), brain_key)


def clear_scores(samples: Any, patches_field: str, score_field: str) -> int:
    """Remove the scores that :func:`sort_by_similarity` wrote onto objects, and the attribute that held them.

    Args:
        samples: dataset or view; the scores of the whole dataset are removed
        patches_field: field of the objects
        score_field: the attribute

    Returns:
        how many objects had a score

    Raises:
        FieldError: there is no such attribute, or it holds something else
    """
    path = f"{_fields.objects_path(samples, patches_field)}.{score_field}"
    if not _fields.exists(samples, path):
        raise FieldError(
            f'the objects in "{patches_field}" of dataset "{_fields.dataset_of(samples).name}" have no attribute '
            f'"{score_field}"; those with scores are {_fields.score_fields(samples, patches_field)}'
        )
    _fields.require_score_field(samples, path)
    return _fields.delete_attribute(samples, path)
