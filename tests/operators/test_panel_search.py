"""The panel's tab "Search" without a browser: which search its results are of, what can be taken back, and the grid."""

import inspect
import json

import fiftyone.core.view as fov
import pytest
from bson import json_util

import fiftyone_simfind as simfind
from operators.panel import _options


@pytest.fixture
def panel(panel_of, indexed):
    return panel_of(indexed, "search")


@pytest.fixture
def objects(indexed):
    """The ids of the toys' objects."""
    return indexed.values("objects.detections.id", unwind=True)


def tick(panel, ids, unwanted=()):
    """Tick patches in the grid."""
    kinds = [{"id": i, "type": "alt" if i in unwanted else "default"} for i in (*ids, *unwanted)]
    panel.request["view"] = panel.dataset.to_patches("objects")
    panel.request |= {"selected": [item["id"] for item in kinds], "selected_samples": kinds}
    panel.do("on_change_selected")


def untick(panel):
    panel.request |= {"selected": [], "selected_samples": []}


def search(panel, *ids, unwanted=()):
    tick(panel, ids, unwanted)
    panel.do("on_search")
    untick(panel)


def with_panel(panel_id="panel"):
    """What a browser says of its layout, in which the panel is open."""
    opened = [{"_cls": "Panel", "component_id": panel_id, "type": "object_search"}]
    beside = [{"_cls": "Space", "children": [{"_cls": "Panel", "component_id": "1", "type": "Samples"}]}]
    return {"_cls": "Space", "children": [*beside, {"_cls": "Space", "children": opened}]}


def in_grid(panel):
    stages = json_util.loads(json.dumps(panel.asked("set_view")["view"]))
    return fov.DatasetView._build(panel.dataset, stages).values("id")


def history(panel):
    return panel.state["search"].get("history") or []


def test_the_heading_is_of_the_search_and_not_of_what_is_filled_in_since(panel, objects):
    search(panel, objects[0])
    panel.state["options"] = {"ticks": {"reverse": True}}
    panel.do("on_tab")
    assert "7 objects, most similar first" in panel.words()
    panel.do("on_search")
    assert "7 objects, least similar first" in panel.words()


def test_the_grid_and_the_export_show_what_was_found_and_not_what_is_filled_in_since(panel, indexed, objects):
    search(panel, objects[0])
    found = simfind.search(indexed, objects[0]).ids
    panel.state["options"] = {"first": {"k": 2}, "ticks": {"reverse": True}}
    panel.do("on_show_in_grid")
    assert in_grid(panel) == found
    panel.do("on_search_export")
    assert [row["label_id"] for row in panel.answer.results["rows"]] == found


def test_the_grid_and_the_export_show_what_is_on_the_screen_whatever_the_grid_shows_since(panel, indexed, objects):
    search(panel, objects[0])
    found = simfind.search(indexed, objects[0])
    panel.request["view"] = indexed.to_patches("objects").limit(2)
    panel.do("on_show_in_grid")
    assert in_grid(panel) == found.ids
    panel.do("on_search_export")
    assert panel.answer.results["rows"] == [match.to_dict() for match in found]


def test_what_is_shown_stays_when_its_index_is_made_anew_of_other_vectors(panel, indexed, objects):
    search(panel, objects[0])
    found = simfind.search(indexed, objects[0])
    for sample in indexed.iter_samples(autosave=True):
        for number, detection in enumerate(sample.objects.detections):
            detection.embedding = detection.embedding[::-1] * (-1) ** number
    simfind.refresh(indexed)
    assert simfind.search(indexed, objects[0]).scores != found.scores
    panel.do("on_show_in_grid")
    assert in_grid(panel) == found.ids
    panel.do("on_search_export")
    assert panel.answer.results["rows"] == [match.to_dict() for match in found]


