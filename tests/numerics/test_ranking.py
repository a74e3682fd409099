import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiftyone_simfind.numerics.ranking import rank

# Few distinct values, so that ties are common.
score_lists = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0, float("nan")]), max_size=30)


def slow_rank(scores, k, eligible, groups, min_score, reverse):
    """What ``rank`` does, in the plainest way."""
    rows = sorted(range(len(scores)), key=lambda i: (scores[i] if reverse else -scores[i], i))
    taken, seen = [], set()
    for row in rows:
        allowed = eligible[row] and scores[row] == scores[row] and (min_score is None or scores[row] >= min_score)
        if allowed and (groups is None or groups[row] not in seen):
            seen.add(groups[row] if groups is not None else row)
            taken.append(row)
    return taken[:k]


@given(score_lists, st.integers(1, 40), st.data())
def test_rank_equals_the_plain_loop(scores, k, data):
    n = len(scores)
    eligible = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    groups = data.draw(st.none() | st.lists(st.sampled_from("abc"), min_size=n, max_size=n))
    min_score = data.draw(st.none() | st.sampled_from([-1.0, 0.0, 0.5]))
    reverse = data.draw(st.booleans())
    finite = [-9.0 if s != s else s for s in scores]  # NaN has no order for sorted()
    expected = slow_rank(
        finite, k, [e and s == s for e, s in zip(eligible, scores, strict=True)], groups, min_score, reverse
    )
    got = rank(
        np.array(scores),
        k=k,
        eligible=np.array(eligible, bool),
        groups=groups,
        min_score=min_score,
        reverse=reverse,
    )
    assert got.tolist() == expected


def test_equal_scores_keep_their_order():
    assert rank([0.5, 0.9, 0.5, 0.9, 0.5], k=4).tolist() == [1, 3, 0, 2]


def test_each_group_appears_once_with_its_best():
    assert rank([0.1, 0.9, 0.8, 0.7], k=5, groups=["a", "b", "b", "a"]).tolist() == [1, 3]


def test_a_threshold_can_leave_nothing():
    assert rank([0.1, 0.2], k=5, min_score=0.5).tolist() == []


@pytest.mark.parametrize("k", [1, 2, 3, 99])
def test_no_more_than_k_rows_come(k):
    assert len(rank([3, 1, 2], k=k)) == min(k, 3)
