"""Reports of evaluations as plain JSON types, so that they can be kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fiftyone_simfind import _packing
from fiftyone_simfind._measures import Classes, Cutoffs
from fiftyone_simfind.errors import OptionError
from fiftyone_simfind.numerics import ids as idx

FORMAT = 1
PLAIN = ("brain_key", "label_attr", "objects", "without_attribute", "without_relevant")
ARRAYS = ("neighbors", "neighbor_ids", "neighbor_scores", "relevant", "first_hits")


def to_dict(report: Any) -> dict[str, Any]:
    """A report as plain JSON types; its arrays are compressed."""
    arrays = {name: getattr(report, name) for name in ARRAYS}
    arrays |= {"label_ids": idx.from_hex(report.label_ids.tolist()), "codes": report.classes.codes}
    arrays |= {f"scores.{name}": values for name, values in report.scores.items()}
    return {
        "format": FORMAT,
        **{name: getattr(report, name) for name in PLAIN},
        "k": list(report.cutoffs.k),
        "map_k": report.cutoffs.map_k,
        "names": report.classes.names,
        "arrays": {name: _packing.pack(_small(array), compress=True) for name, array in arrays.items()},
    }


def from_dict(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of the report that :func:`to_dict` was given.

    Raises:
        OptionError: this is no such thing
    """
    try:
        if stored["format"] != FORMAT:
            raise ValueError(f"format {stored['format']!r}, and {FORMAT} is known")
        arrays = {name: _packing.unpack(packed) for name, packed in stored["arrays"].items()}
        scores = {n.removeprefix("scores."): values for n, values in arrays.items() if n.startswith("scores.")}
        whole = {name: arrays[name] if arrays[name].dtype.kind in "Sf" else arrays[name].astype(int) for name in ARRAYS}
        return {
            **{name: stored[name] for name in PLAIN},
            **whole,
            "cutoffs": Cutoffs.of(stored["k"], stored["map_k"]),
            "label_ids": idx.to_hex(arrays["label_ids"]),
            "classes": Classes(stored["names"], arrays["codes"].astype(int)),
            "scores": scores,
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OptionError(f"this is no report that to_dict gave: {error!r}; run simfind.evaluate again") from None


def _small(array: np.ndarray) -> np.ndarray:
    """Whole numbers in no more bytes than they need."""
    if array.dtype.kind != "i" or not array.size:
        return array
    return array.astype(np.result_type(np.min_scalar_type(array.min()), np.min_scalar_type(array.max()), np.int8))
