"""The nearest rows of a matrix, exactly: a fast scan leaves few that can be among them, and these are scored in full.

Every scan tells by how much each of its scores may be off. A row whose score, even so, stays below the k-th best of the
others' lower bounds cannot be among the k nearest, so that nothing is lost by looking at the rest alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind.numerics import codes
from fiftyone_simfind.numerics import vectors as vx

Vectors = NDArray[np.float32]

LARGE = 250_000  # rows from which a scan of 8-bit codes repays the import of torch
BLOCK = 16_384  # rows that are scored in full at a time
FEW = 16  # where no more than one of so many rows may appear, they alone are looked at
CACHED = 4096  # codes that are made float32 at a time, which stay in the processor's cache
SHARE = 16 * CACHED  # codes that a thread takes at a time
GROUP = 256  # rows of which one maximum is taken to find a first threshold


class Bounds(NamedTuple):
    """What a scan knows about the cosine similarity of every row: ``scores`` give or take ``errors``.

    Attributes:
        scores: ``(n,)`` float32
        errors: ``(n,)`` float32 or one number for all
    """

    scores: NDArray[np.float32]
    errors: NDArray[np.float32] | float


class Matrix(Protocol):
    """``(n, d)`` float32 of length 1, of which some rows can be had."""

    shape: tuple[int, ...]

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any) -> Vectors: ...


class Scan(Protocol):
    """Bounds on the dot products of all rows with a unit vector."""

    def bounds(self, query: Vectors) -> Bounds:
        """Of each row with a ``(d,)`` query."""
        ...


class FloatScan:
    """Sums in float32 over the matrix itself."""

    def __init__(self, vectors: Vectors):
        self._vectors = vectors
        self._error = (vectors.shape[1] + 2) * 2.0**-23

    def bounds(self, query: Vectors) -> Bounds:
        """Of each row with a ``(d,)`` query."""
        # Not a product by BLAS, whose threads wait for each other on a busy machine, and which is slower even alone.
        return Bounds(np.einsum("ij,j->i", self._vectors, query), self._error)


class NumpyScan:
    """A product over 8-bit codes that needs no torch, whose import takes longer than some searches."""

    def __init__(self, coded: codes.Codes):
        self._coded = coded
        self._rounding = np.float32((coded.values.shape[1] + 2) * 2.0**-23)

    def bounds(self, query: Vectors) -> Bounds:
        """Of each row with a ``(d,)`` query."""
        values, scales, errors = self._coded
        scores = np.empty(len(values), np.float32)

        def multiply(start: int) -> None:
            wide = np.empty((CACHED, values.shape[1]), np.float32)
            for at in range(start, min(start + SHARE, len(values)), CACHED):
                block = values[at : at + CACHED]
                np.copyto(wide[: len(block)], block)
                np.einsum("ij,j->i", wide[: len(block)], query, out=scores[at : at + len(block)])

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(multiply, range(0, len(values), SHARE)))
        # A row and its scale are no longer than 1 and the error of the code.
        return Bounds(scores * scales, errors + (1 + errors) * self._rounding)


class CodeScan:
    """A product of whole numbers over 8-bit codes: a quarter of the memory to read, and exact but for the rounding.

    Args:
        values: ``(n, d)`` int8
        scales: ``(n,)`` of each row
        errors: ``(n,)`` how far each row is from its vector
    """

    def __init__(self, values: NDArray[np.int8], scales: NDArray[np.float32], errors: NDArray[np.float32]):
        import torch

        self._multiply = torch._int_mm
        self._tensor: Callable[..., Any] = torch.from_numpy
        self._values, self._scales, self._errors = torch.from_numpy(values), torch.from_numpy(scales), errors
        self.bounds(np.ones(values.shape[1], np.float32))  # reads all of it, and fails here where it cannot work

    def bounds(self, query: Vectors) -> Bounds:
        """Of each row with a ``(d,)`` query."""
        coded = codes.encode(query[None])
        products = self._multiply(self._values, self._tensor(coded.values.T.copy()))[:, 0]
        # Whole numbers below 2 ** 24, as those of 1,040 numbers are, are exact in float32; others nearly so.
        scores = products.float().mul_(self._scales).mul_(float(coded.scales[0]))
        return Bounds(scores.numpy(), codes.bound(self._errors, coded.errors[0]))


class HalfScan:
    """A product in float16 on a GPU, where the matrix stays."""

    def __init__(self, vectors: Vectors, device: Any):
        import torch

        self._torch = torch
        # Both vectors are rounded to 11 bits, and so is the result; the sums are in float32.
        self._error = 3.03 * 2.0**-11 + (vectors.shape[1] + 2) * 2.0**-23
        self._matrix = torch.empty(vectors.shape, dtype=torch.float16, device=device)
        for start in range(0, len(vectors), BLOCK):
            block = np.array(vectors[start : start + BLOCK])
            self._matrix[start : start + BLOCK] = torch.from_numpy(block).to(device, torch.float16)

    def bounds(self, query: Vectors) -> Bounds:
        """Of each row with a ``(d,)`` query."""
        on_device = self._torch.from_numpy(query).to(self._matrix.device, self._torch.float16)
        with _sums_in_float32(self._torch):
            products = self._matrix @ on_device
        return Bounds(products.float().cpu().numpy(), self._error)


@contextmanager
def _sums_in_float32(torch: Any) -> Iterator[None]:
    """A GPU would otherwise be free to round partial sums to float16, and to how many nobody says."""
    options = torch.backends.cuda.matmul
    before = options.allow_fp16_reduced_precision_reduction
    options.allow_fp16_reduced_precision_reduction = False
    try:
        yield
    finally:
        options.allow_fp16_reduced_precision_reduction = before


def choose(vectors: Vectors, coded: codes.Codes) -> Scan:
    """A scan for a matrix that can begin at once."""
    if len(vectors) < LARGE:
        return FloatScan(vectors)
    return fastest(vectors, coded) if "torch" in sys.modules else NumpyScan(coded)


def fastest(vectors: Vectors, coded: codes.Codes) -> Scan:
    """The fastest scan for a large matrix on this machine, with torch."""
    import torch

    try:
        return HalfScan(vectors, "cuda") if torch.cuda.is_available() else CodeScan(*coded)
    except (AttributeError, RuntimeError):  # no such product on this processor, or no room on the GPU
        return NumpyScan(coded)


def nearest(
    vectors: Matrix,
    scan: Scan,
    query: Vectors,
    k: int,
    *,
    eligible: NDArray[np.bool_] | None = None,
    min_score: float | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The rows with the highest cosine similarity to a query, best first; equal ones in row order.

    Args:
        vectors: ``(n, d)`` float32 of length 1
        scan: of these vectors
        query: ``(d,)`` float32 of length 1
        k: at most so many rows
        eligible: ``(n,)`` bool, the rows that may appear at all
        min_score: leave out rows that score less

    Returns:
        rows, and their scores as :func:`score` gives them
    """
    rows = _candidates(vectors, scan, query, k, eligible, min_score)
    scores = score(vectors, rows, query)
    if min_score is not None:
        rows, scores = rows[scores >= min_score], scores[scores >= min_score]
    order = np.argsort(-scores, kind="stable")[:k]
    return rows[order], scores[order]


