"""The figures of ``benchmarks.quality`` are worked out beside the package's own; here both meet."""

import numpy as np
import pytest

from benchmarks.quality.judge import best, figures, judge, means, within
from benchmarks.quality.vectors import blocks, evened, scaled
from fiftyone_simfind.numerics import retrieval
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics.parts import Part

PARTS = [
    Part("look", 0, 2),
    Part("shape", 2, 4),
    Part("kind", 4, 6),
    Part("kind", 6, 8),
    Part("kind", 8, 10),
    Part("kind", 10, 12, whiten=False),
]


def test_a_ranking_worked_by_hand():
    """Right at ranks 1, 3 and 6 of 4 that are right: (1/1 + 2/3 + 3/6) / 4."""
    hits = np.array([1, 0, 1, 0, 0, 1], bool)
    assert figures(hits, 4) == pytest.approx((1, 2 / 5, (1 + 2 / 3 + 1 / 2) / 4))


def test_the_best_are_eligible_and_in_order():
    scores, eligible = np.array([0.1, 0.9, 0.5, 0.7, 0.9]), np.array([1, 1, 0, 1, 1], bool)
    assert best(scores, eligible, 3).tolist() == [1, 4, 3]
    assert best(scores, eligible, 9).tolist() == [1, 4, 3, 0]


def test_it_agrees_with_the_measures_of_the_package():
    rng = np.random.default_rng(51)
    vectors = vx.normalize(rng.standard_normal((300, 8)))
    classes, images = rng.integers(0, 20, 300), rng.integers(0, 60, 300)
    ranks = retrieval.rank_all(vectors, classes, depth=100, groups=images)
    own = [
        retrieval.precision_at(ranks.hits, 1).mean(),
        retrieval.precision_at(ranks.hits, 5).mean(),
        retrieval.average_precision_at(ranks.hits, ranks.relevant, 100).mean(),
    ]
    np.testing.assert_allclose(means(judge(vectors, classes, images)), own, atol=1e-9)


def test_ties_may_go_either_way():
    vectors, classes, images = np.ones((4, 2)), np.array([0, 1, 0, 1]), np.arange(4)
    worst, good = (means(judge(vectors, classes, images, favour=favour))[0] for favour in (-1e-6, 1e-6))
    assert (worst, good) == (0, 1)
    assert within(0.5, good, worst)
    assert not within(1.1, good, worst)


def test_an_object_without_another_of_its_class_is_no_query():
    found = judge(np.eye(3), np.array([0, 0, 1]), np.arange(3))
    assert np.isnan(found[2]).all()
    assert not np.isnan(found[:2]).any()


def test_a_block_is_left_out():
    vectors = vx.normalize(np.random.default_rng(51).standard_normal((5, 12)))
    assert blocks(PARTS) == ["colour", "middle", "spread", "late", "late", "classes"]
    found = scaled(vectors, PARTS, late=0)
    assert not found[:, 6:10].any()
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


def test_the_class_scores_of_all_objects_count_alike():
    vectors = np.random.default_rng(51).standard_normal((5, 12))
    found = evened(vectors, PARTS)
    ratios = np.linalg.norm(found[:, 10:], axis=1) / np.linalg.norm(found[:, :2], axis=1)
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-5)
