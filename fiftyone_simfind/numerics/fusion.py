"""What two networks see in the same objects made into one score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind.numerics import vectors as vx

LEAST_SPREAD = 1e-6  # similarities that differ less than float32 can tell
NEIGHBORS = 10  # of an object, besides itself, in its neighbourhood
BLOCK = 1024  # objects whose neighbours are sought at a time

Vectors = NDArray[np.floating]


class Look:
    """A query and its candidates as one network sees them.

    Things that are alike have the same neighbours. How many of their neighbours two objects share (Jaccard's index of
    the two sets) says more than their cosine alone (Z. Zhong et al., "Re-ranking Person Re-identification with
    k-reciprocal Encoding", 2017). And where the query shares few with its own neighbours, the network knows little
    about it: their mean share is how far to trust it with this query (S. Zhang et al., "Query Specific Fusion for Image
    Retrieval", 2012).

    Args:
        query: ``(d,)`` of length 1
        candidates: ``(n, d)`` of length 1; NaN for objects that the network cannot see
        emphasis: ``(d,)``, how much each number counts when something is searched for

    Attributes:
        mean: of the candidates' cosines with the query
        spread: their standard deviation
        trust: in [0, 1]
    """

    def __init__(self, query: Vectors, candidates: Vectors, emphasis: Vectors | float = 1.0):
        seen = candidates[~np.isnan(candidates).any(axis=1)]
        self._pool, self._emphasis = np.vstack([query, seen]), emphasis
        self._query = vx.normalize(query * emphasis)
        cosines = vx.similarity(seen, self._query) if len(seen) else np.zeros(1)
        self.mean, self.spread = float(cosines.mean()), float(cosines.std())
        self._near = self._neighborhoods(query[None])[0]
        self.trust = float(self.shared(self._pool[self._near]).mean())

    def cosines(self, vectors: Vectors) -> NDArray[np.float64]:
        """The cosine of each object with the query, ``(n,)``; the mean for those that cannot be seen."""
        return np.nan_to_num(vx.similarity(vectors, self._query), nan=self.mean).astype(np.float64)

    def shared(self, vectors: Vectors) -> NDArray[np.float64]:
        """The share of neighbours that each object has in common with the query, ``(n,)``; 0 if it cannot be seen."""
        near = self._neighborhoods(vectors)
        share = (near & self._near).sum(axis=1) / (near | self._near).sum(axis=1)
        return np.where(np.isnan(vectors).any(axis=1), 0.0, share)

    def _neighborhoods(self, vectors: Vectors) -> NDArray[np.bool_]:
        """Which of the query and the candidates are nearest to each object: ``(n, 1 + candidates)``."""
        count = min(NEIGHBORS + 1, len(self._pool))
        near = np.zeros((len(vectors), len(self._pool)), bool)
        for start in range(0, len(vectors), BLOCK):
            cosines = (vectors[start : start + BLOCK] * self._emphasis) @ self._pool.T
            rows = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
            np.put_along_axis(near[start : start + BLOCK], rows, True, axis=1)
        return near


def fuse(looks: tuple[Look, Look], vectors: tuple[Vectors, Vectors]) -> NDArray[np.float64]:
    """The similarity of objects to a query, as two networks see it.

    One network's cosines may all lie between 0.8 and 0.9 and another's between 0.2 and 0.7. Each is therefore divided
    by its standard deviation over the candidates, as in the "Z-score" of S. Wu, "Data Fusion in Information Retrieval",
    2012; sharing all neighbours with the query instead of none counts as one such deviation. What a network says is
    weighed by how far it is to be trusted, and the whole is scaled to be a mean of cosines and shares.

    Args:
        looks: at the query and its candidates, by the first network and the second
        vectors: ``(n, d)`` each, the objects in the first network's vectors and the second's

    Returns:
        ``(n,)`` in [-1, 1]
    """
    # Where one tells nothing apart, there is no scale to compare, and the order is the other's.
    flat = min(look.spread for look in looks) < LEAST_SPREAD
    scales = [1.0 if flat else 1 / look.spread for look in looks]
    total = sum(look.trust * (scale + 1) for look, scale in zip(looks, scales, strict=True))
    said = [
        look.trust * (scale * look.cosines(some) + look.shared(some))
        for look, scale, some in zip(looks, scales, vectors, strict=True)
    ]
    return np.clip((said[0] + said[1]) / total, -1.0, 1.0)
