from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiftyone_simfind.numerics import retrieval
from fiftyone_simfind.numerics.retrieval import NOTHING, PADDING

# A query with four relevant objects, of which the ranking below finds three, at ranks 1, 3 and 6.
HITS = np.array([[1, 0, 1, 0, 0, 1]], dtype=bool)
RELEVANT = np.array([4])


def one(values):
    """The only query's value, as the fraction that it is."""
    return Fraction(float(values[0])).limit_denominator(10_000)


@pytest.mark.parametrize(
    ("k", "precision", "recall", "average_precision"),
    [
        (1, Fraction(1), Fraction(1, 4), Fraction(1)),
        (2, Fraction(1, 2), Fraction(1, 4), Fraction(1, 2)),  # 1 / min(4, 2)
        (3, Fraction(2, 3), Fraction(2, 4), (Fraction(1) + Fraction(2, 3)) / 3),
        (4, Fraction(2, 4), Fraction(2, 4), (Fraction(1) + Fraction(2, 3)) / 4),
        (6, Fraction(3, 6), Fraction(3, 4), (Fraction(1) + Fraction(2, 3) + Fraction(3, 6)) / 4),
        (9, Fraction(3, 9), Fraction(3, 4), (Fraction(1) + Fraction(2, 3) + Fraction(3, 6)) / 4),  # no more ranks
    ],
)
def test_the_measures_are_what_paper_and_pencil_give(k, precision, recall, average_precision):
    assert one(retrieval.precision_at(HITS, k)) == precision
    assert one(retrieval.recall_at(HITS, RELEVANT, k)) == recall
    assert one(retrieval.average_precision_at(HITS, RELEVANT, k)) == average_precision


# Six objects on a line, so that the larger is always the nearer; b c b b c a.
LINE = np.array([[1], [2], [3], [4], [5], [6]], dtype=np.float32)
CLASSES = np.array([1, 2, 1, 1, 2, 0])


def test_a_small_table_worked_by_hand():
    ranks = retrieval.rank_all(LINE, CLASSES, depth=3)
    assert ranks.queries.tolist() == [0, 1, 2, 3, 4]  # nothing is relevant to the only a
    assert ranks.relevant.tolist() == [2, 1, 2, 2, 1]
    assert ranks.neighbors.tolist() == [[5, 4, 3], [5, 4, 3], [5, 4, 3], [5, 4, 2], [5, 3, 2]]
    assert ranks.scores.tolist() == [[6, 5, 4], [12, 10, 8], [18, 15, 12], [24, 20, 12], [30, 20, 15]]
    assert ranks.hits.astype(int).tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]]
    assert retrieval.precision_at(ranks.hits, 3).tolist() == [1 / 3, 1 / 3, 1 / 3, 1 / 3, 0]
    assert retrieval.recall_at(ranks.hits, ranks.relevant, 3).tolist() == [1 / 2, 1, 1 / 2, 1 / 2, 0]
    assert retrieval.average_precision_at(ranks.hits, ranks.relevant, 3).tolist() == [1 / 6, 1 / 2, 1 / 6, 1 / 6, 0]
    assert ranks.r_precision.tolist() == [0, 0, 0, 0, 0]
    assert retrieval.first_hits(ranks.hits).tolist() == [3, 2, 3, 3, 0]
    assert retrieval.found_at(ranks.hits, 2).tolist() == [False, True, False, False, False]


def test_a_group_finds_nothing_of_its_own():
    ranks = retrieval.rank_all(LINE, CLASSES, depth=3, groups=[0, 0, 0, 1, 1, 1])
    assert ranks.queries.tolist() == [0, 1, 2, 3, 4]
    assert ranks.relevant.tolist() == [1, 1, 1, 2, 1]
    assert ranks.neighbors.tolist() == [[5, 4, 3], [5, 4, 3], [5, 4, 3], [2, 1, 0], [2, 1, 0]]


def test_equal_scores_keep_their_order():
    ranks = retrieval.rank_all(np.ones((4, 1), np.float32), np.zeros(4, int), depth=3)
    assert ranks.neighbors.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]


def test_precision_divides_by_k_where_fewer_objects_are_eligible():
    ranks = retrieval.rank_all(LINE[:3], [0, 0, 0], depth=5)
    assert retrieval.precision_at(ranks.hits, 5).tolist() == [2 / 5] * 3
    assert retrieval.average_precision_at(ranks.hits, ranks.relevant, 5).tolist() == [1.0] * 3


def test_an_object_without_a_class_stands_before_others_but_is_never_relevant():
    ranks = retrieval.rank_all(LINE[:3], [0, 0, NOTHING], depth=2)
    assert ranks.queries.tolist() == [0, 1]
    assert ranks.neighbors.tolist() == [[2, 1], [2, 0]]
    assert ranks.hits.tolist() == [[False, True], [False, True]]


def test_a_query_to_which_nothing_is_relevant_has_no_recall():
    ranks = retrieval.rank_all(LINE[:3], [0, 0, 1], depth=2, queries=[2])
    assert ranks.relevant.tolist() == [0]
    assert np.isnan(retrieval.recall_at(ranks.hits, ranks.relevant, 2)).all()
    assert np.isnan(retrieval.average_precision_at(ranks.hits, ranks.relevant, 2)).all()
    assert np.isnan(ranks.r_precision).all()


