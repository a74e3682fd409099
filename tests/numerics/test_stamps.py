import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as hs

from fiftyone_simfind.numerics import stamps as st

boxes = hs.lists(hs.floats(-1, 2), min_size=4, max_size=4)
names = hs.text(max_size=20)


@given(boxes, names)
def test_a_stamp_is_a_positive_number_that_a_web_page_can_hold(box, model):
    stamp = int(st.stamps([box], model)[0])
    assert 0 < stamp < 2**53
    assert int(float(stamp)) == stamp


@given(boxes, names, names)
def test_one_box_is_the_same_whatever_the_model(box, left, right):
    a, b = st.stamps([box], left), st.stamps([box], right)
    assert st.same_box(a, b).tolist() == [True]
    assert (a == b).tolist() == [st.model_bits(left) == st.model_bits(right)]


@given(boxes, hs.integers(0, 3), hs.floats(-1, 2), names)
def test_another_box_is_another_one(box, place, number, model):
    assume(box[place] != number)
    other = [*box[:place], number, *box[place + 1 :]]
    assert st.same_box(st.stamps([box], model), st.stamps([other], model)).tolist() == [False]


@given(boxes, names)
def test_a_stamp_tells_its_model(box, model):
    assert st.model_of(st.stamps([box], model)).tolist() == [st.model_bits(model)]


@given(hs.lists(boxes, max_size=9), names)
def test_each_box_gets_the_stamp_that_it_gets_alone(some, model):
    assert st.stamps(some, model).tolist() == [int(st.stamps([box], model)[0]) for box in some]


def test_zero_and_minus_zero_are_one_place():
    assert st.stamps([[0.0, 0, 1, 1]], "a").tolist() == st.stamps([[-0.0, 0, 1, 1]], "a").tolist()


@pytest.mark.parametrize("kind", [np.float32, np.float64, int])
def test_the_kind_of_numbers_does_not_matter(kind):
    box = [[0, 1, 2, 3]]
    assert st.stamps(np.array(box, kind), "a").tolist() == st.stamps(box, "a").tolist()
