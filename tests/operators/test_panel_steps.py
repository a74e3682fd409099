"""What the tab "Set up" says of a dataset, line by line."""

import pytest

from fiftyone_simfind._overview import FieldOverview, IndexOverview, Overview, VectorsOverview, VisualizationOverview
from fiftyone_simfind._types import IndexStatus
from operators.panel import _steps


def overview(objects=7, unseen=0, vectors=7, impossible=0, index=None, mapped=False, next_step=None):
    made = [VectorsOverview("embedding", vectors, impossible, "yolo11n.pt", "yolo11n.pt")] if vectors else []
    field = FieldOverview("objects", objects, unseen, made, [], next_step)
    maps = [VisualizationOverview("simfind_umap", "umap", "objects", "simfind")] if mapped else []
    return Overview("shelf", 3, [field], [index] if index else [], maps)


def index(**changes):
    counts = dict.fromkeys(["new", "edited", "removed", "other_model", "not_indexed", "without_vector"], 0)
    status = IndexStatus("simfind", 7, 7, **{**counts, **changes})
    return IndexOverview("simfind", "objects", "embedding", "simfind", 7, not status.up_to_date, status)


def lines(seen):
    seen = seen.to_dict()
    return {line["name"]: line for line in _steps.lines(seen, next(iter(seen["fields"]), None))}


def test_images_alone_want_objects():
    found = lines(Overview("shelf", 1, [], [], []))
    assert [line["state"] for line in found.values()] == ["missing"] * 4
    assert found["objects"]["detail"] == "1 image"
    assert [name for name, line in found.items() if line["next"]] == ["objects"]


def test_images_that_were_not_looked_at_are_counted_and_come_first():
    line = lines(overview(unseen=2, next_step="detect"))["objects"]
    assert (line["state"], line["step"], line["next"]) == ("stale", "detect", True)
    assert line["detail"].endswith("2 were not looked at yet")


def test_boxes_without_vectors_want_them():
    found = lines(overview(vectors=0, next_step="embed"))
    assert (found["objects"]["state"], found["vectors"]["state"]) == ("done", "missing")
    assert found["vectors"]["next"]


def test_boxes_that_lack_vectors_are_counted_but_for_those_that_can_have_none():
    found = lines(overview(objects=9, vectors=5, impossible=1, next_step="embed"))
    assert found["vectors"]["state"] == "stale"
    assert found["vectors"]["detail"].endswith("3 boxes have none")
    assert lines(overview(objects=9, vectors=8, impossible=1))["vectors"]["state"] == "done"


def test_one_of_a_kind_is_counted_as_one():
    found = lines(overview(objects=1, unseen=1, vectors=0, index=index(), next_step="detect"))
    assert found["objects"]["title"] == "1 object"
    assert found["objects"]["detail"].endswith("1 was not looked at yet")
    assert lines(overview(objects=2, vectors=1))["vectors"]["title"] == "1 vector in “embedding”"
    assert lines(overview(objects=2, vectors=1))["vectors"]["detail"].endswith("1 box has none")


def test_vectors_want_an_index_before_a_map():
    found = lines(overview(next_step="build_index"))
    assert found["index"]["next"]
    assert found["map"]["step"] is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"edited": 2}, "2 edited"),
        ({"relabelled": 2}, "2 with another label"),
        ({"new": 1, "removed": 3}, "1 new, 3 removed"),
        ({"other_model": 4, "not_indexed": 5}, "4 of another model, 5 not in it"),
    ],
)
def test_a_stale_index_says_what_has_changed(changes, words):
    line = lines(overview(index=index(**changes), next_step="refresh"))["index"]
    assert (line["state"], line["detail"], line["step"], line["next"]) == ("stale", words, "refresh", True)


def test_when_all_is_there_nothing_stands_out():
    found = lines(overview(index=index(), mapped=True))
    assert {line["state"] for line in found.values()} == {"done"}
    assert not any(line["next"] for line in found.values())
    assert found["index"]["detail"] == "up to date"


def test_every_button_is_of_a_verb_that_the_tab_has_an_operator_for():
    from operators.panel.setup import OPERATORS

    every = [overview(vectors=0), overview(), overview(index=index(new=1)), overview(index=index(), mapped=True)]
    steps = {line["step"] for seen in every for line in lines(seen).values()} - {None}
    assert steps == set(OPERATORS)