def test_no_queries_are_no_error():
    ranks = retrieval.rank_all(LINE[:2], [0, 1], depth=2)
    assert ranks.hits.shape == (0, 2)
    assert retrieval.first_hits(ranks.hits).tolist() == []


def test_progress_is_told_after_each_block():
    told = []
    retrieval.rank_all(LINE, CLASSES, depth=1, block=2, advance=told.append)
    assert told == [2, 2, 1]


# Coordinates of which float32 knows every sum and product exactly; few of them, so that ties are common.
coordinates = st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0])


@st.composite
def galleries(draw):
    n = draw(st.integers(2, 14))
    rows = st.lists(st.lists(coordinates, min_size=3, max_size=3), min_size=n, max_size=n)
    vectors = np.array(draw(rows), dtype=np.float32)
    classes = np.array(draw(st.lists(st.integers(NOTHING, 3), min_size=n, max_size=n)))
    groups = draw(st.none() | st.lists(st.integers(0, 3), min_size=n, max_size=n))
    return vectors, classes, groups


def naive(vectors, classes, groups, query, k):
    """All measures of one query, in the plainest way."""
    groups = list(range(len(vectors))) if groups is None else groups
    x = vectors.astype(np.float64)
    others = [i for i in range(len(x)) if groups[i] != groups[query]]
    ranked = sorted(others, key=lambda i: (-float(x[i] @ x[query]), i))
    hits = [classes[i] == classes[query] for i in ranked]
    r = sum(hits)
    precision = [sum(hits[: i + 1]) / (i + 1) for i in range(len(hits))]
    average = sum(p for p, hit in zip(precision[:k], hits[:k], strict=True) if hit) / min(r, k)
    return sum(hits[:k]) / k, sum(hits[:k]) / r, average, any(hits[:k]), sum(hits[:r]) / r, ranked[:k]


@given(galleries(), st.integers(1, 16), st.integers(1, 5))
def test_every_measure_equals_the_plain_loop(gallery, k, block):
    vectors, classes, groups = gallery
    ranks = retrieval.rank_all(vectors, classes, depth=k, groups=groups, block=block)
    measured = zip(
        retrieval.precision_at(ranks.hits, k),
        retrieval.recall_at(ranks.hits, ranks.relevant, k),
        retrieval.average_precision_at(ranks.hits, ranks.relevant, k),
        retrieval.found_at(ranks.hits, k),
        ranks.r_precision,
        strict=True,
    )
    for query, neighbors, values in zip(ranks.queries, ranks.neighbors, measured, strict=True):
        *expected, ranked = naive(vectors, classes, groups, query, k)
        assert values == pytest.approx(expected, abs=1e-12)
        assert neighbors[neighbors != NOTHING].tolist() == ranked


@given(galleries())
def test_the_queries_are_those_to_which_something_is_relevant(gallery):
    _, classes, groups = gallery
    own = list(range(len(classes))) if groups is None else groups
    expected = [
        sum(c == classes[i] and g != own[i] for c, g in zip(classes, own, strict=True)) if classes[i] != NOTHING else 0
        for i in range(len(classes))
    ]
    assert retrieval.relevant_counts(classes, groups).tolist() == expected


@given(galleries(), st.integers(1, 6), st.integers(1, 15))
def test_the_block_does_not_matter(gallery, depth, block):
    vectors, classes, groups = gallery
    whole = retrieval.rank_all(vectors, classes, depth=depth, groups=groups, block=1000)
    parts = retrieval.rank_all(vectors, classes, depth=depth, groups=groups, block=block)
    for one_way, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one_way, other)


@given(galleries(), st.integers(1, 16))
def test_measures_stay_between_nothing_and_all(gallery, k):
    vectors, classes, groups = gallery
    ranks = retrieval.rank_all(vectors, classes, depth=k, groups=groups)
    for values in (
        retrieval.precision_at(ranks.hits, k),
        retrieval.recall_at(ranks.hits, ranks.relevant, k),
        retrieval.average_precision_at(ranks.hits, ranks.relevant, k),
        ranks.r_precision,
    ):
        assert ((values >= 0) & (values <= 1 + 1e-12)).all()


def test_shares_are_counted_for_each_class():
    shares = retrieval.class_shares([0, 0, 1], [[0, 1], [1, 1], [0, NOTHING]], 3)
    np.testing.assert_array_equal(shares[:2], [[1 / 4, 3 / 4, 0, 0], [1 / 2, 0, 0, 1 / 2]])
    assert np.isnan(shares[2]).all()


def test_neighbours_that_are_not_there_do_not_count():
    assert retrieval.class_shares([0], [[0, PADDING]], 1).tolist() == [[1, 0]]


def test_a_row_is_compared_with_its_own_and_with_all_others():
    others = np.eye(3, dtype=np.float32)
    vectors = np.array([[0.6, 0.8, 0.0], [0.0, 1.0, 0.0]], dtype=np.float32)
    same, other, nearest = retrieval.compare_rows(vectors, others, [0, 1])
    assert same == pytest.approx([0.6, 1.0])
    assert other == pytest.approx([0.4, 0.0])
    assert nearest.tolist() == [0, 1]


def test_equally_near_rows_share_what_a_blind_choice_earns():
    same, other, nearest = retrieval.compare_rows(np.ones((4, 1), np.float32), np.ones((4, 1), np.float32), range(4))
    assert (same.tolist(), other.tolist(), nearest.tolist()) == ([1] * 4, [1] * 4, [1 / 4] * 4)
