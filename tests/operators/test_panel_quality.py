"""The panel's tab "Quality" without a browser: what it says of a report, and what it makes of clicks."""

import json
import sys
from unittest.mock import ANY

import fiftyone.core.view as fov
import numpy as np
import pytest
from bson import json_util

import fiftyone_simfind as simfind


@pytest.fixture
def measured(indexed, app):
    """The toys after an evaluation by the operator."""
    assert app(indexed, "evaluate_retrieval", {"brain_key": "simfind", "quiet": True}).error is None
    return indexed


@pytest.fixture
def panel(panel_of, measured):
    return panel_of(measured, "quality")


def test_numbers_heat_map_and_table_each_say_in_plain_words_how_to_read_them(panel_of, indexed, app):
    sample = indexed.first()
    sample.objects.detections[1].label = "the only one"
    sample.save()
    app(indexed, "evaluate_retrieval", {"brain_key": "simfind", "quiet": True})
    panel = panel_of(indexed, "quality")
    report = simfind.evaluate(indexed)
    wanted = (
        f"{report.queries} objects were searched for among {report.objects}, and right is what has the same “label”"
    )
    left_out = f"{report.without_relevant} object without another of the same to find left out"
    assert panel.view("means")["note"] == f"{wanted}; {left_out}; 1 object has no “label”"
    assert "A row is a class that was searched for: the shares of each class among its 10 nearest" in panel.words()
    assert "The numbers above, for the objects of one class alone" in panel.words()


def click(panel, report, asked, found):
    """Click the cell of two classes."""
    table = report.correspondence()
    number = list(table.index).index(asked) * len(table.columns) + list(table.columns).index(found)
    panel.do("on_quality_cell", number=number, shown=panel.view("quality_events")["shown"])


def test_without_an_index_it_says_who_makes_one(panel_of, toys):
    assert "This dataset has no index of objects" in panel_of(toys, "quality").words()


@pytest.mark.parametrize("button", ["measure", "cell", "grid", "open", "search", "table"])
def test_where_somebody_has_deleted_the_index_each_button_says_so(panel, measured, button):
    simfind.delete_index(measured)
    panel.do(f"on_quality_{button}", number=1, id="0" * 24, row=-1, column=0)
    assert panel.answer.told("error") == ["This dataset has no index of objects. “Set up” makes one"]


def test_unmeasured_it_says_so_and_measures_quietly_as_the_form_says(panel_of, indexed):
    panel = panel_of(indexed, "quality")
    assert "Not measured yet" in panel.words()
    panel.state["quality"] = {"label_attr": "label", "exclude_same_image": False}
    panel.do("on_quality_measure")
    wanted = {
        "brain_key": "simfind",
        "quiet": True,
        "start": ANY,
        "view_target": "DATASET",
        "exclude_same_image": False,
        "label_attr": "label",
    }
    assert panel.asked("@simfind/objects/evaluate_retrieval") == wanted


def test_the_numbers_are_those_of_an_evaluation(panel, measured):
    report = simfind.evaluate(measured)
    shown = {card["name"]: card["value"] for card in panel.view("means")["cards"]}
    assert shown == {name: f"{report.means[name]:.3f}" for name in shown}
    assert {"P@1", "P@5", "P@10", "recall@10", "mAP@100", "R-precision"} <= set(shown)
    assert all(card["about"].endswith(".") for card in panel.view("means")["cards"])
    lines = {line["class"]: line for line in panel.shown["classes_table"]["default"]}
    assert lines["mug"]["P@5"] == f"{report.per_class().loc['mug', 'P@5']:.3f}"
    heat = panel.view("quality_plot")["data"][0]
    np.testing.assert_allclose(heat["z"], report.correspondence().to_numpy(), atol=5.1e-4)


def test_a_cell_shows_its_pairs(panel, measured):
    report = simfind.evaluate(measured)
    click(panel, report, "mug", "vase")
    shown = [(pair["query"]["id"], pair["found"]["id"], pair["rank"]) for pair in panel.view("pairs")["pairs"]]
    assert shown == [(pair.query, pair.neighbor, pair.rank) for pair in report.pairs("mug", "vase")] != []


