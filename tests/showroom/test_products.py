"""The product photos: that they differ, recur with the seed, and are listed in a manifest that can be downloaded."""

import json
from pathlib import Path

import numpy as np
import pytest

import fiftyone_simfind as simfind
from fiftyone_simfind.showroom import catalogue, products
from fiftyone_simfind.showroom.products import photo, write_products

THINGS = catalogue(per_category=1)


def test_the_same_number_and_seed_give_the_same_pixels():
    assert np.array_equal(photo(THINGS[0], 3), photo(THINGS[0], 3))


@pytest.mark.parametrize("other", [{"number": 4}, {"seed": 7, "number": 3}])
def test_another_number_or_seed_gives_another_photo(other):
    assert not np.array_equal(photo(THINGS[0], 3), photo(THINGS[0], **other))


@pytest.mark.parametrize("identity", THINGS, ids=lambda identity: identity.category)
def test_a_product_is_whole_and_large_in_its_photos(identity, monkeypatch):
    monkeypatch.setattr(products, "light", lambda image, rng: image)  # so that each row of the wall has one colour
    for number in range(3):
        pixels = np.asarray(photo(identity, number, size=128), dtype=int)
        assert pixels.shape == (128, 128, 3)
        differs = np.abs(pixels - pixels[:, :1]).sum(axis=2) > 60
        rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
        assert max(np.ptp(rows), np.ptp(columns)) > 0.4 * 128
        assert rows[0] > 0
        assert columns[0] > 0
        assert max(rows[-1], columns[-1]) < 127


def test_photos_of_a_product_are_more_alike_than_those_of_others():
    """By their mean colour, which knows little: the photos are no copies, and still show the same thing."""
    pixels = np.array([[np.asarray(photo(thing, n, size=48)).mean(axis=(0, 1)) for n in range(4)] for thing in THINGS])
    within = np.linalg.norm(pixels - pixels.mean(axis=1, keepdims=True), axis=2).mean()
    between = np.linalg.norm(pixels.mean(axis=1) - pixels.mean(axis=(0, 1)), axis=1).mean()
    assert 0 < within < between * 2


def test_the_manifest_lists_every_photo(tmp_path):
    manifest = write_products(tmp_path, 2, identities=THINGS[:3], size=64)
    entries = json.loads(manifest.read_text())
    assert [entry["product"] for entry in entries] == [thing.name for thing in THINGS[:3] for _ in range(2)]
    assert len(list(tmp_path.glob("*.jpg"))) == 6
    assert all(entry["link"].startswith("https://example.com/products/") for entry in entries)


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    first, again = (write_products(tmp_path / name, 1, identities=THINGS[:2], size=64) for name in "ab")
    assert first.read_bytes() == again.read_bytes()


def test_the_manifest_can_be_downloaded(tmp_path):
    manifest = write_products(tmp_path / "shop", 2, identities=THINGS[:2], size=64)
    report = simfind.download_images(manifest, tmp_path / "photos", progress=False)
    assert (report.downloaded, report.failures) == (4, {})
    assert all(Path(path).suffix == ".jpg" for path in report.paths)
