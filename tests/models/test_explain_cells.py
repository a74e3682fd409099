"""The cells of a box as objects of their own: what a heat map is made of."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from fiftyone_simfind import showroom
from fiftyone_simfind.models import load_embedder, roi
from fiftyone_simfind.models.images import read

BOX = [0.25, 0.25, 0.5, 0.5]
RED, GREEN = (40, 40, 210), (60, 160, 40)  # BGR


@pytest.fixture(scope="module")
def embedder():
    return load_embedder(showroom.WEIGHTS)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """An image, and the box of one of its objects."""
    ((path, objects),) = showroom.write(tmp_path_factory.mktemp("scene"), 1)
    return read(str(path)), list(objects[0].bounding_box)


def named(embedder, vectors, name):
    """One part of some vectors; of several runs of that name the last that an index turns."""
    part = [part for part in embedder.parts if part.name == name and part.whiten][-1]
    return vectors[..., part.start : part.stop]


def test_every_cell_has_a_vector_of_length_one(embedder, scene):
    cells, weights = embedder.describe_cells(*scene)
    assert cells.shape == (roi.BINS, roi.BINS, embedder.dim)
    assert cells.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(cells, axis=2), 1, atol=1e-5)
    assert weights.shape == (roi.BINS, roi.BINS)
    assert weights.min() > 0
    assert weights.sum() == pytest.approx(1, abs=1e-5)


def test_the_same_box_has_the_same_cells_again(embedder, scene):
    for first, second in zip(embedder.describe_cells(*scene), embedder.describe_cells(*scene), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", ["look", "shape", "kind"])
def test_a_box_is_a_mixture_of_its_cells(embedder, scene, name):
    """Each part of a box's vector is a sum of its cells' with no negative weight."""
    image, box = scene
    cells, _ = embedder.describe_cells(image, box)
    whole = embedder.embed([image], [np.array([box])])[0][0]
    part = named(embedder, whole, name)
    _, rest = nnls(named(embedder, cells, name).reshape(-1, len(part)).T, part)
    assert rest < 0.02 * np.linalg.norm(part)


def test_the_cells_of_a_plain_image_are_alike(embedder):
    plain = np.full((480, 640, 3), GREEN, np.uint8)
    cells, _ = embedder.describe_cells(plain, BOX)
    flat = cells.reshape(-1, embedder.dim)
    assert (flat @ flat.T).min() > 0.98
    look = named(embedder, flat, "look")
    unit = look / np.linalg.norm(look, axis=1, keepdims=True)
    np.testing.assert_allclose(unit @ unit.T, 1, atol=1e-5)


@pytest.mark.parametrize(("row", "column"), [(1, 1), (1, 5), (5, 2), (3, 3)])
def test_a_patch_is_found_in_the_cell_where_it_lies(embedder, row, column):
    """Its colours in that very cell, and all of it there or in a cell beside it: a late map looks far around."""
    image = np.full((560, 560, 3), GREEN, np.uint8)
    side = 40  # of a cell
    top, left = 140 + side * row, 140 + side * column
    image[top : top + side, left : left + side] = RED
    patch = np.array([[left, top, side, side]]) / 560
    query = embedder.embed([image], [patch])[0][0]
    cells, _ = embedder.describe_cells(image, BOX)
    look = named(embedder, cells, "look") @ named(embedder, query, "look")
    assert np.unravel_index(look.argmax(), look.shape) == (row, column)
    nearest = np.array(np.unravel_index((cells @ query).argmax(), look.shape))
    assert np.abs(nearest - [row, column]).max() <= 1


def test_cells_lie_on_what_is_inside_the_image(embedder, scene):
    image, _ = scene
    over, _ = embedder.describe_cells(image, [0.6, 0.5, 0.9, 0.9])
    clipped, _ = embedder.describe_cells(image, [0.6, 0.5, 0.4, 0.5])
    np.testing.assert_allclose(over, clipped, atol=1e-5)


def test_a_box_with_no_area_has_no_cells(embedder, scene):
    with pytest.raises(ValueError, match=r"box=\[0.5, 0.5, 0, 0.1\] has no area inside the image"):
        embedder.describe_cells(scene[0], [0.5, 0.5, 0, 0.1])


def test_cells_of_several_boxes_stay_with_their_boxes(embedder, scene):
    image, box = scene
    ((_, _, _, pool),) = embedder._passes([image, image[:, ::-1].copy()], pooling=roi.pool_cells)
    (first, _), (second, weights) = pool([np.array([BOX, box]), np.array([BOX])])
    assert (len(first), len(second), len(weights)) == (2, 1, 1)
    with torch.no_grad():
        alone, _ = embedder.describe_cells(image, box)
    assert ((first[1] * alone).sum(axis=2) > 0.999).all()
