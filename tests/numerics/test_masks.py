import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fiftyone_simfind.numerics import boxes as bx
from fiftyone_simfind.numerics import masks as mk

places = st.floats(-20, 60)


def disc(height=60, width=80):
    y, x = np.mgrid[:height, :width]
    return ((x - width / 2) ** 2 + (y - height / 2) ** 2) < (min(height, width) / 3) ** 2


def test_a_mask_is_shared_out_by_area():
    """One pixel of the object in a corner of a box of 2 x 2 pixels: a quarter of its cells, wholly."""
    grid = mk.of_mask(np.array([[1, 0], [0, 0]]), [0, 0, 2, 2])
    assert grid.shape == (mk.GRID, mk.GRID)
    half = mk.GRID // 2
    assert (grid[:half, :half] == 1).all()
    assert grid.sum() == half**2


def test_a_cell_that_a_mask_covers_in_part_has_that_share():
    """A box of 16 x 16 pixels has half a pixel to a cell; shifted by a quarter of a pixel, by half a cell."""
    mask = np.zeros((20, 20))
    mask[:, 8:] = 1
    grid = mk.of_mask(mask, [0.25, 0, 16.25, 16])
    assert grid[0, 14:18] == pytest.approx([0, 0.5, 1, 1])


@settings(deadline=None)
@given(x0=places, y0=places, width=st.floats(0.5, 90), height=st.floats(0.5, 90))
def test_shares_are_those_of_many_points(x0, y0, width, height):
    mask, points = disc(), 8
    steps = (np.arange(mk.GRID * points) + 0.5) / (mk.GRID * points)
    rows, columns = (np.floor(a + b * steps).astype(int) for a, b in ((y0, height), (x0, width)))
    padded = np.pad(mask, 200)
    there = padded[(rows + 200)[:, None], (columns + 200)[None, :]]
    expected = there.reshape(mk.GRID, points, mk.GRID, points).mean(axis=(1, 3))
    np.testing.assert_allclose(mk.of_mask(mask, [x0, y0, x0 + width, y0 + height]), expected, atol=0.3)
    assert mk.of_mask(mask, [x0, y0, x0 + width, y0 + height]).mean() == pytest.approx(expected.mean(), abs=0.02)


def test_a_mask_beyond_the_image_is_cut_off():
    """The right half of the box lies outside of the image, and the object in the left half of its mask."""
    mask = np.zeros((10, 20))
    mask[:, :10] = 1
    assert (mk.of_detection(mask, [0.75, 0, 0.5, 1]) == 1).all()
    assert mk.of_detection(mask, [0.5, 0, 0.5, 1]).mean() == pytest.approx(0.5)


def test_a_mask_of_any_size_lies_on_its_box():
    small = np.kron(np.array([[1, 0], [1, 1]]), np.ones((3, 5)))
    np.testing.assert_allclose(
        mk.of_detection(small, [0.1, 0.2, 0.3, 0.4]), mk.of_mask(small, [0, 0, 10, 6]), atol=1e-6
    )


def test_a_degenerate_box_is_no_error():
    assert np.isfinite(mk.of_mask(disc(), [5, 5, 5, 5])).all()
    assert not mk.of_mask(disc(), [500, 500, 600, 600]).any()


def test_an_upright_rectangle_fills_its_box():
    assert (mk.of_rectangle([50, 40, 20, 10, 0], [40, 35, 60, 45]) == 1).all()


def test_a_rectangle_on_its_tip_fills_half_of_its_box():
    """A square turned by an eighth: its box has twice its area, and the corners of the box lie outside."""
    side = 20 / np.sqrt(2)
    grid = mk.of_rectangle([50, 40, side, side, np.pi / 4], [40, 30, 60, 50])
    assert grid.mean() == pytest.approx(0.5, abs=0.01)
    assert grid[[0, 0, -1, -1], [0, -1, 0, -1]].tolist() == [0, 0, 0, 0]
    assert grid[16, 16] == 1


def test_a_rectangle_turns_from_x_towards_y():
    """A bar that falls from left to right in the picture, where y points down."""
    grid = mk.of_rectangle([50, 50, 100, 10, np.deg2rad(30)], [0, 0, 100, 100])
    assert grid[10:13, 3:5].mean() > grid[20:23, 3:5].mean()
    assert mk.of_rectangle([50, 50, 10, 100, np.deg2rad(30 - 90)], [0, 0, 100, 100]) == pytest.approx(grid)


def test_a_coarser_grid_keeps_the_mean():
    grids = np.random.default_rng(51).random((3, mk.GRID, mk.GRID)).astype(np.float32)
    found = mk.coarser(grids, 7)
    assert found.shape == (3, 7, 7)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), grids.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(mk.coarser(grids, 8), grids.reshape(3, 8, 4, 8, 4).mean(axis=(2, 4)), rtol=1e-4)


def test_a_coarser_grid_of_a_mask_is_nearly_that_of_the_mask():
    mask = disc()
    exact = mk._overlaps(0, 60, 7, 60) @ mask @ mk._overlaps(0, 80, 7, 80).T
    found = mk.coarser(mk.of_mask(mask, bx.to_absolute([[0, 0, 1, 1]], (80, 60))[0])[None], 7)[0]
    np.testing.assert_allclose(found, exact, atol=0.05)
