import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind import _trials
from fiftyone_simfind.errors import FieldError, ModelError, OptionError
from fiftyone_simfind.numerics import whitening
from fiftyone_simfind.numerics.parts import Part
from fiftyone_simfind.testing import FakeDetector

COLORS = {"red": (200, 40, 30), "green": (40, 190, 60), "blue": (30, 60, 210)}


class Blind:
    """Gives every box of an image the same vector, whatever it shows."""

    name = "blind"

    def embed(self, images, boxes):
        return [np.tile(np.float32([1, 0, 0, 0]), (len(of_image), 1)) for of_image in boxes]


class Picky(FakeDetector):
    """Has no vector for the first box of an image."""

    def embed(self, images, boxes):
        found = super().embed(images, boxes)
        for vectors in found:
            vectors[:1] = np.nan
        return found


@pytest.fixture
def colored(tmp_path):
    """Six images with a patch of each of three colours, never quite the same, in a changing order."""
    rng = np.random.default_rng(51)
    dataset = fo.Dataset()
    samples = []
    for number in range(6):
        canvas = np.zeros((40, 90, 3), np.uint8)
        names = rng.permutation(list(COLORS)).tolist()
        for place, name in enumerate(names):
            canvas[:, 30 * place : 30 * place + 30] = np.clip(COLORS[name] + rng.integers(-25, 25, 3), 0, 255)
        Image.fromarray(canvas).save(path := tmp_path / f"{number}.png")
        detections = [
            fo.Detection(label=name, bounding_box=[place / 3, 0, 1 / 3, 1], number=place)
            for place, name in enumerate(names)
        ]
        samples.append(fo.Sample(filepath=str(path), patches=fo.Detections(detections=detections)))
    dataset.add_samples(samples)
    yield dataset
    dataset.delete()


@pytest.fixture
def report(colored):
    return simfind.compare(colored, "patches", models=[FakeDetector(), Blind()])


def test_models_are_told_apart_by_what_they_find(report):
    table = report.to_dataframe().set_index("model")
    assert table.index.tolist() == ["fake", "blind"]
    assert table.loc["fake", "P@1"] == table.loc["fake", "P@5"] == table.loc["fake", "mAP@100"] == 1
    assert table.loc["blind", "P@1"] < 0.7
    assert table["dim"].tolist() == [3, 4]


def test_all_objects_are_searched_for(report):
    assert (report.objects, report.left_out, len(report.label_ids)) == (18, 0, 18)


def test_a_model_is_measured_as_its_index_would_be(colored, report):
    simfind.embed(colored, "patches", model=FakeDetector())
    simfind.build_index(colored, "patches")
    assert simfind.evaluate(colored, k=(1, 5)).means == pytest.approx(report.results[0].means)


def test_times_are_those_of_the_model_and_of_everything(report):
    for result in report.results:
        assert 0 < result.model_ms < result.ms


def test_nothing_is_written_to_the_dataset(colored, report):
    assert colored.get_field("patches.detections.embedding") is None
    assert colored.list_brain_runs() == []


def test_each_image_is_read_once_for_a_model_and_once_before(colored, monkeypatch):
    from fiftyone_simfind.models import images

    reads, read = [], images.read
    monkeypatch.setattr(images, "read", lambda path: reads.append(path) or read(path))
    simfind.compare(colored, "patches", models=[Blind()])
    assert len(reads) == 6 + 1


def test_stored_vectors_stand_beside_models_without_a_time(colored):
    simfind.embed(colored, "patches", model=FakeDetector(), embeddings_field="color")
    table = simfind.compare(colored, "patches", models=["field:color", FakeDetector()]).to_dataframe()
    assert table.model.tolist() == ["field:color", "fake"]
    assert table["P@5"].tolist() == [1, 1]
    assert np.isnan(table["ms/object"][0])
    assert table["ms/object"][1] > 0


def test_an_object_that_one_model_cannot_see_is_left_out_for_all(colored):
    report = simfind.compare(colored, "patches", models=[Picky(name="picky"), FakeDetector()])
    assert (report.objects, report.left_out) == (12, 6)
    first = set(colored.values("patches.detections[0].id"))
    assert not first & set(report.label_ids)


def test_an_image_that_cannot_be_read_is_named_and_left_out(colored):
    with open(colored.first().filepath, "wb") as file:
        file.write(b"no image")
    report = simfind.compare(colored, "patches", models=[FakeDetector()])
    assert (report.objects, report.left_out, list(report.failures)) == (15, 3, [colored.first().filepath])
    assert "1 images failed, the first is" in str(report)


def test_fewer_objects_come_from_whole_images_chosen_by_the_seed(colored):
    few = simfind.compare(colored, "patches", models=[Blind()], max_objects=7)
    again = simfind.compare(colored, "patches", models=[Blind()], max_objects=7)
    assert few.objects == 7
    assert few.label_ids.tolist() == again.label_ids.tolist()
    whole = [set(ids) <= set(few.label_ids) for ids in colored.values("patches.detections.id")]
    assert sum(whole) <= 2


