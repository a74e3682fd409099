"""The panel's tab "Map" without a browser: what it draws, and what it does when points are picked or drawn around."""

import base64
import json
import sys
from unittest.mock import ANY

import fiftyone.brain as fob
import fiftyone.core.view as fov
import numpy as np
import pytest
from bson import json_util

import fiftyone_simfind as simfind


@pytest.fixture
def mapped(indexed):
    simfind.visualize(indexed, method="pca")
    return indexed


@pytest.fixture
def panel(panel_of, mapped):
    return panel_of(mapped, "map")


def unpacked(packed):
    """Numbers as the browser reads them."""
    return np.frombuffer(base64.b64decode(packed["bdata"]), np.dtype(packed["dtype"]).newbyteorder("<"))


def token(panel):
    return panel.view("map_events")["shown"]


def in_grid(panel):
    """The ids of what the grid is to show."""
    stages = json_util.loads(json.dumps(panel.asked("set_view")["view"]))
    return fov.DatasetView._build(panel.dataset, stages).values("id")


def test_without_an_index_it_says_who_makes_one(panel_of, toys):
    assert "This dataset has no index of objects" in panel_of(toys, "map").words()


def test_without_a_map_a_click_has_one_made_quietly(panel_of, indexed):
    panel = panel_of(indexed, "map")
    assert "has no map yet" in panel.words()
    assert "map_plot" not in panel.shown
    panel.do("on_map_compute")
    assert asked(panel) == {
        "brain_key": "simfind",
        "method": "umap",
        "quiet": True,
        "start": ANY,
        "view_target": "DATASET",
        "viz_key": "simfind_umap",
    }


@pytest.fixture
def in_the_way(indexed):
    """A second field of objects, whose map has the name that the index's own would have."""
    indexed.clone_sample_field("objects", "truth")
    simfind.build_index(indexed, "truth", brain_key="of_truth")
    simfind.visualize(indexed, brain_key="of_truth", viz_key="simfind_umap", method="pca")
    return indexed


def asked(panel):
    """What the map is to be made of."""
    return panel.asked("@simfind/objects/visualize_objects")


def make(app, panel, params):
    """Have the map made that the panel asks for, as the browser does, but with PCA, which is quicker."""
    assert app(panel.dataset, "visualize_objects", {**params, "method": "pca"}).told("error") == []
    panel.do("on_map_made")


def test_a_map_whose_name_is_taken_gets_another_one_and_is_made_again_under_it(panel_of, app, in_the_way):
    panel = panel_of(in_the_way, "map")
    panel.state["map_options"] = {"brain_key": "simfind"}
    panel.do("on_map_compute")
    make(app, panel, asked(panel))
    assert token(panel).startswith("simfind_umap_objects ")
    panel.do("on_map_compute")
    assert asked(panel)["viz_key"] == "simfind_umap_objects"
    make(app, panel, asked(panel))
    assert simfind.map_points(in_the_way, brain_key="of_truth").viz_key == "simfind_umap"


def test_set_up_makes_the_map_under_another_name_where_the_usual_one_is_taken(panel_of, in_the_way):
    panel = panel_of(in_the_way, "setup")
    panel.do("on_setup_look")
    panel.state["run"] = {"field": "objects"}
    panel.do("on_setup_step", step="visualize")
    assert asked(panel)["viz_key"] == "simfind_umap_objects"


def test_a_map_that_was_asked_for_is_drawn_in_place_of_another_one(panel, app):
    panel.state["map_options"] = {"viz_key": "simfind_pca"}
    panel.do("on_map_compute")
    params = asked(panel)
    panel.do("on_map_made")  # something else has ended
    assert token(panel).startswith("simfind_pca ")
    make(app, panel, params)
    assert token(panel).startswith("simfind_umap ")
    assert panel.state["map_options"]["viz_key"] == "simfind_umap"


def test_of_several_maps_the_list_names_the_one_that_is_drawn(panel_of, mapped):
    points = np.zeros((8, 2))
    fob.compute_visualization(mapped, patches_field="objects", points=points, brain_key="by_hand", method="manual")
    panel = panel_of(mapped, "map")
    listed = panel.shown["map_options"]["type"]["properties"]["viz_key"]
    assert token(panel).startswith(f"{listed['default']} ")


def test_every_object_is_drawn_once_where_the_map_has_it_with_its_class(panel, mapped):
    shown = simfind.map_points(mapped)
    traces = panel.view("map_plot")["data"]
    rows = np.concatenate([unpacked(trace["customdata"]) for trace in traces])
    assert sorted(rows) == list(range(len(shown)))
    for trace in traces:
        rows = unpacked(trace["customdata"])
        np.testing.assert_allclose(np.column_stack([unpacked(trace["x"]), unpacked(trace["y"])]), shown.points[rows])
        assert trace["text"] == [shown.labels[row] or "(none)" for row in rows]
        assert len(set(trace["text"])) == 1
        assert trace["name"] == f"{trace['text'][0]} ({len(rows)})"


def test_drawing_around_points_shows_their_objects_in_the_order_of_the_dataset(panel, mapped):
    shown = simfind.map_points(mapped)
    panel.do("on_map_lasso", numbers=[5, 0, 3], shown=token(panel))
    wanted = set(shown.label_ids[[5, 0, 3]])
    assert in_grid(panel) == [i for i in mapped.values("objects.detections.id", unwind=True) if i in wanted]
    assert "3 in the grid" in panel.words()


