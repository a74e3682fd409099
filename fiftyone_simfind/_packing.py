"""Arrays as plain JSON types."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pack(array: NDArray, *, compress: bool = False) -> dict[str, Any]:
    """An array as ``{"dtype": ..., "shape": ..., "base64": ...}``, or ``"zlib"`` in place of the last."""
    content = np.ascontiguousarray(array).tobytes()
    packed = zlib.compress(content) if compress else content
    text = base64.b64encode(packed).decode("ascii")
    return {"dtype": array.dtype.str, "shape": list(array.shape), "zlib" if compress else "base64": text}


def unpack(packed: Mapping[str, Any]) -> NDArray:
    """The array that :func:`pack` was given; it cannot be written to."""
    content = base64.b64decode(packed["zlib"] if "zlib" in packed else packed["base64"])
    content = zlib.decompress(content) if "zlib" in packed else content
    return np.frombuffer(content, dtype=packed["dtype"]).reshape(packed["shape"])