def test_any_attribute_can_say_what_is_alike(colored):
    report = simfind.compare(colored, "patches", models=[FakeDetector()], label_attr="number", k=1)
    assert report.results[0].means["P@1"] < 1
    assert report.quality == ["P@1", "mAP@100"]


def test_a_view_is_a_world_of_its_own(colored):
    view = colored.filter_labels("patches", fo.ViewField("label") != "red")
    assert simfind.compare(view, "patches", models=[Blind()]).objects == 12


def test_models_can_be_given_names(colored):
    report = simfind.compare(colored, "patches", models={"one": FakeDetector(), "other": FakeDetector()})
    assert [result.model for result in report.results] == ["one", "other"]


def test_one_model_needs_no_list(colored):
    assert len(simfind.compare(colored, "patches", models=FakeDetector()).results) == 1


def test_vectors_are_whitened_as_in_an_index_unless_told_otherwise(colored):
    class Bright(FakeDetector):
        """Says nothing but "bright" in most of its vector, which all objects share."""

        def embed(self, images, boxes):
            return [vectors + np.float32([0, 0, 30]) for vectors in super().embed(images, boxes)]

    raw, white = (simfind.compare(colored, "patches", models=Bright(), whiten=w).results[0] for w in (False, True))
    assert white.means["mAP@100"] == pytest.approx(1)
    assert raw.means["mAP@100"] <= white.means["mAP@100"]


def test_the_parts_of_a_vector_are_whitened_each_on_its_own():
    class InParts(Blind):
        parts = [Part("colour", 0, 4), Part("shape", 4, 10)]

    vectors = np.random.default_rng(51).normal(size=(50, 10)).astype(np.float32)
    found, missing = _trials.as_indexed([vectors, np.full((1, 10), np.nan, np.float32)], InParts(), True)
    np.testing.assert_array_equal(found, whitening.fit(vectors, InParts.parts).apply(vectors))
    assert np.isnan(missing).all()


def test_each_query_is_kept_for_each_model(report):
    table = report.per_query("AP@100")
    assert table.columns.tolist() == ["fake", "blind"]
    assert table.index.tolist() == report.label_ids.tolist()
    assert table["blind"].mean() == pytest.approx(report.results[1].means["mAP@100"])


def test_two_models_of_one_name_are_refused(colored):
    with pytest.raises(OptionError, match='two models are called "fake"; give them names, as in models='):
        simfind.compare(colored, "patches", models=[FakeDetector(), FakeDetector()])


def test_no_model_is_refused(colored):
    with pytest.raises(OptionError, match=r"models=\[\] names no model; give at least one"):
        simfind.compare(colored, "patches", models=[])


def test_a_model_that_cannot_be_loaded_stops_all_before_any_has_begun(colored):
    first = FakeDetector()
    with pytest.raises(ModelError, match="is no model"):
        simfind.compare(colored, "patches", models=[first, object()])
    assert first.seen == 0


def test_stored_vectors_that_are_not_there_are_named_before_any_model_has_begun(colored):
    first = FakeDetector()
    with pytest.raises(FieldError, match='has an attribute "nothing"'):
        simfind.compare(colored, "patches", models=[first, "field:nothing"])
    with pytest.raises(FieldError, match='"patches.detections.label" holds .*, which is no vector'):
        simfind.compare(colored, "patches", models=[first, "field:label"])
    assert first.seen == 0


def test_a_model_that_sees_nothing_is_named(colored):
    for sample in colored:
        for detection in sample.patches.detections:
            detection.bounding_box = [2, 2, 1, 1]
        sample.save()
    with pytest.raises(ModelError, match='"fake" gave none of the 18 objects a vector'):
        simfind.compare(colored, "patches", models=[FakeDetector()])


def test_the_table_is_text_and_markdown(report):
    lines = str(report).splitlines()
    assert lines[0].split() == ["model", "dim", "P@1", "P@5", "mAP@100", "ms/object", "in", "the", "model"]
    assert lines[1].split()[:5] == ["fake", "3", "1.000", "1.000", "1.000"]
    assert lines[-1] == '18 queries among 18 objects by "label"'
    rows = report.to_markdown().splitlines()
    assert rows[1] == "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    assert rows[2].startswith("| fake | 3 | 1.000 |")


def test_the_picture_names_every_model(colored, report, artifacts):
    simfind.embed(colored, "patches", model=FakeDetector(), embeddings_field="color")
    several = {"small": FakeDetector(), "blind": Blind(), "field:color": "field:color"}
    figure = simfind.compare(colored, "patches", models=several).plot(artifacts / "compare.png")
    assert {text.get_text() for text in figure.axes[0].texts} == {"small", "blind", "field:color"}
    assert figure.axes[0].get_xscale() == "log"
