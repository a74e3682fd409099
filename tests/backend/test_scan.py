"""The nearest rows are those of a loop in float64, whichever scan leaves the candidates."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fiftyone_simfind.backend import scan
from fiftyone_simfind.numerics import codes
from fiftyone_simfind.numerics import vectors as vx

KINDS = ("float", "numpy", "code", "half")


def scan_of(kind, vectors):
    if kind == "numpy":
        return scan.NumpyScan(codes.encode(vectors))
    if kind == "code":
        return scan.CodeScan(*codes.encode(vectors))
    return scan.FloatScan(vectors) if kind == "float" else scan.HalfScan(vectors, "cpu")


def naive(vectors, query, k, eligible=None, min_score=None):
    """Rows and scores, each a sum in float64 that is rounded once."""
    found = []
    for row, vector in enumerate(vectors.astype(np.float64)):
        score = np.float32(min(max(float((vector * query.astype(np.float64)).sum()), -1.0), 1.0))
        if (eligible is None or eligible[row]) and (min_score is None or score >= min_score):
            found.append((-score, row))
    return [row for _, row in sorted(found)[:k]], [-score for score, _ in sorted(found)[:k]]


def agree(found, expected):
    """The same scores and, but where these are equal up to the rounding, the same rows."""
    rows, scores = found
    assert scores.tolist() == pytest.approx(expected[1], abs=1.2e-7)
    assert len(set(rows.tolist())) == len(rows)
    for row, other, score in zip(rows.tolist(), expected[0], expected[1], strict=True):
        assert row == other or scores.tolist().count(score) > 1 or expected[1].count(score) > 1 or near(expected, score)


def near(expected, score):
    return sum(abs(other - score) <= 1.2e-7 for other in expected[1]) > 1


@st.composite
def cases(draw):
    n, d = draw(st.integers(0, 600)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.sampled_from(["random", "grid", "copies", "crowded"]))
    x = rng.standard_normal((n, d))
    if shape == "grid":  # many ties
        x = rng.integers(-1, 2, (n, d)) + 0.0
        x[~x.any(axis=1), 0] = 1
    elif shape == "copies" and n:
        x = x[rng.integers(0, max(n // 20, 1), n)]
    elif shape == "crowded":  # closer to each other than codes can tell
        x = rng.standard_normal(d) + 1e-4 * x
    vectors = vx.normalize(x)
    query = vectors[rng.integers(n)] if n and draw(st.booleans()) else vx.normalize(rng.standard_normal(d))
    share = draw(st.sampled_from([None, 0.0, 0.02, 0.5, 1.0]))
    eligible = None if share is None else rng.random(n) < share
    k = draw(st.sampled_from([1, 2, 10, 300, n, n + 5]))
    least = draw(st.sampled_from([None, -1.0, 0.0, 0.5, 0.999, 1.0]))
    return vectors, query, k, eligible, least


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_the_nearest_rows_are_those_of_the_naive_loop(kind, case):
    vectors, query, k, eligible, least = case
    made = scan_of(kind, vectors) if len(vectors) else scan.FloatScan(vectors)
    found = scan.nearest(vectors, made, query, max(k, 1), eligible=eligible, min_score=least)
    expected = naive(vectors, query, max(k, 1), eligible, least)
    if least is None:
        agree(found, expected)
    else:  # what scores the least but for the rounding may be in or out
        certain = {row for row, score in zip(*expected, strict=True) if score > least + 1.2e-7}
        assert certain <= set(found[0].tolist())
        assert (found[1] >= np.float32(least)).all()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_every_scan_finds_the_same(kind, case):
    """To the last bit and in the same order, since what it leaves is scored by the same sums."""
    vectors, query, k, eligible, least = case
    if not len(vectors):
        return
    whole = scan.score(vectors, np.arange(len(vectors)), query)
    allowed = np.ones(len(vectors), bool) if eligible is None else eligible.copy()
    if least is not None:
        allowed &= whole >= least
    rows = np.flatnonzero(allowed)
    rows = rows[np.argsort(-whole[rows], kind="stable")][: max(k, 1)]
    found = scan.nearest(vectors, scan_of(kind, vectors), query, max(k, 1), eligible=eligible, min_score=least)
    assert found[0].tolist() == rows.tolist()
    assert found[1].tolist() == whole[rows].tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 3, 40, 512, 2048])
def test_no_score_is_off_by_more_than_a_scan_says(kind, d):
    for vectors, query in hard(d):
        scores, errors = scan_of(kind, vectors).bounds(query)
        exact = vectors.astype(np.float64) @ query.astype(np.float64)
        assert (np.abs(exact - scores) <= errors).all()


def hard(d):
    """Vectors whose sums lose digits, or whose numbers all round the same way."""
    rng = np.random.default_rng(d)
    x, q = rng.standard_normal((50, d)), rng.standard_normal(d)
    yield vx.normalize(x), vx.normalize(q)
    yield vx.normalize(np.abs(x)), vx.normalize(np.abs(q))
    yield vx.normalize(x**7), vx.normalize(q**7)
    for excess in (2.0**-11, 2.0**-11 * 1.001, 2.0**-12, 0.499 / 127):
        flat = np.full((1, d), 2.0 ** np.floor(np.log2(d**-0.5)) * (1 + excess))
        # Almost of length 1 by one number, so that the others stay as they are.
        flat[0, 0] = np.sqrt(max(1 - (flat[0, 1:] ** 2).sum(), flat[0, 0] ** 2))
        flat = np.ascontiguousarray(flat, np.float32)
        yield vx.normalize(flat), vx.normalize(flat[0])
    for peaks in (1, 2, 3):
        peaked = np.full((1, d), 0.499 / 127)
        peaked[0, :peaks] = 1
        yield vx.normalize(peaked), vx.normalize(peaked[0, ::-1].copy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [1e-30, 0.37, 4.0, 1e30])
def test_the_length_of_vectors_and_queries_does_not_matter(kind, factor):
    rng = np.random.default_rng(51)
    raw, asked = rng.standard_normal((500, 24)), rng.standard_normal(24)
    lengths = rng.uniform(0.5, 2, (500, 1)) * factor
    plain, scaled = vx.normalize(raw), vx.normalize(raw * lengths)
    expected = scan.nearest(plain, scan_of(kind, plain), vx.normalize(asked), 30)
    found = scan.nearest(scaled, scan_of(kind, scaled), vx.normalize(asked * factor), 30)
    assert found[0].tolist() == expected[0].tolist()
    assert found[1] == pytest.approx(expected[1], abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_queries_does_not_matter(kind):
    rng = np.random.default_rng(51)
    vectors = vx.normalize(rng.standard_normal((800, 16)))
    made = scan_of(kind, vectors)
    queries = vx.normalize(rng.standard_normal((20, 16)))
    there = [scan.nearest(vectors, made, query, 7)[0].tolist() for query in queries]
    back = [scan.nearest(vectors, made, query, 7)[0].tolist() for query in queries[::-1]]
    assert back[::-1] == there


@pytest.fixture(scope="module")
def clusters():
    """60,000 vectors about 200 places."""
    rng = np.random.default_rng(51)
    places = rng.standard_normal((200, 64))
    return vx.normalize(places[rng.integers(200, size=60_000)] + 0.3 * rng.standard_normal((60_000, 64)))


@pytest.mark.parametrize("kind", KINDS)
def test_few_rows_are_scored_in_full(kind, clusters, monkeypatch):
    scored = []

    def watched(vectors, rows, query, score=scan.score):
        scored.append(len(rows))
        return score(vectors, rows, query)

    monkeypatch.setattr(scan, "score", watched)
    made = scan_of(kind, clusters)
    for row in (0, 777, 59_999):
        exact = clusters.astype(np.float64) @ clusters[row].astype(np.float64)
        rows, scores = scan.nearest(clusters, made, clusters[row], 25)
        assert rows.tolist() == np.argsort(-exact.astype(np.float32), kind="stable")[:25].tolist()
        assert scores == pytest.approx(np.sort(exact)[::-1][:25], abs=1e-6)
    assert max(scored) < {"float": 30, "numpy": 600, "code": 600, "half": 600}[kind]


def test_a_few_rows_that_may_appear_are_scored_without_a_scan(clusters):
    mask = np.zeros(len(clusters), bool)
    mask[[5, 77, 40_000]] = True
    rows, _ = scan.nearest(clusters, None, clusters[5], 2, eligible=mask)
    assert rows[0] == 5
    assert rows[1] in (77, 40_000)


def test_a_large_index_answers_before_torch_is_there_and_uses_it_then(monkeypatch):
    monkeypatch.setattr(scan, "LARGE", 10)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    vectors = vx.normalize(np.random.default_rng(3).standard_normal((500, 16)))
    assert isinstance(scan.choose(vectors, codes.encode(vectors)), scan.NumpyScan)
    monkeypatch.undo()
    assert isinstance(scan.fastest(vectors, codes.encode(vectors)), scan.CodeScan | scan.HalfScan)
