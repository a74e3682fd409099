import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fiftyone_simfind.numerics import fusion

cosines = arrays(np.float64, 6, elements=st.floats(-1, 1, width=32))


def test_shares_are_worked_by_hand():
    # Deviations 0.1 and 0.3: the first counts three times as much.
    assert fusion.shares([0.8, 1.0], [0.2, 0.8]) == pytest.approx((3 / 4, 1 / 4))


def test_a_fused_score_is_worked_by_hand():
    assert fusion.fuse([0.8, 1.0], [0.2, 0.8], (3 / 4, 1 / 4)) == pytest.approx([0.65, 0.95])


@given(a=cosines, b=cosines)
def test_the_order_is_that_of_the_sum_of_standard_scores(a, b):
    if min(a.std(), b.std()) < 1e-3:
        return
    expected = (a - a.mean()) / a.std() + (b - b.mean()) / b.std()
    fused = fusion.fuse(a, b, fusion.shares(a, b))
    for i in range(6):
        for j in range(6):
            if expected[i] > expected[j] + 1e-6:
                assert fused[i] > fused[j]


@given(a=cosines, b=cosines)
def test_a_fused_score_lies_between_the_two(a, b):
    fused = fusion.fuse(a, b, fusion.shares(a, b))
    assert (fused >= np.minimum(a, b) - 1e-9).all()
    assert (fused <= np.maximum(a, b) + 1e-9).all()


@given(a=cosines, b=cosines, scale=st.floats(0.1, 1), shift=st.floats(-0.2, 0.2))
def test_the_scale_of_one_network_s_cosines_changes_no_order(a, b, scale, shift):
    if min(a.std(), b.std()) < 1e-3:
        return
    fused, other = (fusion.fuse(a, x, fusion.shares(a, x)) for x in (b, b * scale / 2 + shift))
    for i in range(6):
        for j in range(6):
            if fused[i] > fused[j] + 1e-6:
                assert other[i] > other[j]


def test_similarities_that_tell_nothing_apart_leave_the_order_to_the_others():
    assert fusion.shares([0.5, 0.5], [0.1, 0.9]) == (0.5, 0.5)
    assert fusion.shares([0.3], [0.1]) == (0.5, 0.5)


def test_an_object_without_a_second_similarity_counts_as_an_average_one():
    fused = fusion.fuse([0.1, 0.2, 0.3], [0.4, np.nan, 0.8], (0.5, 0.5))
    assert fused == pytest.approx([0.25, 0.4, 0.55])


def test_without_any_second_similarity_the_first_stand():
    none = [np.nan, np.nan]
    assert fusion.fuse([0.1, 0.9], none, fusion.shares([0.1, 0.9], none)) == pytest.approx([0.1, 0.9])
