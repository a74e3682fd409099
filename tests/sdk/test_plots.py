import fiftyone as fo
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

import fiftyone_simfind as simfind
from fiftyone_simfind._plots import TILE_PIXELS, crop
from fiftyone_simfind._types import Match


def match_in(path, box):
    return Match(label_id="a", sample_id="b", filepath=str(path), label="x", bounding_box=box, score=0.5)


@pytest.fixture
def results(toys):
    simfind.build_index(toys, "objects")
    ids = toys.values("objects.detections.id", unwind=True)
    return [simfind.search(toys, ids[0], k=5), simfind.search(toys, ids[4], k=3)]


def titles(figure):
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


def test_a_row_shows_the_target_and_each_match_with_its_score(results):
    shown = titles(results[0].plot())
    assert shown[0] == "target: mug"
    assert shown[1:] == [f"{m.label or 'object'}  {m.score:.3f}" for m in results[0]]


def test_several_searches_make_several_rows(results):
    assert len(titles(simfind.plot_matches(results))) == 6 + 4


def test_rows_are_titled(results):
    figure = simfind.plot_matches(results, titles=["anywhere", "elsewhere"])
    assert [text.get_text() for axis in figure.axes for text in axis.texts] == ["anywhere", "elsewhere"]


def test_a_title_for_each_row_is_asked_for(results):
    with pytest.raises(simfind.OptionError, match=r"titles=\['anywhere'\] must be 2"):
        simfind.plot_matches(results, titles=["anywhere"])


def test_nothing_but_a_margin_is_left_around_what_is_drawn(results, tmp_path):
    simfind.plot_matches(results, tmp_path / "m.png", titles=["anywhere", "elsewhere"])
    table = pd.DataFrame(np.eye(3), index=list("abc"), columns=list("abc"))
    simfind.plot_correspondence(table, "what is found", tmp_path / "c.png")
    for name in ("m.png", "c.png"):
        with Image.open(tmp_path / name) as picture:
            inked = ImageOps.invert(picture.convert("L")).getbbox()
        left, top, right, bottom = inked[0], inked[1], picture.width - inked[2], picture.height - inked[3]
        assert min(left, top, right, bottom) > 0
        assert max(left, top, right, bottom) < 20


def test_the_picture_is_written(results, tmp_path):
    simfind.plot_matches(results, tmp_path / "m.png")
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.width > picture.height > 300


def test_a_search_by_vector_has_no_target(toys, results):
    assert not titles(simfind.search(toys, [1.0, 0.0], k=2).plot())[0].startswith("target")


def test_a_search_without_matches_can_be_plotted(toys, results):
    first = toys.first().objects.detections[0]
    assert titles(simfind.search(toys, first, classes=["none such"]).plot()) == ["target: mug"]


def test_a_crop_shows_the_object(tmp_path):
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[40:60, 100:140] = 255
    Image.fromarray(picture).save(tmp_path / "a.png")
    shown = np.asarray(crop(match_in(tmp_path / "a.png", [0.5, 0.4, 0.2, 0.2])))
    assert shown.shape == (TILE_PIXELS, TILE_PIXELS, 3)
    assert (shown[TILE_PIXELS // 2, TILE_PIXELS // 2] == 255).all()


def test_a_crop_follows_the_exif_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture = Image.new("RGB", (100, 100), "black")
    picture.paste("red", (0, 0, 50, 50))
    picture.save(tmp_path / "a.jpg", exif=exif)
    red = np.asarray(crop(match_in(tmp_path / "a.jpg", [0.6, 0.6, 0.3, 0.3])))[TILE_PIXELS // 2, TILE_PIXELS // 2]
    assert red[0] > 200
    assert red[1] < 60


@pytest.mark.parametrize("box", [[-0.5, -0.5, 3, 3], [0.99, 0.99, 0.2, 0.2], [0.5, 0.5, 0, 0], [1.4, 0.2, 0.3, 0.3]])
def test_any_box_can_be_cropped(tmp_path, box):
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    assert crop(match_in(tmp_path / "a.png", box)).size == (TILE_PIXELS, TILE_PIXELS)


def test_results_know_their_dataset_after_it_was_renamed(toys, results):
    toys.name = fo.core.dataset.make_unique_dataset_name("renamed")
    assert results[0].view().values("id") == results[0].ids
