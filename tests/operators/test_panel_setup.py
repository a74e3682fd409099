"""The panel's tab "Set up" without a browser."""

import json

import pytest
from fiftyone.operators.delegated import DelegatedOperationService

import fiftyone_simfind as simfind


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Puts weights where ultralytics looks for them: the working folder, or the folder in its settings; or PyTorch."""
    for name in ("TORCH_HOME", "YOLO_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def kept(path):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"weights_dir": str(tmp_path / "own")}) if path.endswith(".json") else "weights")

    return kept


def models(panel):
    """What the models are shown as, in their order."""
    return [choice["label"] for choice in panel.shown["run"]["type"]["properties"]["model"]["view"]["choices"]]


def test_each_model_is_said_to_be_here_or_to_be_downloaded_and_those_here_come_first(panel_of, photos, kept):
    panel = panel_of(photos, "setup")
    panel.do("on_setup_look")
    assert models(panel)[0] == "yolo11n.pt (downloaded first)"
    kept("work/yolo11s.pt")
    kept("YOLO_CONFIG_DIR/Ultralytics/settings.json")
    kept("own/yolo11l.pt")
    panel.do("on_setup_look")
    here = ["yolo11s.pt (on this machine)", "yolo11l.pt (on this machine)"]
    assert models(panel)[:3] == [*here, "yolo11n.pt (downloaded first)"]
    panel.do("on_setup_step", step="detect")
    assert panel.asked("@simfind/objects/detect_objects")["model"] == "yolo11s.pt"


def test_a_network_that_looks_at_crops_is_here_when_pytorch_has_it(panel_of, toys, kept):
    kept("TORCH_HOME/hub/checkpoints/vgg16_bn-6c64b313.pth")
    kept("TORCH_HOME/hub/checkpoints/resnet18-f37072fd.pth")
    kept("TORCH_HOME/hub/checkpoints/efficientnet_b0_rwightman-7f5810bc.pth")
    toys.delete_sample_field("objects.detections.embedding")
    panel = panel_of(toys, "setup")
    panel.do("on_setup_look")
    here = [words.partition(",")[0] for words in models(panel) if words.endswith("of crops (on this machine)")]
    assert here == ["efficientnet_b0", "resnet18"]


def test_forms_say_of_each_model_whether_it_is_here_too(form_of, indexed, kept):
    kept("work/yolo11s.pt")
    kept("TORCH_HOME/hub/checkpoints/resnet18-f37072fd.pth")
    listed = form_of(indexed, "embed_objects")["model"].view.choices
    here = [choice.value for choice in listed if choice.description == "on this machine"]
    assert here == ["yolo11s.pt", "showroom.pt", "resnet18"]
    assert {choice.description for choice in listed} == {"on this machine", "downloaded first"}


def test_what_was_started_is_said_to_start_until_another_tab_is_looked_at(panel_of, photos):
    panel = panel_of(photos, "setup")
    panel.do("on_setup_look")
    assert panel.view("jobs")["starting"] is None
    panel.do("on_setup_all")
    started = panel.asked("@simfind/objects/detect_objects")["start"]
    assert panel.view("jobs")["starting"] == {"operator": "detect_objects", "start": started}
    panel.do("on_tab", tab="setup")
    assert panel.view("jobs")["starting"] is None


@pytest.fixture
def photos(tmp_path):
    """Images and nothing else."""
    from fiftyone_simfind.showroom.dataset import load

    dataset = load(2, folder=tmp_path / "photos")
    dataset.delete_sample_field("ground_truth")
    yield dataset
    dataset.delete()


@pytest.fixture
def queue():
    """FiftyOne's queue of delegated operations, empty."""
    service = DelegatedOperationService()
    for operation in service.list_operations():
        service.delete_operation(operation.id)
    return service


def test_a_scheduled_step_is_put_on_the_queue(scenes, panel_of, queue):
    panel = panel_of(scenes, "setup")
    panel.do("on_setup_look")
    panel.state.setdefault("run", {})["when"] = "scheduled"
    panel.do("on_setup_step", step="visualize")
    assert panel.answer.told("error") == []
    (operation,) = queue.list_operations()
    assert operation.operator.endswith("visualize_objects")


def test_a_scheduled_step_may_load_no_more_than_a_form(scenes, panel_of, queue, tmp_path):
    weights = tmp_path / "mine.pt"
    weights.write_bytes(b"anything")
    panel = panel_of(scenes, "setup")
    panel.state["run"] = {"field": "objects", "when": "scheduled", "model": str(weights)}
    panel.do("on_setup_step", step="embed")
    queue.execute_queued_operations(limit=1)
    (operation,) = queue.list_operations()
    assert operation.run_state == "failed"
    assert "no model that is known by name" in operation.result.error


@pytest.fixture
def second(indexed, panel_of):
    """The tab with a second field of objects with vectors chosen, where the first has an index."""
    indexed.clone_sample_field("objects", "truth")
    panel = panel_of(indexed, "setup")
    panel.do("on_setup_look")
    panel.state["run"] = {"field": "truth"}
    panel.do("on_setup_field")
    return panel