def _candidates(
    vectors: Matrix,
    scan: Scan,
    query: Vectors,
    k: int,
    eligible: NDArray[np.bool_] | None,
    min_score: float | None,
) -> NDArray[np.intp]:
    """The rows that can be among the nearest, in row order."""
    count = len(vectors)
    if eligible is not None:
        some = np.flatnonzero(eligible)
        count = len(some)
        if k < count <= len(vectors) // FEW:
            return some[_within(FloatScan(vectors[some]).bounds(query), k, min_score)]
    if k >= count:
        return np.arange(count) if eligible is None else some
    found = scan.bounds(query)
    if eligible is not None:
        found.scores[~eligible] = -np.inf
    return _within(found, k, min_score)


def _within(found: Bounds, k: int, min_score: float | None) -> NDArray[np.intp]:
    """The rows whose upper bound reaches the k-th largest lower bound."""
    least = _at_least(found.scores - found.errors, k)
    if min_score is not None:
        least = max(least, min_score)
    return np.flatnonzero(found.scores + found.errors >= least)


def _at_least(values: NDArray[np.float32], k: int) -> float:
    """The k-th largest value, in one pass over most of them and no sorting."""
    whole = len(values) // GROUP * GROUP
    maxima = values[:whole].reshape(-1, GROUP).max(axis=1) if whole else values[:0]
    # k maxima are no less than the k-th of them, so k values are.
    some = values[values >= np.partition(maxima, -k)[-k]] if len(maxima) >= k else values
    return float(np.partition(some, -k)[-k])


def score(vectors: Matrix, rows: NDArray[np.intp], query: Vectors) -> NDArray[np.float32]:
    """The cosine similarity of some rows to a query, ``(m,)`` in [-1, 1], without reading the others."""
    scores = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), BLOCK):
        scores[start : start + BLOCK] = vx.similarity(vectors[rows[start : start + BLOCK]], query)
    return scores
