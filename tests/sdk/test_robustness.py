import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind import _changes
from fiftyone_simfind.errors import ModelError, OptionError
from fiftyone_simfind.testing import FakeDetector, mean_color

BOXES = np.array([[0.1, 0.3, 0.2, 0.2], [0.5, 0.35, 0.2, 0.3], [0.75, 0.5, 0.15, 0.25]])


class Steadfast:
    """Knows an object by its colour and nothing else: a vector of its own for each of the colours below."""

    name = "steadfast"

    def embed(self, images, boxes):
        return [
            np.array([np.eye(9)[self.seen(image, box)] for box in of_image], np.float32).reshape(-1, 9)
            for image, of_image in zip(images, boxes, strict=True)
        ]

    def seen(self, image, box):
        if not np.isfinite(mean_color(image, box)).all():
            return 0
        return int(
            np.argmax([mean_color(image, box) @ (c / np.linalg.norm(c)) for c in PALETTE[:, ::-1].astype(float)])
        )


PALETTE = np.array(
    [
        [160, 20, 20],
        [20, 160, 20],
        [20, 20, 160],
        [160, 160, 20],
        [20, 160, 160],
        [160, 20, 160],
        [160, 80, 20],
        [20, 80, 160],
        [80, 20, 160],
    ],
    np.uint8,
)


@pytest.fixture
def colored(tmp_path):
    """Three images with three patches each, nine colours in all."""
    dataset = fo.Dataset()
    samples = []
    for number in range(3):
        canvas = np.full((100, 160, 3), 114, np.uint8)
        for (x, y, w, h), color in zip(BOXES, PALETTE[3 * number :], strict=False):
            canvas[round(100 * y) : round(100 * (y + h)), round(160 * x) : round(160 * (x + w))] = color
        Image.fromarray(canvas).save(path := tmp_path / f"{number}.png")
        detections = [fo.Detection(label="patch", bounding_box=box.tolist()) for box in BOXES]
        samples.append(fo.Sample(filepath=str(path), patches=fo.Detections(detections=detections)))
    dataset.add_samples(samples)
    yield dataset
    dataset.delete()


def test_a_vector_that_cannot_change_scores_one(colored):
    table = simfind.robustness(colored, "patches", model=Steadfast()).to_dataframe()
    assert table.change.tolist() == list(_changes.CHANGES)
    assert (table.objects >= 3).all()
    np.testing.assert_allclose(table.same, 1, atol=1e-6)
    np.testing.assert_allclose(table.nearest, 1, atol=1e-6)


def test_a_vector_that_knows_nothing_is_no_better_than_the_others(colored):
    class Blind:
        name = "blind"

        def embed(self, images, boxes):
            return [np.ones((len(of_image), 4), np.float32) for of_image in boxes]

    report = simfind.robustness(colored, "patches", model=Blind())
    for result in report.results:
        assert (result.same, result.other) == pytest.approx((1, 1))
        assert result.nearest == pytest.approx(1 / 9)


def test_colours_survive_everything_but_are_the_same_in_no_light(colored):
    report = simfind.robustness(colored, "patches", model=FakeDetector())
    by_name = {result.change: result for result in report.results}
    assert by_name["flip"].same == pytest.approx(1, abs=1e-4)
    assert by_name["brightness 1.5"].same < by_name["shift 8%"].same
    assert all(result.other < result.same for result in report.results)


def test_objects_that_leave_the_image_do_not_count(colored):
    report = simfind.robustness(colored, "patches", model=Steadfast(), changes=["scale 1.5", "flip", "shift 8%"])
    assert [result.objects for result in report.results] == [3, 9, 9]


def test_a_change_of_one_s_own_can_be_tried(colored):
    def swap_channels(image, boxes):
        return np.ascontiguousarray(image[..., ::-1]), boxes

    report = simfind.robustness(colored, "patches", model=Steadfast(), changes={"red for blue": swap_channels})
    assert [result.change for result in report.results] == ["red for blue"]
    assert report.results[0].nearest < 0.5


def test_a_change_after_which_nothing_is_left_has_no_numbers(colored):
    changes = {"away": _changes.shift(2, 2)}
    result = simfind.robustness(colored, "patches", model=Steadfast(), changes=changes).results[0]
    assert result.objects == 0
    assert np.isnan(result.same)


def test_fewer_objects_can_be_tried(colored):
    assert simfind.robustness(colored, "patches", model=Steadfast(), max_objects=5).objects == 5


def test_nothing_is_written_to_the_dataset(colored):
    before = [sample.to_dict() for sample in colored]
    simfind.robustness(colored, "patches", model=FakeDetector(), changes=["flip"])
    assert [sample.to_dict() for sample in colored] == before


def test_the_report_is_a_table_and_a_picture(colored, artifacts):
    report = simfind.robustness(colored, "patches", model=FakeDetector())
    lines = str(report).splitlines()
    assert lines[0].split() == ["change", "objects", "same", "object", "others", "nearest"]
    assert len(lines) == 1 + len(_changes.CHANGES) + 1
    assert lines[-1] == "9 objects, fake"
    figure = report.plot(artifacts / "robustness.png")
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == list(_changes.CHANGES)


def test_a_change_that_does_not_exist_is_named(colored):
    with pytest.raises(OptionError, match=r"changes=\['rain'\] must be some of \['shift 2%'"):
        simfind.robustness(colored, "patches", model=Steadfast(), changes=["rain"])


def test_one_object_cannot_be_compared(colored):
    with pytest.raises(ModelError, match='"steadfast" gave 1 objects a vector; at least two are needed'):
        simfind.robustness(colored, "patches", model=Steadfast(), max_objects=1)


def test_options_out_of_range_are_refused(colored):
    with pytest.raises(OptionError, match="max_objects=0 must be a whole number of at least 1"):
        simfind.robustness(colored, "patches", model=Steadfast(), max_objects=0)


@pytest.mark.parametrize("name", ["shift 2%", "shift 8%", "scale 0.5", "scale 0.75", "scale 1.5", "flip"])
def test_a_box_stays_on_its_object(name):
    image = np.full((120, 200, 3), 90, np.uint8)
    box = np.array([[0.45, 0.4, 0.2, 0.25]])
    image[48:78, 90:130] = (10, 200, 250)
    changed, boxes = _changes.CHANGES[name](image, box)
    assert changed.shape == image.shape
    x, y, w, h = (boxes[0] * [200, 120, 200, 120]).round().astype(int)
    inner = changed[y + 2 : y + h - 2, x + 2 : x + w - 2].astype(int)
    assert np.abs(inner - [10, 200, 250]).max() < 8
    painted = (np.abs(changed.astype(int) - [10, 200, 250]).max(axis=2) < 60).sum()
    assert painted == pytest.approx(w * h, rel=0.15)


@pytest.mark.parametrize("name", ["brightness 0.6", "brightness 1.5", "JPEG 30"])
def test_light_and_compression_leave_boxes_alone(name):
    image = np.random.default_rng(51).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    changed, boxes = _changes.CHANGES[name](image, BOXES)
    assert boxes is BOXES
    assert (changed.shape, changed.dtype) == (image.shape, np.uint8)
    assert (changed != image).any()


def test_a_jpeg_keeps_the_order_of_the_channels():
    image = np.full((32, 32, 3), (250, 10, 10), np.uint8)
    changed, _ = _changes.jpeg(95)(image, BOXES)
    assert np.abs(changed.astype(int) - image).max() < 12