def buttons(panel):
    return set(panel.shown["buttons"]["type"]["properties"])


def test_the_index_and_the_map_of_a_second_field_are_its_own(second, app):
    second.do("on_setup_all")
    asked = second.asked("@simfind/objects/build_index")
    assert (asked["patches_field"], asked["brain_key"]) == ("truth", "simfind_truth")
    assert app(second.dataset, "build_index", asked).told("error") == []
    second.do("on_setup_done")
    second.do("on_setup_step", step="visualize")
    assert second.asked("@simfind/objects/visualize_objects")["brain_key"] == "simfind_truth"


def test_a_new_index_takes_no_name_of_another_one(second):
    simfind.build_index(second.dataset, "objects", brain_key="simfind_truth")
    second.do("on_setup_all")
    assert second.asked("@simfind/objects/build_index")["brain_key"] == "simfind_truth_2"


def test_a_step_that_is_refused_is_not_waited_for(panel_of, photos):
    panel = panel_of(photos, "setup")
    panel.do("on_setup_look")
    panel.state["run"] = {"model": "nowhere.pt"}
    panel.do("on_setup_all")
    (told,) = panel.answer.told("error")
    assert "no model that is known by name" in told
    assert "all" in buttons(panel)


def test_a_step_is_waited_for_no_longer_when_nothing_was_heard_of_it(panel_of, toys):
    panel = panel_of(toys, "setup")
    panel.do("on_setup_look")
    panel.do("on_setup_all")
    assert "wait" in buttons(panel)
    assert panel.view("jobs")["on_late"].endswith("on_setup_return")
    panel.do("on_setup_return")
    assert "all" in buttons(panel)


def test_a_step_is_waited_for_when_it_began_at_the_last_moment(panel_of, toys, note):
    panel = panel_of(toys, "setup")
    panel.do("on_setup_look")
    panel.do("on_setup_all")
    note(toys, "build_index", start=panel.asked("@simfind/objects/build_index")["start"])
    panel.do("on_setup_return")
    assert "wait" in buttons(panel)


def test_a_step_that_is_under_way_already_is_refused_at_once(panel_of, photos, note):
    panel = panel_of(photos, "setup")
    panel.do("on_setup_look")
    note(photos, "detect_objects")
    panel.do("on_setup_all")
    (told,) = panel.answer.told("error")
    assert told.startswith("Detecting objects is already under way on this dataset: 3 of 10 images.")
    assert "all" in buttons(panel)


def test_the_next_step_is_taken_when_the_own_job_has_ended_and_not_another_one(panel_of, photos, app, note):
    panel = panel_of(photos, "setup")
    panel.do("on_setup_look")
    panel.state["run"] = {"model": "showroom.pt"}
    panel.do("on_setup_all")
    asked = panel.asked("@simfind/objects/detect_objects")
    for operator in ("detect_objects", "compute_neighbors"):  # somebody else's
        note(photos, operator, state="done", start="of somebody else")
        panel.do("on_setup_done")
        assert panel.asked("@simfind/objects/build_index") is None
        assert "wait" in buttons(panel)
    assert app(photos, "detect_objects", asked).told("error") == []
    panel.do("on_setup_done")
    assert panel.asked("@simfind/objects/build_index")["patches_field"] == "objects"
    assert "wait" in buttons(panel)


def test_the_rest_of_the_boxes_get_vectors_of_the_model_that_made_the_others(panel_of, scenes):
    sample = scenes.first()
    sample.objects.detections.append(sample.objects.detections[0].copy())
    sample.objects.detections[-1].embedding = None
    sample.save()
    simfind.delete_index(scenes)
    panel = panel_of(scenes, "setup")
    panel.do("on_setup_look")
    panel.state["run"] = {"field": "objects", "model": "yolo11s.pt"}  # which was chosen for something else
    panel.do("on_setup_field")
    assert "model" not in panel.shown["run"]["type"]["properties"]
    panel.do("on_setup_step", step="embed")
    assert panel.answer.told("error") == []
    asked = panel.asked("@simfind/objects/embed_objects")
    assert (asked["model"], asked["embeddings_field"]) == ("showroom.pt", "embedding")


@pytest.mark.parametrize("when", ["now", "scheduled"])
def test_the_ticked_images_are_looked_at_only_when_there_are_any(panel_of, photos, queue, when):
    panel = panel_of(photos, "setup")
    panel.do("on_setup_look")
    panel.state["run"] = {"target": "SELECTED_SAMPLES", "when": when}
    panel.do("on_setup_all")
    (told,) = panel.answer.told("error")
    assert told.startswith("No image is ticked")
    assert panel.asked("@simfind/objects/detect_objects") is None
    assert queue.list_operations() == []
    assert "all" in buttons(panel)
    panel.request["selected"] = [photos.first().id]
    panel.do("on_setup_all")
    assert panel.answer.told("error") == []
    assert "wait" in buttons(panel)
