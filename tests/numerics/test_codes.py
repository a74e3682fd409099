import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiftyone_simfind.numerics import codes
from fiftyone_simfind.numerics import vectors as vx

KINDS = ("normal", "heavy", "one-hot", "flat", "peak", "tiny")


def draw(kind, rng, n, d):
    """``(n, d)`` float32 of length 1."""
    x = rng.standard_normal((n, d))
    if kind == "heavy":
        x = rng.standard_cauchy((n, d)) ** 3
    elif kind == "one-hot":
        x = np.eye(d)[rng.integers(d, size=n)] * rng.choice([-1, 1], (n, 1))
    elif kind == "flat":
        x = np.sign(x) * (1 - rng.uniform(0, 1 / 127, (n, d)))
    elif kind == "peak":  # all numbers but one just too small for a level of their own
        x = np.full((n, d), 0.499 / 127) * np.sign(x)
        x[np.arange(n), rng.integers(d, size=n)] = 1
    elif kind == "tiny":
        x = x * np.float32(1e-30)
    return vx.normalize(x.astype(np.float64))


def decoded(coded):
    return coded.values.astype(np.float64) * coded.scales.astype(np.float64)[:, None]


@given(st.sampled_from(KINDS), st.sampled_from(KINDS), st.integers(1, 600), st.integers(0, 2**32 - 1))
def test_no_dot_product_is_off_by_more_than_the_errors_say(kind, of_query, d, seed):
    rng = np.random.default_rng(seed)
    vectors, queries = draw(kind, rng, 20, d), draw(of_query, rng, 5, d)
    coded, asked = codes.encode(vectors), codes.encode(queries)
    exact = vectors.astype(np.float64) @ queries.T.astype(np.float64)
    lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
    assert (np.abs(exact - decoded(coded) @ queries.T) <= coded.errors[:, None] * lengths).all()
    both = codes.bound(coded.errors[:, None], asked.errors[None])
    assert (np.abs(exact - decoded(coded) @ decoded(asked).T) <= both).all()


@given(st.sampled_from(KINDS), st.integers(1, 600), st.integers(0, 2**32 - 1))
def test_an_error_is_the_distance_to_the_vector_and_hardly_more(kind, d, seed):
    vectors = draw(kind, np.random.default_rng(seed), 20, d)
    coded = codes.encode(vectors)
    apart = np.linalg.norm(vectors - decoded(coded), axis=1)
    assert (coded.errors >= apart).all()
    assert (coded.errors <= apart * 1.001 + 2e-6).all()


def test_the_largest_number_gets_the_last_level():
    coded = codes.encode(np.array([[0.6, -0.8], [1, 0]], np.float32))
    assert coded.values.tolist() == [[95, -127], [127, 0]]
    assert coded.scales == pytest.approx([0.8 / 127, 1 / 127])


def test_a_row_of_zeros_is_coded_as_zeros():
    coded = codes.encode(np.zeros((2, 3), np.float32))
    assert not coded.values.any()
    assert np.isfinite(coded.scales).all()
    assert (coded.errors < 1e-5).all()


def test_nothing_is_coded_as_nothing():
    assert [len(part) for part in codes.encode(np.empty((0, 5), np.float32))] == [0, 0, 0]
