"""What the benchmark of the database makes of what it measured."""

from benchmarks.database import Cost


def test_a_row_gives_images_a_second_and_what_each_of_them_cost():
    cost = Cost(images=100, wall=0.5, server=0.02, writers=0.1, sent=100 * 1024, stored=100 * 2048)
    assert str(cost) == "200 | 0.2 | 1 | 1 | 2"  # images a second, ms, ms, KB, KB
