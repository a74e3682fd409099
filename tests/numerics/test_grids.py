import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiftyone_simfind.numerics import boxes as bx
from fiftyone_simfind.numerics import grids

RELATIVE = st.floats(0, 0.6)


def plain_loop(cells, box, size_wh):
    """Bilinear between the centres of the cells, and the outermost cells' values beyond them."""
    out = np.zeros((size_wh[1], size_wh[0]))
    x0, y0, x1, y1 = bx.to_absolute(bx.clip(box), size_wh)[0]
    rows, columns = cells.shape
    for v in range(round(y0), max(round(y1), round(y0) + 1)):
        for u in range(round(x0), max(round(x1), round(x0) + 1)):
            r = np.clip((v + 0.5 - y0) / (y1 - y0) * rows - 0.5, 0, rows - 1)
            c = np.clip((u + 0.5 - x0) / (x1 - x0) * columns - 0.5, 0, columns - 1)
            i, j = min(int(r), rows - 2), min(int(c), columns - 2)
            a, b = r - i, c - j
            upper = (1 - b) * cells[i, j] + b * cells[i, j + 1]
            lower = (1 - b) * cells[i + 1, j] + b * cells[i + 1, j + 1]
            out[v, u] = (1 - a) * upper + a * lower
    return out


@given(st.tuples(RELATIVE, RELATIVE, st.floats(0.05, 1), st.floats(0.05, 1)), st.integers(0, 99))
def test_a_grid_is_spread_as_the_plain_loop_does(box, seed):
    cells = np.random.default_rng(seed).uniform(-1, 1, (7, 7))
    np.testing.assert_allclose(grids.spread(cells, box, (40, 24)), plain_loop(cells, box, (40, 24)), atol=1e-5)


def test_it_is_zero_outside_of_the_box():
    spread = grids.spread(np.ones((7, 7)), [0.25, 0.5, 0.5, 0.25], (40, 24))
    expected = np.zeros((24, 40))
    expected[12:18, 10:30] = 1
    np.testing.assert_allclose(spread, expected, atol=1e-6)


@pytest.mark.parametrize("box", [[0.51, 0.51, 1e-4, 1e-4], [0.9999, 0.9999, 0.5, 0.5], [-0.5, -0.5, 0.5001, 0.5001]])
def test_the_smallest_box_has_a_pixel(box):
    spread = grids.spread(np.ones((7, 7)), box, (40, 24))
    assert (spread > 0).sum() == 1


@pytest.mark.parametrize(
    ("size", "expected"), [((640, 480), (512, 384)), ((100, 50), (100, 50)), ((9000, 3), (512, 1))]
)
def test_a_map_is_no_larger_than_needed(size, expected):
    assert grids.at_most(size) == expected