def test_the_next_search_looks_through_the_view_that_was_searched_and_shown_in_the_grid(panel, indexed, objects):
    some = indexed.limit(2)
    inside = some.values("objects.detections.id", unwind=True)
    panel.request |= {"view": some, "selected_labels": [{"label_id": inside[0], "sample_id": "", "field": "objects"}]}
    panel.do("on_change_selected_labels")
    panel.do("on_search")
    panel.request |= {"view": None, "selected_labels": []}
    panel.do("on_show_in_grid")
    stages = json_util.loads(json.dumps(panel.asked("set_view")["view"]))
    panel.request["view"] = fov.DatasetView._build(panel.dataset, stages)
    assert set(panel.request["view"].values("id")) == set(inside[1:])
    panel.do("on_search_again", id=inside[1])
    assert set(panel.found) == set(inside) - {inside[1]}


def test_one_match_is_counted_as_one(panel, objects):
    panel.state["options"] = {"first": {"k": 1}}
    search(panel, objects[0])
    assert "1 object, most similar first" in panel.words()


def test_searching_again_for_the_same_is_no_new_entry_of_the_history(panel, objects):
    search(panel, objects[0])
    panel.do("on_search")
    panel.state["options"] = {"first": {"min_score": None, "emphasis": "none"}, "kinds": {"classes": []}}
    panel.do("on_search")
    search(panel, objects[0])
    assert history(panel) == []
    panel.state["options"] = {"first": {"k": 3}}
    panel.do("on_search")
    assert len(history(panel)) == 1


def test_back_fills_in_the_options_of_the_search_that_it_shows(panel, indexed, objects):
    panel.state["options"] = {"first": {"k": 3}}
    search(panel, objects[0])
    panel.state["options"] = {"first": {"k": 4}}
    panel.do("on_search_again", id=objects[1])
    panel.do("on_search_back")
    assert _options.options(panel.state["options"]) == {"k": 3}
    assert panel.state["options"]["kinds"]["scope"] == "all"
    assert panel.found == simfind.search(indexed, objects[0], k=3).ids


def test_each_object_of_the_query_has_a_cross_that_searches_without_it(panel, indexed, objects):
    search(panel, objects[0], objects[1], unwanted=[objects[2]])
    assert panel.view("query")["on_remove"].endswith("on_search_remove")
    panel.do("on_search_remove", id=objects[2])
    assert panel.found == simfind.search(indexed, objects[:2]).ids
    panel.do("on_search_remove", id=objects[1])
    assert panel.found == simfind.search(indexed, objects[0]).ids
    assert [item["id"] for item in panel.view("query")["items"]] == [objects[0]]


def test_without_its_last_object_nothing_is_searched_for_and_back_brings_it(panel, indexed, objects):
    search(panel, objects[0], unwanted=[objects[2]])
    found = panel.found
    panel.do("on_search_remove", id=objects[0])
    assert "query" not in panel.shown
    assert "found" not in panel.shown
    panel.do("on_search_back")
    assert panel.found == found


def test_a_cross_unticks_what_is_ticked_and_not_searched_for_yet(panel, objects):
    tick(panel, objects[:2], unwanted=[objects[2]])
    panel.do("on_search_remove", id=objects[0])
    assert [item["id"] for item in panel.view("query")["items"]] == objects[1:3]
    left = [{"id": objects[1], "type": "default"}, {"id": objects[2], "type": "alt"}]
    assert panel.asked("set_selected_samples") == {"samples": left}
    assert panel.state["search"].get("found") is None


def test_a_cross_unticks_what_was_clicked_in_an_opened_image(panel, indexed, objects):
    sample = indexed.first()
    clicked = [{"label_id": i, "sample_id": sample.id, "field": "objects"} for i in objects[:2]]
    panel.request["selected_labels"] = clicked
    panel.do("on_change_selected_labels")
    panel.do("on_search_remove", id=objects[0])
    assert panel.asked("set_selected_labels") == {"labels": clicked[1:]}


def test_with_nothing_left_but_what_is_not_wanted_it_says_so(panel, objects):
    tick(panel, objects[:1], unwanted=[objects[2]])
    panel.do("on_search_remove", id=objects[0])
    assert "All selected objects are marked as not wanted" in panel.view("problem")["label"]


