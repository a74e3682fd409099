import numpy as np
import pytest
from skimage.color import rgb2lab

from fiftyone_simfind.numerics import color


def test_lab_is_that_of_scikit_image():
    rgb = np.random.default_rng(51).uniform(0, 1, (500, 3))
    np.testing.assert_allclose(color.lab(rgb), rgb2lab(rgb) / 100, atol=1e-3)


def row(rgb):
    red, green, blue = (min(int(value * color.STEPS), color.STEPS - 1) for value in rgb)
    return color.table()[(red * color.STEPS + green) * color.STEPS + blue]


def test_every_colour_has_a_vector_of_length_one():
    table = color.table()
    assert table.shape == (color.STEPS**3, color.DIM)
    np.testing.assert_allclose(np.linalg.norm(table, axis=1), 1, atol=1e-5)


def test_the_dot_product_falls_with_the_distance_of_colours():
    red = row((0.8, 0.1, 0.1))
    alike = [row(rgb) @ red for rgb in ((0.8, 0.1, 0.1), (0.84, 0.12, 0.1), (0.9, 0.35, 0.1), (0.1, 0.2, 0.8))]
    assert alike == sorted(alike, reverse=True)
    assert alike[0] == pytest.approx(1)
    assert alike[1] > 0.8
    assert abs(alike[3]) < 0.35


def test_it_is_about_the_mean_of_two_gaussian_kernels():
    rng = np.random.default_rng(0)
    pairs = (rng.integers(0, color.STEPS, (400, 2, 3)) + 0.5) / color.STEPS
    distance = np.linalg.norm(color.lab(pairs[:, 0]) - color.lab(pairs[:, 1]), axis=1)
    kernel = np.mean([np.exp(-((distance / width) ** 2) / 2) for width in color.WIDTHS], axis=0)
    found = np.array([row(a) @ row(b) for a, b in pairs])
    assert np.abs(found - kernel).mean() < 0.15
