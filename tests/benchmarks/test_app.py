"""What the benchmark of the App makes of the times that it was told."""

import pytest

from benchmarks.app.__main__ import cells_of


def test_a_cell_gives_the_median_and_the_spread_in_seconds_and_the_median_ratio_of_the_rounds():
    taken, base = [[4000, 2000, 3000], [8000]], [[1000], [2000, 1000, 9000]]
    assert cells_of(taken, base) == ("3.50 (2.00 to 8.00)", "3.50")  # 3 / 1 in the first round, 8 / 2 in the second


@pytest.mark.parametrize("taken", [[], [[]]])
def test_what_was_not_measured_leaves_its_cells_empty(taken):
    assert cells_of(taken, taken) == ("", "")