def test_what_the_button_beside_the_grid_searched_for_is_shown(panel, app, indexed, objects):
    search(panel, objects[3])
    panel.state["options"] = {"first": {"k": 2}}
    patches = indexed.to_patches("objects")
    kinds = [{"id": objects[0], "type": "default"}, {"id": objects[2], "type": "alt"}]
    given = {"view": patches, "selected": [item["id"] for item in kinds], "selected_samples": kinds}
    given["spaces"] = with_panel()
    answer = app(indexed, "sort_by_similarity", {"k": 4, "reverse": True}, **given)
    assert answer.error is None
    panel.do("on_change_selected")  # the button clears the selection
    assert panel.found == simfind.search(indexed, objects[0], negatives=[objects[2]], k=4, reverse=True).ids
    assert _options.options(panel.state["options"]) == {"k": 4, "reverse": True}
    assert panel.state["options"]["kinds"]["scope"] == "all"
    assert [item["id"] for item in panel.view("query")["items"]] == [objects[0], objects[2]]
    panel.do("on_search_back")
    assert [item["id"] for item in panel.view("query")["items"]] == [objects[3]]
    panel.do("on_change_selected")
    assert panel.answer.requests == []


def press_button(app, dataset, label_id, panel_id="panel"):
    """Press the button beside the grid, in the browser where a panel is open."""
    patches = dataset.to_patches("objects")
    app(dataset, "sort_by_similarity", view=patches, selected=[label_id], spaces=with_panel(panel_id))


def test_what_a_button_searched_for_before_the_panel_was_opened_is_not_taken(panel_of, app, indexed, objects):
    press_button(app, indexed, objects[0])
    panel = panel_of(indexed, "search")
    panel.do("on_load")
    panel.do("on_change_selected")
    assert panel.answer.requests == []


def test_what_the_button_of_another_browser_searched_for_is_not_shown(panel, app, indexed, objects):
    press_button(app, indexed, objects[0], panel_id="of another browser")
    panel.do("on_change_selected")
    assert panel.answer.requests == []


@pytest.mark.parametrize("spaces", [None, [], "all", {"children": [None, 5, {"type": "object_search"}]}])
def test_a_button_searches_whatever_a_browser_says_of_its_layout(app, indexed, objects, spaces):
    patches = indexed.to_patches("objects")
    answer = app(indexed, "sort_by_similarity", view=patches, selected=objects[:1], spaces=spaces)
    assert answer.results["count"] == 7


def test_each_search_tells_the_browser_that_there_is_something_to_see(panel, objects):
    assert panel.view("tabs")["run"] is None
    search(panel, objects[0])
    first = panel.view("tabs")["run"]
    panel.do("on_tab", tab="search")
    assert panel.view("tabs")["run"] == first
    panel.do("on_search")
    assert panel.view("tabs")["run"] not in (None, first)


def test_the_form_has_a_place_for_every_option_and_reads_it_back():
    given = {"k": 3, "min_score": 0.5, "emphasis": "look", "scope": "same_class", "classes": ["mug"]}
    given |= {"one_per_image": True, "exclude_same_image": True, "reverse": True}
    assert _options.options(_options.filled(given)) == given
    assert {path.rpartition(".")[2] for path, _ in _options.fields()} == set(given)
    assert _options.filled({"rerank": "resnet50"}) is None


def test_the_form_is_not_filled_with_what_it_would_refuse():
    assert _options.filled({"k": 201}) is None
    assert _options.filled({"scope": "sideways"}) is None


def test_what_was_asked_and_the_form_would_refuse_is_not_shown_as_asked():
    assert _options.options({"first": {"k": 500, "min_score": 0.5}, "rerank": "resnet50"}) == {"min_score": 0.5}


def test_what_the_form_shows_first_is_what_a_search_does_without_options():
    assert _options.options(_options.filled({})) == {}
    known = inspect.signature(simfind.search).parameters
    shown = {path.rpartition(".")[2]: default for path, default in _options.fields()}
    assert shown.pop("emphasis") == "none"
    assert shown == {name: known[name].default for name in shown}
