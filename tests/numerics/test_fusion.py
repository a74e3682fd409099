import numpy as np
import pytest

from fiftyone_simfind.numerics import fusion
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics.fusion import Look, fuse


def at(*degrees):
    """Unit vectors in the plane."""
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def random(count, dim=6, seed=51):
    return vx.normalize(np.random.default_rng(seed).standard_normal((count, dim)))


@pytest.fixture
def two_neighbors(monkeypatch):
    monkeypatch.setattr(fusion, "NEIGHBORS", 2)


def test_shared_neighbors_are_worked_by_hand(two_neighbors):
    """{0, 10, 20} is the neighbourhood of 0 and 10, {10, 20, 35} that of 20 and 35, and {20, 35, 70} that of 70."""
    look = Look(at(0)[0], at(10, 20, 35, 70))
    assert look.shared(at(0, 10, 20, 35, 70)) == pytest.approx([1, 1, 2 / 4, 2 / 4, 1 / 5])
    assert look.trust == pytest.approx((1 + 1 + 1 / 2) / 3)


def test_a_fused_score_is_worked_by_hand():
    """So few candidates share all neighbours: shares and trusts are 1, deviations 0.1 and 0.3."""
    first, second = (np.array([[c, (1 - c * c) ** 0.5] for c in cosines]) for cosines in ([0.8, 1.0], [0.2, 0.8]))
    query = np.array([1.0, 0.0])
    expected = [(0.8 / 0.1 + 1 + 0.2 / 0.3 + 1), (1.0 / 0.1 + 1 + 0.8 / 0.3 + 1)] / np.array(1 / 0.1 + 1 + 1 / 0.3 + 1)
    assert fuse((Look(query, first), Look(query, second)), (first, second)) == pytest.approx(expected, abs=1e-5)


def test_it_is_what_a_loop_over_sets_finds():
    both = [random(41, seed=seed) for seed in (1, 2)]
    said, total = np.zeros(41), 0.0
    for vectors in both:
        cosines = vectors @ vectors.T
        near = [set(np.argsort(-row)[:11].tolist()) for row in cosines]
        shared = np.array([len(near[0] & other) / len(near[0] | other) for other in near])
        trust, spread = shared[list(near[0])].mean(), cosines[0, 1:].std()
        said += trust * (cosines[0] / spread + shared)
        total += trust * (1 / spread + 1)
    looks = tuple(Look(vectors[0], vectors[1:]) for vectors in both)
    np.testing.assert_allclose(fuse(looks, tuple(both)), said / total, atol=1e-6)


def test_the_query_itself_scores_1():
    both = tuple(random(20, seed=seed) for seed in (1, 2))
    scores = fuse(tuple(Look(v[0], v[1:]) for v in both), both)
    assert scores[0] == pytest.approx(1)
    assert (np.abs(scores) <= 1).all()


def test_a_network_whose_neighbors_agree_is_trusted_more():
    """33 things of three kinds: one network sees the kinds, the other sees noise."""
    rng = np.random.default_rng(51)
    sees = vx.normalize(np.hstack([np.repeat(np.eye(3), 11, axis=0), rng.standard_normal((33, 3)) / 10]))
    noise = random(33, dim=20)
    looks = Look(sees[0], sees[1:]), Look(noise[0], noise[1:])
    assert looks[0].trust > 2 * looks[1].trust
    order = np.argsort(-fuse(looks, (sees, noise)))
    assert set(order[:11].tolist()) == set(range(11))


def test_neighbors_are_sought_in_blocks(monkeypatch):
    vectors = random(50)
    expected = Look(vectors[0], vectors[1:]).shared(vectors)
    monkeypatch.setattr(fusion, "BLOCK", 7)
    np.testing.assert_array_equal(Look(vectors[0], vectors[1:]).shared(vectors), expected)


def test_emphasis_is_on_what_is_searched_for():
    vectors, emphasis = random(40), np.array([5, 5, 1, 1, 0, 0])
    look = Look(vectors[0], vectors[1:], emphasis)
    np.testing.assert_allclose(look.cosines(vectors), vectors @ vx.normalize(vectors[0] * emphasis), atol=1e-6)
    near = [set(np.argsort(-(vectors @ (row * emphasis)))[:11].tolist()) for row in vectors]
    assert look.shared(vectors) == pytest.approx([len(near[0] & n) / len(near[0] | n) for n in near])


def test_an_object_that_cannot_be_seen_is_an_average_one_without_neighbors():
    vectors = random(20)
    vectors[[3, 7]] = np.nan
    look, known = Look(vectors[0], vectors[1:]), np.delete(vectors, [3, 7], axis=0)
    alone = Look(known[0], known[1:])
    assert (look.mean, look.spread, look.trust) == (alone.mean, alone.spread, alone.trust)
    assert look.cosines(vectors)[[3, 7]].tolist() == [look.mean] * 2
    assert look.shared(vectors)[[3, 7]].tolist() == [0, 0]


@pytest.mark.parametrize("second", [np.full((20, 6), np.nan, np.float32), np.repeat(random(1), 20, axis=0)])
def test_a_network_that_tells_nothing_apart_leaves_the_order_to_the_other(second, monkeypatch):
    monkeypatch.setattr(fusion, "NEIGHBORS", 100)
    first = random(20)
    scores = fuse((Look(first[0], first[1:]), Look(random(1)[0], second[1:])), (first, second))
    np.testing.assert_array_equal(np.argsort(-scores[1:]), np.argsort(-(first[1:] @ first[0])))


def test_no_candidates_are_no_error():
    query = random(1)
    look = Look(query[0], np.empty((0, 6), np.float32))
    assert fuse((look, look), (query, query)) == pytest.approx([1])
    assert len(fuse((look, look), (query[:0], query[:0]))) == 0
