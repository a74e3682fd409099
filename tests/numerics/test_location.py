"""What neighbours have to do with places and sizes; the oracle is a loop over all pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fiftyone_simfind.numerics import location as loc
from fiftyone_simfind.numerics import vectors as vx


def objects(seed, count=60, classes=3, images=12, dim=8):
    """Vectors, boxes, classes and images that have nothing to do with each other."""
    rng = np.random.default_rng(seed)
    sides = rng.uniform(0.05, 0.5, (count, 2))
    boxes = np.hstack([rng.uniform(0, 1 - sides), sides])
    vectors = vx.normalize(rng.standard_normal((count, dim)))
    return vectors, boxes, rng.integers(-1, classes, count), rng.integers(0, images, count)


def by_hand(vectors, boxes, classes, groups, k, query):
    """Distances of one query to its nearest and to all that can be found, as a person would compute them."""
    others = [i for i in range(len(boxes)) if classes[i] == classes[query] and groups[i] != groups[query]]

    def away(i):
        (x, y, w, h), (u, v, a, b) = boxes[query], boxes[i]
        return np.hypot(x + w / 2 - u - a / 2, y + h / 2 - v - b / 2), abs(np.log2(np.sqrt(w * h) / np.sqrt(a * b)))

    nearest = sorted(others, key=lambda i: -float(vectors[query] @ vectors[i]))[:k]
    return np.array([away(i) for i in nearest]).T, np.array([away(i) for i in others])


@given(st.integers(0, 10_000), st.integers(1, 5), st.sampled_from([1, 7, None]))
@settings(max_examples=25, deadline=None)
def test_all_distances_are_those_of_a_loop(seed, k, block):
    vectors, boxes, classes, groups = objects(seed)
    queries = loc.with_choice(classes, groups, k)
    found = loc.measure(vectors, boxes, classes, groups, k, queries, block=block)
    everything = []
    for row, query in enumerate(queries):
        near, away = by_hand(vectors, boxes, classes, groups, k, query)
        np.testing.assert_allclose([found.place[row], found.size[row]], near, atol=1e-12)
        assert (found.place_chance[row], found.size_chance[row]) == pytest.approx(away.mean(axis=0))
        everything.append(away)
    for place, (histogram, top) in enumerate([(found.place_histogram, 2**0.5), (found.size_histogram, 6)]):
        expected = [np.histogram(away[:, place], loc.BINS, (0, top))[0] / len(away) for away in everything]
        np.testing.assert_allclose(histogram, np.mean(expected, axis=0), atol=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_who_has_a_choice_is_counted(seed, least):
    _, _, classes, groups = objects(seed, 40, 4, 6)
    expected = [
        i for i in range(40) if classes[i] >= 0 and np.sum((classes == classes[i]) & (groups != groups[i])) >= least
    ]
    assert loc.with_choice(classes, groups, least).tolist() == expected


def ratios(vectors, boxes, classes, groups, k=5):
    queries = loc.with_choice(classes, groups, 2 * k)
    found = loc.measure(vectors, boxes, classes, groups, k, queries)
    return [
        loc.ratio_interval(near.mean(axis=1), chance, groups[queries])
        for near, chance in ((found.place, found.place_chance), (found.size, found.size_chance))
    ]


def test_vectors_that_have_nothing_to_do_with_places_have_ratios_of_one():
    for ratio, low, high in ratios(*objects(51, 1200, 3, 300)):
        assert ratio == pytest.approx(1, abs=0.02)
        assert low < 1 < high


def test_the_interval_holds_one_nearly_always_when_there_is_no_influence():
    found = [row for seed in range(40) for row in ratios(*objects(seed, 250, 2, 60))]
    assert np.mean([low <= 1 <= high for _, low, high in found]) > 0.85


def test_vectors_that_are_the_place_have_a_ratio_far_below_one():
    _, boxes, classes, groups = objects(51, 600)
    vectors = vx.normalize(np.hstack([loc.centres(boxes) - 0.5, np.full((600, 1), 2.0)]))
    (place, _, high), (size, *_) = ratios(vectors, boxes, classes, groups)
    assert place < high < 0.25
    assert size > 0.8


def test_vectors_that_are_the_size_have_a_ratio_far_below_one():
    _, boxes, classes, groups = objects(51, 600)
    angle = loc.log_sizes(boxes) / 4
    (place, *_), (size, _, high) = ratios(
        vx.normalize(np.column_stack([np.cos(angle), np.sin(angle)])), boxes, classes, groups
    )
    assert size < high < 0.1
    assert place > 0.8


def test_only_what_is_inside_the_image_has_a_place_and_a_size():
    np.testing.assert_allclose(loc.centres([[0.5, -0.5, 1.0, 1.0]]), [[0.75, 0.25]])
    np.testing.assert_allclose(loc.log_sizes([[0.5, -0.5, 1.0, 1.0], [0.1, 0.1, 0.25, 0.25]]), [-1, -2])


def test_a_ratio_is_that_of_the_means_worked_by_hand():
    ratio, low, high = loc.ratio_interval([1.0, 2.0, 3.0], [2.0, 2.0, 8.0], [0, 0, 1], draws=500)
    assert ratio == 6 / 12
    assert (low, high) == (3 / 8, 3 / 4)  # both draws of one image, which are a quarter of all draws each


def test_the_same_seed_gives_the_same_interval():
    rng = np.random.default_rng(51)
    given = rng.uniform(1, 2, 50), rng.uniform(1, 2, 50), np.arange(50) // 3
    assert loc.ratio_interval(*given) == loc.ratio_interval(*given)
    assert loc.ratio_interval(*given) != loc.ratio_interval(*given, seed=52)


def test_no_distance_at_all_gives_no_ratio():
    assert np.isnan(loc.ratio_interval([0.0, 0.0], [0.0, 0.0], [0, 1])).all()
