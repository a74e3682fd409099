import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fiftyone_simfind.numerics import candidates, neighbors
from fiftyone_simfind.numerics.neighbors import NOTHING, nearest
from fiftyone_simfind.numerics.vectors import normalize


def naive(vectors, k, *, scope="all", classes=None, groups=None, rows=None, min_score=None):
    """The same in the plainest way: a score for each pair in float64, and a sort."""
    n = len(vectors)
    rows = range(n) if rows is None else rows
    groups = range(n) if groups is None else groups
    x = vectors.astype(np.float64)
    indices, scores = [], []
    for i in rows:
        found = []
        for j in rows:
            alike = scope == "all" or (classes[i] != NOTHING and (classes[i] == classes[j]) == (scope == "same_class"))
            score = float(np.clip(np.float32(np.einsum("i,i", x[i], x[j])), -1, 1))
            if groups[i] != groups[j] and alike and (min_score is None or score >= np.float32(min_score)):
                found.append((-score, j))
        found = sorted(found)[:k] + [(np.nan, NOTHING)] * (k - len(found))
        indices.append([row for _, row in found])
        scores.append([-cost for cost, _ in found])
    return np.array(indices).reshape(-1, k), np.array(scores).reshape(-1, k)


def check(vectors, k, *, block=None, **options):
    found, scores = nearest(vectors, k, block=block, **options)
    expected, costs = naive(vectors, k, **options)
    assert found.dtype == np.int32
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(scores, costs.astype(np.float32))


