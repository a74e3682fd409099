"""The page on several machines gives the numbers of the code, and reckons right."""

import re
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")


def test_the_page_gives_the_numbers_of_the_code():
    from fiftyone_simfind import _cluster

    parts = (
        f"parts of {_cluster.SMALLEST_PART} to {_cluster.LARGEST_PART} images, at least {_cluster.PARTS_EACH} for every"
    )
    assert parts in PAGE
    assert f"up to {_cluster.CORES} cores" in PAGE
    assert _cluster.RETRIES == 3
    assert "up to three times" in PAGE


def test_the_page_says_how_to_install_what_it_takes():
    assert 'pip install "fiftyone-simfind[ray]"' in PAGE


def test_the_reckoned_rows_follow_from_the_cost_of_an_image():
    """0.25 ms of CPU and 16 KB an image, twice as much on the disk."""
    rows = re.findall(r"\| 100 .*?, (\d+) images/s each \| ([\d,]+) \| ([\d.]+) \| (\d+) \| (\d+) \|", PAGE)
    assert len(rows) == 3
    for each, *cells in rows:
        images, cores, network, disk = (float(cell.replace(",", "")) for cell in cells)
        assert images == 100 * int(each)
        assert abs(cores - images * 0.25e-3) <= 0.5
        assert (network, disk) == (images * 0.016, images * 0.032)