def test_the_pairs_go_into_the_grid_in_order(panel, measured):
    report = simfind.evaluate(measured)
    click(panel, report, "mug", "vase")
    panel.do("on_quality_grid")
    stages = json_util.loads(json.dumps(panel.asked("set_view")["view"]))
    wanted = dict.fromkeys(i for pair in report.pairs("mug", "vase") for i in (pair.query, pair.neighbor))
    assert fov.DatasetView._build(measured, stages).values("id") == list(wanted)


def test_an_object_of_a_pair_is_searched_for(panel, measured):
    report = simfind.evaluate(measured)
    click(panel, report, "mug", "vase")
    found = report.pairs("mug", "vase")[0].neighbor
    panel.do("on_quality_search", id=found)
    assert [match["id"] for match in panel.state["search"]["found"]] == simfind.search(measured, found).ids
    assert panel.state["tab"] == "search"


@pytest.mark.parametrize("number", [-1, 10**9, "a", None, 1.5])
def test_a_number_of_no_cell_is_refused(panel, number):
    panel.do("on_quality_cell", number=number, shown=panel.view("quality_events")["shown"])
    assert panel.answer.told("warning") == ["The report has changed since it was drawn. Try again"]


def test_a_cell_of_an_older_report_is_refused(panel, measured, app):
    before = panel.view("quality_events")["shown"]
    app(measured, "evaluate_retrieval", {"brain_key": "simfind", "quiet": True})
    panel.do("on_quality_cell", number=0, shown=before)
    assert panel.answer.told("warning") == ["The report has changed since it was drawn. Try again"]


def test_a_heading_sorts_the_table(panel, measured):
    by = simfind.evaluate(measured).per_class()["P@5"].sort_values()
    columns = [column["key"] for column in panel.view("classes_table")["columns"]]
    panel.do("on_quality_table", row=-1, column=columns.index("P@5"))
    assert [line["class"] for line in panel.shown["classes_table"]["default"]] == list(by.index)
    panel.do("on_quality_table", row=-1, column=columns.index("P@5"))
    assert [line["class"] for line in panel.shown["classes_table"]["default"]] == list(by.index)[::-1]


def test_a_table_without_the_column_that_it_was_sorted_by_is_sorted_by_class(panel, measured, app):
    columns = [column["key"] for column in panel.view("classes_table")["columns"]]
    panel.do("on_quality_table", row=-1, column=columns.index("P@5"))
    app(measured, "evaluate_retrieval", {"brain_key": "simfind", "k": "1, 3", "quiet": True})
    panel.do("on_quality_look")
    assert panel.view("classes_table")["columns"][0]["label"] == "class ▲"
    shown = [line["class"] for line in panel.shown["classes_table"]["default"]]
    assert shown == sorted(shown)
    panel.do("on_quality_table", row=-1, column=0)
    assert panel.view("classes_table")["columns"][0]["label"] == "class ▼"


def test_a_report_of_another_version_of_the_index_is_called_old(panel, panel_of, measured):
    assert "The index has changed" not in panel.words()
    sample = measured.first()
    del sample.objects.detections[0]
    sample.save()
    simfind.refresh(measured)
    assert "The index has changed since this was measured" in panel_of(measured, "quality").words()


def test_a_report_of_many_queries_is_kept_in_pieces(indexed, app, panel_of, monkeypatch):
    (module,) = [known for name, known in sys.modules.items() if name.endswith(".operators._reports")]
    monkeypatch.setattr(module, "PIECE", 100)
    app(indexed, "evaluate_retrieval", {"brain_key": "simfind", "quiet": True})
    assert panel_of(indexed, "quality").view("means")["cards"][0]["value"]


def test_names_of_classes_are_text_and_no_markup(panel_of, indexed, app):
    for sample in indexed:
        sample.objects.detections[0].label = "<img src=x onerror=alert(1)>"
        sample.save()
    simfind.build_index(indexed, "objects", overwrite=True)
    app(indexed, "evaluate_retrieval", {"brain_key": "simfind", "quiet": True})
    plot = panel_of(indexed, "quality").view("quality_plot")
    assert "&lt;img" in json.dumps(plot)
    assert "<img" not in json.dumps(plot)
