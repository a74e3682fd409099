"""Every code block of ``docs/photos.md`` is run, one after the other, as a reader would."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "photos.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_has_blocks_to_run():
    assert len(BLOCKS) == 6


def test_the_objects_of_the_photo_are_printed_and_last_the_whole(page):
    lines = re.findall(r"^\d+ (\w+) (\S+) \[.*\]$", page.printed, re.MULTILINE)
    assert len(lines) == len(page.names["candidates"]) >= 4
    assert lines[-1] == ("None", "None")


def test_the_matches_are_printed(page):
    assert len(re.findall(r"^0\.\d{3}  \w+  .*\.jpg$", page.printed, re.MULTILINE)) == 5
    assert float(page.names["results"].scores[0]) > 0.6


def test_the_pictures_are_made(page):
    assert (page.folder / "query.jpg").read_bytes().startswith(b"\xff\xd8")
    assert len(re.findall(r"bytes of JPEG$", page.printed, re.MULTILINE)) == 5


def test_what_is_refused_is_told(page):
    assert "the image is an SVG drawing, which can hold code" in page.printed
    assert '"127.0.0.1" is not on the public internet' in page.printed


def test_the_page_gives_the_numbers_of_the_code():
    from fiftyone_simfind import _fetch, _photos

    assert (_photos.MAX_BYTES / 2**20, _photos.MAX_PIXELS, _fetch.MAX_REDIRECTS) == (20, 50_000_000, 5)
    assert all(words in PAGE for words in ("20 MB", "50 million pixels", "five redirects", "10 seconds"))


def test_the_page_names_every_kind_of_image_that_is_read():
    from fiftyone_simfind import _photos

    for opener in _photos.OPENERS.values():
        kind = getattr(opener, "format", "JPEG")
        assert kind.lower() in PAGE.lower()


@pytest.mark.parametrize("backend", ["lancedb"])
def test_an_index_in_a_vector_database_will_do(page, backend, tmp_path):
    """As the page promises of every index."""
    pytest.importorskip(backend)
    simfind, dataset, photo = page.names["simfind"], page.names["dataset"], page.folder / page.names["photo"]
    simfind.build_index(dataset, "objects", brain_key="far", backend=backend, uri=str(tmp_path / "vectors"))
    candidates = simfind.detect_query(photo, samples=dataset, brain_key="far")
    assert candidates == page.names["candidates"]
    found = simfind.search(dataset, candidates[0], brain_key="far", scope="same_class", k=5)
    assert found.ids == page.names["results"].ids
    simfind.delete_index(dataset, brain_key="far")
