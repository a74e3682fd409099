"""The App on a dataset of groups: two cameras, of which the grid shows one at a time."""

import json

import fiftyone as fo
import fiftyone.core.view as fov
import pytest
from bson import json_util

import fiftyone_simfind as simfind


@pytest.fixture
def groups(scenes):
    """The showroom's scenes, without anything found, as groups of a left and a right one."""
    dataset = fo.Dataset()
    dataset.add_group_field("group", default="left")
    group = fo.Group()
    for path, side in zip(scenes.values("filepath")[:2], ("left", "right"), strict=True):
        dataset.add_sample(fo.Sample(filepath=path, group=group.element(side)))
    yield dataset
    dataset.delete()


def in_grid(panel):
    stages = json_util.loads(json.dumps(panel.asked("set_view")["view"]))
    return fov.DatasetView._build(panel.dataset, stages)


def test_objects_of_all_cameras_are_found_shown_and_searched(app, panel_of, groups):
    found = {"model": "showroom.pt", "label_field": "things"}
    assert app(groups, "detect_objects", found).error is None
    assert app(groups, "build_index", {"patches_field": "things"}).error is None
    images = simfind.images(groups)
    ids = images.values("things.detections.id", unwind=True)
    assert all(count > 0 for count in images.values(fo.ViewField("things.detections").length()))

    panel = panel_of(groups, "setup")
    panel.do("on_setup_choose")
    assert in_grid(panel).values("id") == ids

    panel.request |= {"view": in_grid(panel), "selected": ids[:1], "selected_samples": [{"id": ids[0]}]}
    panel.do("on_change_selected")
    panel.do("on_search")
    assert panel.found == simfind.search(groups, ids[0]).ids
    assert {match["sample_id"] for match in panel.state["search"]["found"]} == set(images.values("id"))
    panel.do("on_show_in_grid")
    assert in_grid(panel).values("id") == panel.found
    panel.do("on_show_all")
    assert in_grid(panel).values("id") == ids
