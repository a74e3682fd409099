import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fiftyone_simfind.numerics import vectors as vx

# No numbers so small that float32 loses their digits.
eighths = st.integers(-800, 800).map(lambda number: number / 8)
rows = arrays(np.float32, st.tuples(st.integers(1, 8), st.just(5)), elements=eighths)


@given(rows)
def test_a_normalized_vector_has_length_one_or_is_missing(x):
    lengths = np.linalg.norm(vx.normalize(x).astype(np.float64), axis=1)
    has_direction = (x != 0).any(axis=1)
    np.testing.assert_allclose(lengths[has_direction], 1.0, atol=1e-5)
    assert np.isnan(lengths[~has_direction]).all()


@given(rows, st.floats(1e-3, 1e3))
def test_normalizing_forgets_the_scale(x, factor):
    np.testing.assert_allclose(vx.normalize(x * np.float32(factor)), vx.normalize(x), atol=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_has_no_direction(bad):
    x = np.array([[1, 2, 3], [1, bad, 3]], dtype=np.float32)
    assert np.isnan(vx.normalize(x)).any(axis=1).tolist() == [False, True]
    assert vx.usable(x).tolist() == [True, False]


def test_huge_vectors_do_not_overflow():
    np.testing.assert_allclose(vx.normalize(np.array([3e38, 4e38 / 2], np.float32)), [0.8320503, 0.5547002], atol=1e-6)


@given(rows)
def test_cosine_is_the_naive_loop(x):
    unit = vx.normalize(x[(x != 0).any(axis=1)])
    if len(unit):
        naive = [sum(float(a) * float(b) for a, b in zip(row, unit[0], strict=True)) for row in unit]
        np.testing.assert_allclose(vx.cosine(unit, unit[0]), naive, atol=1e-5)


def test_cosine_never_leaves_its_range():
    unit = vx.normalize(np.full((1, 7), 0.1, np.float32))
    assert vx.cosine(unit * np.float32(1 + 1e-6), unit[0]).max() <= 1.0


def test_one_example_is_its_own_query():
    np.testing.assert_allclose(vx.combine([[3.0, 4.0]]), [0.6, 0.8], rtol=1e-6)


def test_rocchio_worked_by_hand():
    # Mean of (1, 0) and (0, 1) is (1/2, 1/2); minus half of (0, 1) is (1/2, 0); of length 1 it is (1, 0).
    np.testing.assert_allclose(vx.combine([[2, 0], [0, 5]], [[0, 9]]), [1, 0], atol=1e-7)


def test_examples_that_cancel_out_have_no_direction():
    assert np.isnan(vx.combine([[1.0, 0.0], [-1.0, 0.0]])).all()
