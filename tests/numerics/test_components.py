"""Principal components as colours; scikit-learn's PCA is the oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from fiftyone_simfind.numerics import components as cp


def cells(seed, count=60, dim=12):
    """Vectors whose axes differ in length, so that each component is one of a kind."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, dim)) * np.linspace(3, 0.5, dim) + rng.standard_normal(dim)


@pytest.mark.parametrize("seed", range(5))
def test_components_are_those_of_scikit_learn_up_to_their_signs(seed):
    found, expected = cp.project(cells(seed)), PCA(3, svd_solver="full").fit_transform(cells(seed))
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found, expected * signs, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_a_vector_of_weight_three_counts_as_three(seed):
    x, weights = cells(seed, 20), np.arange(20) % 4
    repeated = cp.project(np.repeat(x, weights, axis=0))
    np.testing.assert_allclose(np.repeat(cp.project(x, weights), weights, axis=0), repeated, atol=1e-9)


@given(st.integers(0, 1000), st.permutations(range(12)))
def test_colours_do_not_depend_on_the_order_of_the_vectors(seed, order):
    x = cells(seed, 12, 6)
    np.testing.assert_allclose(cp.colors(x[order]), cp.colors(x)[order], atol=1e-7)


def test_equal_vectors_have_equal_colours():
    x = cells(51)
    np.testing.assert_allclose(*np.split(cp.colors(np.vstack([x, x])), 2), atol=1e-12)


def test_signs_are_fixed():
    """The axis of the largest number is the first, so what has more of it is redder, and never the other way."""
    x = np.array([[9.0, 0, 0], [-9, 0, 0], [0, 4, 0], [0, -4, 0], [0, 0, 1], [0, 0, -1]])
    np.testing.assert_allclose(cp.project(x)[[0, 2, 4]], np.diag([9, 4, 1]), atol=1e-9)


def test_the_mean_is_grey_and_two_deviations_are_the_ends():
    x = np.array([[-1.0], [1.0], [0.0], [-9.0], [9.0], *[[-1.0], [1.0]] * 40])
    found = cp.colors(x)
    assert found[2] == pytest.approx([0.5] * 3)
    assert found[3:5, 0].tolist() == [0, 1]
    assert found[1, 0] == pytest.approx(0.5 + 1 / (4 * x.std()))


@pytest.mark.parametrize("x", [np.ones((7, 5)), np.zeros((1, 4)), np.full((3, 2), 0.1)])
def test_vectors_that_do_not_differ_are_grey(x):
    np.testing.assert_array_equal(cp.colors(x), 0.5)


def test_fewer_components_than_colours_leave_grey():
    found = cp.colors(np.outer(np.arange(9.0), [1, 2, 3, 4]))
    assert np.ptp(found[:, 0]) > 0.7
    np.testing.assert_array_equal(found[:, 1:], 0.5)
