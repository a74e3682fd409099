"""The long operators: from images alone to a search without a line of Python, now or on a queue."""

import threading

import pytest
from fiftyone.operators.delegated import DelegatedOperationService
from fo_e2e import wait_until
from playwright.sync_api import expect
from showrooms import FIELD, WEIGHTS

import fiftyone_simfind as simfind
from fiftyone_simfind.showroom.dataset import load

pytestmark = pytest.mark.app
SCENES = 12
SUMMARY = f"objects in {SCENES} images"


@pytest.fixture
def scenes(request):
    """A few showroom scenes with ground truth, in which nothing was searched for yet."""
    return load(SCENES, name=f"scenes-{abs(hash(request.node.name))}", persistent=True)


@pytest.fixture
def images(scenes):
    """Images and nothing else."""
    scenes.delete_sample_field("ground_truth")
    return scenes


@pytest.fixture
def queue():
    """FiftyOne's queue of delegated operations, empty."""
    service = DelegatedOperationService()
    for operation in service.list_operations():
        service.delete_operation(operation.id)
    return service


def vectors(dataset):
    dataset.reload()
    return dataset.count(f"{FIELD}.detections.embedding")


def fill_detect(ops):
    ops.browse("Simfind: detect objects")
    ops.fill("Model", WEIGHTS)
    ops.fill("Batch size", "1")


def test_from_images_to_a_search_without_python(app, images, visit, grid, ops, page, picture):
    visit(images)
    fill_detect(ops)
    picture("detect-form")
    ops.run()
    ops.wait_progress(99)
    picture("detect-progress")
    ops.finish(SUMMARY)
    page.locator(f"[data-cy=checkbox-{FIELD}]").first.wait_for()
    picture("detected")
    assert vectors(images) == images.count(f"{FIELD}.detections") > 0

    ops.browse("Simfind: build index")
    picture("build-index-form")
    ops.run()
    ops.finish("objects indexed")
    images.reload()
    assert images.list_brain_runs(type="similarity") == ["simfind"]

    ops.browse("Simfind: visualize objects")
    ops.choose("Method", "pca")
    picture("visualize-form")
    ops.run()
    ops.finish("points computed")
    images.reload()
    assert images.list_brain_runs(type="visualization") == ["simfind_pca"]

    grid.to_patches(FIELD)
    query = grid.ids()[0]
    grid.select(query)
    ops.button("sort_by_similarity")
    found = simfind.search(images, query).ids
    grid.wait_count(len(found))
    wait_until(lambda: app.view.values("id") == found, page)


def test_a_scheduled_detection_reports_progress_and_what_it_did(images, queue, visit, ops, page, picture, monkeypatch):
    visit(images)
    fill_detect(ops)
    ops.schedule()
    expect(ops.toast("Operation successfully scheduled")).to_be_visible()
    picture("scheduled")
    (operation,) = queue.list_operations()
    assert operation.run_state == "queued"
    reported = []

    def report(operation_id, progress):
        reported.append(progress.progress)
        return DelegatedOperationService.set_progress(queue, operation_id, progress)

    monkeypatch.setattr(queue, "set_progress", report)
    worker = threading.Thread(target=lambda: queue.execute_queued_operations(limit=1))
    worker.start()
    wait_until(lambda: not worker.is_alive(), page)
    done = queue.get(operation.id)
    assert done.run_state == "completed", done.result.error
    assert any(0 < progress < 1 for progress in reported)
    assert SUMMARY in done.result.result["summary"]
    assert vectors(images) > 0


@pytest.mark.parametrize(
    ("label", "cure"),
    [
        ("Simfind: embed objects", "Run “Simfind: detect objects” first"),
        ("Simfind: build index", "Run “Simfind: detect objects” or “Simfind: embed objects” first"),
        ("Simfind: visualize objects", "Run “Simfind: build index” first"),
        ("Simfind: sort by similarity", "Run “Simfind: build index” first"),
    ],
)
def test_a_form_that_lacks_something_says_what_to_run_first(images, visit, ops, picture, label, cure):
    visit(images)
    ops.browse(label)
    expect(ops.prompt).to_contain_text(cure)
    expect(ops.action()).to_be_disabled()
    picture(f"not-yet-{label.removeprefix('Simfind: ').replace(' ', '-')}")


def test_the_button_says_what_to_run_first(images, visit, ops, picture):
    visit(images)
    ops.button("sort_by_similarity")
    expect(ops.prompt).to_contain_text("Run “Simfind: build index” first")
    picture("button-without-index")


def test_detection_into_a_field_of_other_labels_is_refused_with_the_cure(scenes, visit, ops, picture):
    before = scenes.values("ground_truth.detections.id")
    visit(scenes)
    fill_detect(ops)
    ops.fill("Label field", "ground_truth")
    ops.run()
    message = "already holds labels that simfind.detect did not write. Choose another label_field"
    expect(ops.toast(message)).to_be_visible()
    expect(ops.progress).to_contain_text(message)
    picture("detect-refused")
    scenes.reload()
    assert scenes.values("ground_truth.detections.id") == before
    assert "ground_truth.detections.embedding" not in scenes.get_field_schema(flat=True)
