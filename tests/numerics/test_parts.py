import numpy as np
import pytest

from fiftyone_simfind.numerics import parts as pt
from fiftyone_simfind.numerics.parts import Part

PARTS = [Part("look", 0, 1), Part("shape", 1, 2), Part("kind", 2, 3), Part("kind", 3, 4)]
QUERY = np.array([0.5, 0.5, 0.5, 0.5], np.float32)


def test_parts_of_one_name_are_named_once():
    assert pt.names(PARTS) == ["look", "shape", "kind"]


def test_emphasis_scales_the_runs_of_a_part_and_keeps_length_one():
    found = pt.emphasize(QUERY, PARTS, {"kind": 3.0})
    np.testing.assert_allclose(found, np.array([1, 1, 3, 3]) / np.sqrt(20), rtol=1e-6)


def test_emphasis_of_one_changes_nothing():
    np.testing.assert_allclose(pt.emphasize(QUERY, PARTS, {"kind": 1.0, "look": 1.0}), QUERY)


def test_the_query_given_is_left_as_it_was():
    query = QUERY.copy()
    pt.emphasize(query, PARTS, {"look": 0.0})
    np.testing.assert_array_equal(query, QUERY)


def test_nothing_left_is_nan():
    assert np.isnan(pt.emphasize(QUERY, PARTS, {"look": 0, "shape": 0, "kind": 0})).all()


def test_the_shares_of_the_parts_sum_to_the_score():
    rng = np.random.default_rng(51)
    a, b = rng.standard_normal((2, 4)).astype(np.float32)
    found = pt.shares(a, b, PARTS)
    assert sum(found.values()) == pytest.approx(float(a @ b), abs=1e-6)
    assert found["kind"] == pytest.approx(float(a[2] * b[2] + a[3] * b[3]), abs=1e-6)
