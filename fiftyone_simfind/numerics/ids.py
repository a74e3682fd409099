"""Ids of MongoDB, 12 bytes each, in arrays: compared, sorted and found without a Python object for every one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.bytes_]

WIDTH = 12  # bytes of an ObjectId
_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode("ascii"), "S2").astype("U2")


def pack(binary: Sequence[bytes]) -> Ids:
    """``(n,)`` S12 of ids given as 12 bytes each."""
    return np.frombuffer(b"".join(binary), dtype=f"S{WIDTH}")


def from_hex(texts: Iterable[str]) -> Ids:
    """``(n,)`` S12 of ids given as 24 hexadecimal digits each; what is no such text becomes an id that nothing has."""
    return pack([_bytes(text) for text in texts])


def to_hex(ids: Ids) -> NDArray[np.str_]:
    """``(n,)`` U24: ids as 24 hexadecimal digits each."""
    digits = np.ascontiguousarray(ids).view(np.uint8).reshape(len(ids), WIDTH)
    return np.ascontiguousarray(_HEX[digits]).view("U24").reshape(len(ids))


class Lookup:
    """Where each id stands in an array.

    Args:
        ids: ``(n,)`` S12; of an id that occurs more than once the last place counts
    """

    def __init__(self, ids: Ids):
        in_order = bool((ids[1:] >= ids[:-1]).all())  # as ids mostly are: no memory for another order
        self._order = None if in_order else np.argsort(ids, kind="stable").astype(np.int32)
        self._sorted = ids if in_order else ids[self._order]

    def find(self, wanted: Ids) -> NDArray[np.intp]:
        """The place of each wanted id, ``(m,)``, or -1 where there is none."""
        if not len(self._sorted):
            return np.full(len(wanted), -1)
        at = np.searchsorted(self._sorted, wanted, side="right") - 1
        found = (at >= 0) & (self._sorted[at] == wanted)
        return np.where(found, at if self._order is None else self._order[at], -1)

    def find_all(self, wanted: Ids) -> NDArray[np.intp]:
        """All places of all wanted ids, in no order."""
        first, stop = (np.searchsorted(self._sorted, wanted, side=side) for side in ("left", "right"))
        counts = stop - first
        at = np.repeat(stop - counts.cumsum(), counts) + np.arange(counts.sum())
        return at if self._order is None else self._order[at]


def _bytes(text: str) -> bytes:
    try:
        binary = bytes.fromhex(text) if len(text) == 2 * WIDTH else b""  # fromhex skips spaces
    except (TypeError, ValueError):
        binary = b""
    return binary if len(binary) == WIDTH else b"\0" * WIDTH
