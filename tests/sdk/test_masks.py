"""Objects with instance masks: what lies inside is what is seen."""

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind import showroom
from fiftyone_simfind.models import load_embedder
from fiftyone_simfind.models.images import read
from fiftyone_simfind.numerics import masks as mk
from fiftyone_simfind.testing import FakeDetector

BOX = [0.5, 0.2, 0.4, 0.6]


class Shares(FakeDetector):
    """An object's vector is the share of its box that its mask covers, and 1; (1, 2) without a mask."""

    takes_masks = True

    def embed(self, images, boxes, masks=None):
        masks = masks or [None] * len(boxes)
        return [
            np.array([[1.0, 2.0] if m is None else [m.mean(), 1] for m in given or [None] * len(of)], np.float32)
            for of, given in zip(boxes, masks, strict=True)
        ]


def half(dtype=bool):
    mask = np.zeros((12, 20), dtype)
    mask[:6] = 1
    return mask


@pytest.fixture
def masked(photos, tmp_path):
    """Five photos with an object each: a mask, its file, a mask of numbers, none at all, and a file that is gone."""
    Image.fromarray(half(np.uint8) * 255).save(tmp_path / "mask.png")
    kinds = [
        {"mask": half()},
        {"mask_path": str(tmp_path / "mask.png")},
        {"mask": half(np.uint8)},
        {},
        {"mask_path": str(tmp_path / "gone.png")},
    ]
    for sample, mask in zip(photos, kinds, strict=True):
        sample["objects"] = fo.Detections(detections=[fo.Detection(label="thing", bounding_box=BOX, **mask)])
        sample.save()
    return photos


def vectors(dataset):
    return np.array(dataset.values("objects.detections.embedding", unwind=True))


def test_an_embedder_that_takes_masks_gets_them_from_the_object_or_its_file(masked):
    simfind.embed(masked, "objects", model=Shares())
    assert vectors(masked).tolist() == [[0.5, 1], [0.5, 1], [0.5, 1], [1, 2], [1, 2]]


def test_masks_stay_as_they_are(masked):
    simfind.embed(masked, "objects", model=Shares())
    np.testing.assert_array_equal(masked.first().objects.detections[0].mask, half())
    assert masked.values("objects.detections.mask_path", unwind=True)[3] is None


def test_an_embedder_that_does_not_take_masks_gets_none(masked):
    assert simfind.embed(masked, "objects", model=FakeDetector()).objects == 5


def test_more_images_than_are_read_at_a_time_keep_their_masks(masked, monkeypatch):
    monkeypatch.setattr(simfind._fields, "CHUNK_OF_MASKS", 2)
    simfind.embed(masked, "objects", model=Shares())
    assert vectors(masked)[:, 0].tolist() == [0.5, 0.5, 0.5, 1, 1]


def test_a_refresh_sees_the_masks_of_what_is_new_or_edited(masked):
    simfind.embed(masked.limit(1), "objects", model=Shares())
    simfind.build_index(masked, "objects")
    sample = masked.first()
    sample.objects.detections[0].bounding_box = [0.75, 0.2, 0.5, 0.6]
    sample.objects.detections[0].mask = half().T[:, :8]
    sample.save()
    simfind.refresh(masked, model=Shares())
    assert vectors(masked)[:, 0].tolist() == [pytest.approx(1), 0.5, 0.5, 1, 1]


def test_a_comparison_sees_masks(masked):
    seen = []

    class Noting(Shares):
        def embed(self, images, boxes, masks=None):
            seen.extend(masks or [])
            return super().embed(images, boxes, masks)

    simfind.compare(masked, "objects", models=[Noting()], exclude_same_image=False)
    assert sum(given is not None for given in seen) >= 3


def test_yolo_sees_what_is_inside_of_a_mask(masked):
    simfind.embed(masked, "objects", model=showroom.WEIGHTS, engine="torch")
    network = load_embedder(showroom.WEIGHTS)
    grid = mk.of_detection(half(), BOX)
    for path, vector, given in zip(masked.values("filepath"), vectors(masked), [grid] * 3 + [None] * 2, strict=True):
        (expected,) = network.embed([read(path)], [np.array([BOX])], [[given]])
        np.testing.assert_allclose(vector, expected[0], atol=1e-4)
    (of_box,) = network.embed([read(masked.first().filepath)], [np.array([BOX])])
    assert np.abs(vectors(masked)[0] - of_box[0]).max() > 0.001


def test_vectors_with_and_without_masks_are_of_one_model(masked):
    simfind.embed(masked, "objects", model=showroom.WEIGHTS)
    simfind.build_index(masked, "objects")
    status = simfind.status(masked)
    assert status.up_to_date
    assert (status.indexed, status.other_model) == (5, 0)


def test_an_explanation_shows_the_weights_inside_of_the_mask(masked):
    simfind.embed(masked, "objects", model=showroom.WEIGHTS)
    simfind.build_index(masked, "objects")
    ids = masked.values("objects.detections.id", unwind=True)
    results = simfind.search(masked, ids[3], k=4)
    found = results.explain(results.ids.index(ids[0]))
    assert found.weights.sum() == pytest.approx(1, abs=1e-5)
    assert found.weights[4:].sum() == pytest.approx(0, abs=1e-6)
