import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics import whitening as wh
from fiftyone_simfind.numerics.parts import Part

PARTS = [Part("look", 0, 6), Part("kind", 6, 10), Part("kind", 10, 14, whiten=False)]


def make(n=2000, d=14, offset=3.0, seed=51):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) * np.linspace(0.2, 2.0, d) + offset
    return vx.normalize(np.abs(x))


def lengths(x, parts):
    return np.stack([np.linalg.norm(x[:, p.start : p.stop], axis=1) for p in parts], axis=1)


def test_half_whitening_takes_the_root_of_each_axis_deviation():
    rng = np.random.default_rng(0)
    x = np.hstack([rng.standard_normal((100_000, 3)) * [0.04, 0.01, 0.0025], np.ones((100_000, 1))])
    fitted = wh.fit(x)
    y = (vx.normalize(x) - fitted.means[0]) @ fitted.axes[0]
    found = np.sort(y.std(axis=0))[::-1][:3]
    assert found[0] / found[1] == pytest.approx(2, rel=0.05)  # as 0.04 / 0.01 is 4
    assert found[1] / found[2] == pytest.approx(2, rel=0.05)


def test_what_all_vectors_share_is_taken_off():
    x = make()
    before, after = x @ x.T, (y := wh.fit(x).apply(x)) @ y.T
    assert before.mean() > 0.8
    assert abs(after.mean()) < 0.05


def test_each_part_keeps_the_length_it_had():
    x = make()
    fitted = wh.fit(x, PARTS)
    np.testing.assert_allclose(lengths(fitted.apply(x), fitted.out), lengths(x, PARTS), atol=1e-5)


def test_a_part_that_is_not_to_be_whitened_stays_as_it_is():
    x = make()
    fitted = wh.fit(x, PARTS)
    last = fitted.out[-1]
    np.testing.assert_allclose(fitted.apply(x)[:, last.start : last.stop], x[:, 10:14], atol=1e-6)


def test_the_parts_of_a_whitened_vector_bear_the_same_names():
    assert [(p.name, p.whiten) for p in wh.fit(make(), PARTS).out] == [(p.name, p.whiten) for p in PARTS]


def test_the_same_vectors_always_give_the_same_whitening():
    x = make(30_000)
    np.testing.assert_array_equal(wh.fit(x, PARTS).apply(x[:50]), wh.fit(x.copy(), PARTS).apply(x[:50]))


def test_rows_are_whitened_one_by_one():
    x = make()
    fitted = wh.fit(x, PARTS)
    np.testing.assert_allclose(fitted.apply(x[7:8])[0], fitted.apply(x)[7], atol=1e-6)


@given(st.integers(1, 12), st.integers(0, 99))
def test_few_vectors_are_hardly_changed(n, seed):
    x = vx.normalize(np.random.default_rng(seed).standard_normal((n, 8)))
    found = wh.fit(x).apply(x)
    np.testing.assert_allclose(found @ found.T, x @ x.T, atol=0.35)


def test_one_vector_alone_keeps_its_direction():
    x = make(1)
    assert np.isfinite(wh.fit(x, PARTS).apply(x)).all()


def test_a_part_of_zeros_stays_one():
    x = make()
    x[0, :6] = 0
    fitted = wh.fit(x, PARTS)
    look = fitted.out[0]
    assert (fitted.apply(x[:1])[:, look.start : look.stop] == 0).all()


def test_wide_vectors_are_cut_to_the_axes_that_tell_them_apart():
    x = np.random.default_rng(1).standard_normal((2000, 600))
    assert wh.fit(x).apply(x[:3]).shape == (3, wh.MAX_AXES)


def test_with_fewer_vectors_than_numbers_no_axis_is_dropped():
    x = np.random.default_rng(1).standard_normal((100, 600))
    assert wh.fit(x).apply(x[:3]).shape == (3, 600)


def test_it_comes_back_from_json_as_it_went():
    fitted = wh.fit(make(), PARTS)
    again = wh.Whitening.from_dict(json.loads(json.dumps(fitted.to_dict())))
    np.testing.assert_array_equal(again.apply(make(50, seed=2)), fitted.apply(make(50, seed=2)))
    assert again.parts == fitted.parts


def test_vectors_from_another_domain_are_centred_on_their_own_mean():
    gallery = make()
    shift = np.random.default_rng(9).uniform(0, 4, gallery.shape[1])
    elsewhere = vx.normalize(gallery[:300] + shift)
    fitted = wh.fit(gallery)
    there = fitted.centred_on(elsewhere).apply(elsewhere)
    assert abs((there @ there.T).mean()) < 0.05 < (y := fitted.apply(elsewhere)).mean() ** 2 + (y @ y.T).mean()
    nearest = (there @ fitted.apply(gallery).T).argmax(axis=1)
    assert (nearest == np.arange(300)).mean() > ((y @ fitted.apply(gallery).T).argmax(axis=1) == np.arange(300)).mean()


def test_no_mean_is_taken_off_what_lies_beside_it():
    words = np.random.default_rng(3).standard_normal((5, 14))
    fitted = wh.fit(make(), PARTS)
    plain = wh.Whitening(fitted.parts, [np.zeros_like(mean) for mean in fitted.means], fitted.axes)
    beside = fitted.beside_mean(words)
    np.testing.assert_allclose(lengths(beside, PARTS), lengths(words, PARTS), rtol=1e-5)
    np.testing.assert_allclose(fitted.apply(beside), plain.apply(words), atol=1e-5)