def cloud(seed, n, d, kinds):
    """Unit vectors of which some are the same, and others differ by about what float32 can hold."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(kinds, d))
    vectors = centres[rng.integers(0, kinds, n)] + rng.choice([0, 1e-7, 1e-5, 0.3], (n, 1)) * rng.normal(size=(n, d))
    return normalize(vectors)


@st.composite
def worlds(draw):
    n = draw(st.integers(1, 40))
    kinds = draw(st.sampled_from([1, 2, 5, 40]))
    vectors = cloud(draw(st.integers(0, 2**32 - 1)), n, draw(st.sampled_from([1, 2, 7, 64])), kinds)
    codes = st.lists(st.integers(NOTHING, draw(st.integers(0, 4))), min_size=n, max_size=n)
    options = {"scope": draw(st.sampled_from(neighbors.SCOPES)), "classes": np.array(draw(codes))}
    options["groups"] = draw(
        st.none() | st.lists(st.integers(0, draw(st.sampled_from([0, 3, 40]))), min_size=n, max_size=n)
    )
    options["rows"] = draw(st.none() | st.sets(st.integers(0, n - 1)).map(sorted))
    options["min_score"] = draw(st.none() | st.sampled_from([-1.0, 0.0, 0.9, 1.0]))
    return vectors, options


@settings(max_examples=400, deadline=None)
@given(worlds(), st.integers(1, 12), st.sampled_from([1, 3, 8, 16, 2048]))
def test_every_neighbour_is_that_of_the_plain_loop(world, k, block):
    vectors, options = world
    check(vectors, k, block=block, **options)


@pytest.mark.parametrize("scope", neighbors.SCOPES)
@pytest.mark.parametrize("kinds", [1, 3, 60, 600])
@pytest.mark.parametrize(("leaf", "workers"), [(4, 1), (256, 2), (16, 7)])
def test_tiles_taken_whole_in_parts_and_one_by_one_agree(monkeypatch, scope, kinds, leaf, workers):
    monkeypatch.setattr(candidates, "LEAF", leaf)
    monkeypatch.setattr(neighbors, "WORKERS", workers)
    rng = np.random.default_rng(51)
    vectors = cloud(kinds, 300, 32, kinds)
    classes = rng.integers(NOTHING, 4, len(vectors))
    check(vectors, 5, block=64, scope=scope, classes=classes, groups=np.arange(300) // 3)


def test_each_row_beats_all_before_it():
    """The order in which the floor never helps: every score is better than those before."""
    angles = np.sqrt(np.linspace(0, 1, 200))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    check(vectors, 4, block=32)
    check(vectors[::-1].copy(), 4, block=32)


def test_a_small_table_worked_by_hand():
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1], [-1, 0]], dtype=np.float32)
    found, scores = nearest(vectors, 2)
    assert found.tolist() == [[1, 2], [2, 0], [1, 0], [2, 1]]
    np.testing.assert_allclose(scores, [[0.6, 0], [0.8, 0.6], [0.8, 0], [0, -0.6]], atol=1e-7)


def test_equal_scores_keep_the_order_of_the_rows():
    found, scores = nearest(np.ones((40, 1), np.float32), 3, block=8)
    assert found[:3].tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3]]
    assert found[3:].tolist() == [[0, 1, 2]] * 37
    assert (scores == 1).all()


def test_rounding_hides_no_nearer_row():
    """All are within what float32 products can be wrong by, so nothing but float64 can tell who is nearer."""
    rng = np.random.default_rng(51)
    vectors = normalize(rng.normal(size=256) + 1e-4 * rng.normal(size=(300, 256)))
    check(vectors, 10, block=64)


def test_fewer_than_k_leave_room():
    vectors = np.eye(3, dtype=np.float32)
    found, scores = nearest(vectors, 5)
    assert found.tolist() == [[1, 2, -1, -1, -1], [0, 2, -1, -1, -1], [0, 1, -1, -1, -1]]
    assert np.isnan(scores[:, 2:]).all()


@pytest.mark.parametrize("count", [0, 1])
def test_nobody_is_its_own_neighbour(count):
    found, scores = nearest(np.ones((count, 4), np.float32), 2)
    assert found.tolist() == [[-1, -1]] * count
    assert scores.shape == (count, 2)


def test_no_rows_have_no_neighbours():
    rows, scores = nearest(np.empty((0, 0), np.float32), 3)
    assert rows.shape == scores.shape == (0, 3)


def test_a_row_without_a_class_is_one_of_other_classes_but_has_none():
    vectors = np.ones((3, 1), np.float32)
    found, _ = nearest(vectors, 2, scope="other_classes", classes=[0, 0, NOTHING])
    assert found.tolist() == [[2, -1], [2, -1], [-1, -1]]
    found, _ = nearest(vectors, 2, scope="same_class", classes=[0, 0, NOTHING])
    assert found.tolist() == [[1, -1], [0, -1], [-1, -1]]


def test_vectors_may_lie_in_a_file(tmp_path):
    vectors = cloud(0, 100, 8, 50)
    vectors.tofile(tmp_path / "vectors")
    in_file = np.memmap(tmp_path / "vectors", dtype=np.float32, mode="r", shape=vectors.shape)
    for one, other in zip(nearest(in_file, 4, block=32), nearest(vectors, 4), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("options", [{}, {"scope": "same_class"}, {"scope": "other_classes"}, {"rows": range(5, 50)}])
def test_progress_reaches_all_pairs(options):
    told = []
    nearest(cloud(0, 60, 4, 9), 2, block=16, classes=np.arange(60) // 20, advance=told.append, **options)
    assert sum(told) == (45 if "rows" in options else 60) ** 2


@pytest.mark.parametrize("k", [1, 40])
def test_memory_does_not_grow_with_all_pairs(k):
    vectors = cloud(0, 12_000, 4, 12_000)
    tracemalloc.start()
    nearest(vectors, k)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * neighbors.BUDGET + 40 * len(vectors) * (k + neighbors.SLACK)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(scope="some"), 'scope="some" must be one of'),
        (dict(scope="same_class"), 'scope="same_class" needs classes'),
    ],
)
def test_rules_that_cannot_be_followed_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        nearest(np.ones((2, 1), np.float32), 1, **options)