@pytest.mark.parametrize(
    "view",
    [lambda all: all.to_patches("objects"), lambda all: all.to_patches("objects").limit(3), lambda all: all.limit(1)],
)
def test_clearing_shows_the_view_again_that_was_there_before(panel_of, mapped, view):
    before = view(mapped)
    panel = panel_of(mapped, "map", view=before)
    panel.do("on_map_lasso", numbers=[1, 2], shown=token(panel))
    panel.do("on_map_clear")
    assert in_grid(panel) == before.values("id")
    assert "2 in the grid" not in panel.words()


def test_clearing_where_there_was_no_view_shows_the_dataset(panel):
    panel.do("on_map_lasso", numbers=[1, 2], shown=token(panel))
    panel.do("on_map_clear")
    assert panel.asked("clear_view") is not None


@pytest.mark.parametrize("numbers", [[], [-1], [8], [10**12]])
def test_numbers_of_no_point_are_refused(panel, numbers):
    panel.do("on_map_lasso", numbers=numbers, shown=token(panel))
    assert panel.answer.told("warning") == ["The map has changed since it was drawn. Try again"]
    assert panel.asked("set_view") is None


@pytest.mark.parametrize(
    "params", [{}, {"numbers": "all"}, {"numbers": [None]}, {"numbers": [{"a": 1}]}, {"numbers": 3}]
)
def test_what_are_no_numbers_is_refused(panel, params):
    panel.do("on_map_lasso", shown=token(panel), **params)
    assert panel.answer.told("warning") == ["The map has changed since it was drawn. Try again"]


def test_points_of_a_map_that_is_no_longer_shown_are_refused(panel, mapped):
    before = token(panel)
    simfind.visualize(mapped.limit(3), viz_key="simfind_pca", method="pca", overwrite=True)
    panel.do("on_map_point", number=0, shown=before)
    assert panel.answer.told("warning") == ["The map has changed since it was drawn. Try again"]


def test_a_picked_point_is_searched_for_and_the_map_coloured_by_its_scores(panel, mapped):
    shown = simfind.map_points(mapped)
    panel.do("on_map_point", number=4, shown=token(panel))
    (item,) = panel.view("picked")["items"] if "items" in panel.view("picked") else [panel.state["map"]["picked"]]
    assert (item["id"], item["label"]) == (shown.label_ids[4], shown.labels[4])
    panel.do("on_map_search")
    assert panel.state["search"]["query"]["ids"] == [shown.label_ids[4]]
    assert [match["id"] for match in panel.state["search"]["found"]] == simfind.search(mapped, shown.label_ids[4]).ids
    scored = simfind.map_points(mapped, color_by="score", query=shown.label_ids[4])
    points, _, star = panel.view("map_plot")["data"]
    rows = unpacked(points["customdata"])
    np.testing.assert_allclose(unpacked(points["marker"]["color"]), scored.scores[rows], atol=6e-5)
    assert unpacked(star["customdata"]).tolist() == [4]


@pytest.mark.parametrize("button", ["on_map_compute", "on_map_search", "on_map_lasso", "on_map_point"])
def test_where_somebody_has_deleted_the_index_each_button_says_so(panel, mapped, button):
    panel.state["map"] = {"picked": {"id": "0" * 24}}
    simfind.delete_index(mapped)
    panel.do(button, number=1, numbers=[1], shown="")
    assert panel.answer.told("error") == ["This dataset has no index of objects. “Set up” makes one"]


def test_names_of_classes_are_text_and_no_markup(panel_of, indexed):
    sample = indexed.first()
    sample.objects.detections[0].label = "<img src=x onerror=alert(1)> %{x} <b>"
    sample.save()
    simfind.build_index(indexed, "objects", overwrite=True)
    simfind.visualize(indexed, method="pca")
    drawn = json.dumps(panel_of(indexed, "map").view("map_plot")["data"], ensure_ascii=False)
    assert "&lt;img" in drawn
    assert "<img" not in drawn
    assert "<b>" not in drawn


def test_of_many_objects_a_sample_is_drawn_and_it_says_so(panel, monkeypatch):
    (module,) = [known for name, known in sys.modules.items() if name.endswith(".operators.panel._mapped")]
    monkeypatch.setattr(module, "MAX_POINTS", 5)
    panel.do("on_map_options")
    assert "5 of 8 objects shown, chosen at random" in panel.words()


def test_a_map_that_lacks_new_objects_offers_to_be_made_again(panel_of, mapped):
    sample = mapped.first()
    sample.objects.detections.append(sample.objects.detections[0].copy())
    sample.save()
    simfind.refresh(mapped)
    panel = panel_of(mapped, "map")
    assert "1 object is newer than this map" in panel.words()
    assert "map_plot" in panel.shown


@pytest.mark.parametrize("color", ["label", "score"])
def test_the_map_is_drawn_without_a_photo_that_is_no_longer_kept(panel, color):
    gone = {"photo": "photo:" + "0" * 32, "candidate": 0, "label": "mug", "brain_key": "simfind"}
    panel.state |= {"search": {"query": gone}, "map_options": {"color_by": color}}
    panel.do("on_map_options")
    assert "map_plot" in panel.shown
    assert ("no_query" in panel.shown) == (color == "score")
