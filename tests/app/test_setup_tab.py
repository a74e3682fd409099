"""Setting a dataset up in the panel: from images to a search without a line of Python, and mending what has changed."""

import base64
import threading
import time
from contextlib import contextmanager

import pytest
from fiftyone.operators.delegated import DelegatedOperationService
from fo_e2e import Grid, Ops, wait_shown, wait_until
from panel import ObjectSearch
from playwright.sync_api import expect

import fiftyone_simfind as simfind
from fiftyone_simfind.models import images as files
from fiftyone_simfind.showroom.dataset import load

pytestmark = pytest.mark.app
OWN = "showroom.pt (demo, on this machine)"
SCENES = 12


@pytest.fixture
def images(request):
    """Images and nothing else."""
    dataset = load(SCENES, name=f"setup-{abs(hash(request.node.name))}", persistent=True)
    dataset.delete_sample_field("ground_truth")
    return dataset


@pytest.fixture
def ready(images):
    """Images with found objects and an index of them."""
    simfind.detect(images, model="showroom.pt", progress=False)
    simfind.build_index(images, "objects")
    return images


@pytest.fixture
def open_panel(visit, grid, page, ops):
    def open_panel(dataset):
        visit(dataset)
        grid.show_ids()
        return ObjectSearch(page, ops)

    return open_panel


def state_of(panel, step):
    return panel.content.locator(f"[data-cy=simfind-step-{step}]").get_attribute("data-state")


def wait_state(panel, step, state):
    wait_until(lambda: state_of(panel, step) == state, panel.page, f"{step} is not {state}")
    panel.ops.settle()


def etag(sample):
    """What the App says of the sample that it edits: when it was modified last."""
    modified = sample.last_modified_at.isoformat().encode()
    return f'"{base64.b64encode(modified).decode()}"'


@contextmanager
def another_browser(context, url):
    """A browser that knows nothing of the first one, at the same page."""
    other = context.browser.new_context(viewport={"width": 1920, "height": 1080})
    other.add_init_script("window.IS_PLAYWRIGHT = true")
    page = other.new_page()
    page.set_default_timeout(60_000)
    page.goto(url)
    page.wait_for_selector("[data-cy=fo-grid] canvas[canvas-loaded=true]")
    page.wait_for_timeout(2000)  # until the panels of the first browser are there, too
    yield page
    other.close()


def click(panel, name):
    """Press a button without waiting for what it does."""
    panel.content.get_by_role("button", name=name, exact=True).click()


def search(panel, grid, label_id):
    panel.tab("Search")
    grid.select(label_id)
    wait_until(lambda: panel.ids(panel.strip()) == [label_id], panel.page)
    panel.ops.settle()
    panel.press("Search")


def test_from_images_alone_to_a_search_with_one_button(app, images, open_panel, grid, picture):
    panel = open_panel(images)
    assert [state_of(panel, step) for step in ("objects", "vectors", "index", "map")] == ["missing"] * 4
    panel.choose("Model", OWN)
    picture("panel-setup-empty")
    click(panel, "Make objects searchable")
    expect(panel.content).to_contain_text("tarting, loading the model")
    panel.content.get_by_role("progressbar").wait_for()
    picture("panel-setup-progress")
    wait_state(panel, "index", "done")
    picture("panel-setup-done")
    images.reload()
    assert images.count("objects.detections.embedding") == images.count("objects.detections") > 0

    panel.press("Choose an object")
    expect(panel.content.get_by_role("tab", name="Search")).to_have_attribute("aria-selected", "true")
    grid.wait_count(images.count("objects.detections"))
    grid.show_ids()
    query = grid.ids()[0]
    grid.select(query)
    wait_until(lambda: panel.ids(panel.strip()) == [query], panel.page)
    panel.ops.settle()
    panel.press("Search")
    found = simfind.search(images, query).ids
    panel.wait_found(found)
    panel.press("Show in grid")
    wait_shown(app, grid, found)


def test_a_box_that_was_edited_in_the_app_is_told_of_and_mended(ready, open_panel, page, app, picture):
    """The App saves an edited box by a PATCH of its sample; so does this page."""
    panel = open_panel(ready)
    assert state_of(panel, "index") == "done"
    sample = ready.first()
    before = sample.objects.detections[0].embedding
    answer = page.request.patch(
        f"http://127.0.0.1:{app.server_port}/dataset/{ready._doc.id}/sample/{sample.id}",
        data=[{"op": "replace", "path": "/objects/detections/0/bounding_box", "value": [0.1, 0.2, 0.3, 0.4]}],
        headers={"Content-Type": "application/json-patch+json", "If-Match": etag(sample)},
    )
    assert answer.ok, answer.text()
    panel.press("Look again")
    wait_state(panel, "index", "stale")
    expect(panel.content).to_contain_text("1 edited")
    picture("panel-setup-stale")
    panel.press("Bring up to date")
    wait_state(panel, "index", "done")
    sample.reload()
    assert sample.objects.detections[0].bounding_box == [0.1, 0.2, 0.3, 0.4]
    assert (sample.objects.detections[0].embedding != before).any()
    assert simfind.status(ready).up_to_date


@pytest.fixture
def slow_disk(monkeypatch):
    """Images take their time in this process, so that somebody can look on."""
    read = files.read
    monkeypatch.setattr(files, "read", lambda path: time.sleep(1) or read(path))


def test_a_scheduled_step_shows_its_progress_and_is_seen_when_it_is_done(images, open_panel, page, picture, slow_disk):
    service = DelegatedOperationService()
    for operation in service.list_operations():
        service.delete_operation(operation.id)
    panel = open_panel(images)
    panel.choose("Model", OWN)
    panel.choose("When", "scheduled, for “fiftyone delegated launch”")
    click(panel, "Find objects")
    wait_until(lambda: [o.run_state for o in service.list_operations()] == ["queued"], page)
    worker = threading.Thread(target=lambda: service.execute_queued_operations(limit=1))
    worker.start()
    panel.content.get_by_role("progressbar").wait_for()
    picture("panel-setup-scheduled")
    wait_until(lambda: not worker.is_alive(), page)
    (done,) = service.list_operations()
    assert done.run_state == "completed", done.result.error
    wait_state(panel, "objects", "done")
    assert images.count("objects.detections") > 0


def test_what_is_cancelled_keeps_what_it_did_and_goes_on_later(open_panel, page, picture):
    images = load(80, name="setup-cancelled", persistent=True)
    images.delete_sample_field("ground_truth")
    panel = open_panel(images)
    panel.choose("Model", OWN)
    click(panel, "Find objects")
    expect(panel.content).to_contain_text("of 80 images")
    panel.content.get_by_role("button", name="Cancel").click()
    expect(panel.content).to_contain_text("running it again goes on from there")
    picture("panel-setup-cancelled")
    images.reload()
    before = images.values("objects.detections.id", unwind=True)
    assert 0 < len(images.exists("objects")) < len(images)
    page.reload()
    panel.ops.settle()
    panel.press("Make objects searchable")
    wait_state(panel, "index", "done")
    after = images.values("objects.detections.id", unwind=True)
    assert set(before) < set(after)


def test_a_step_that_never_begins_is_waited_for_no_longer_and_a_model_that_is_not_there_is_told_of(
    images, open_panel, page, picture
):
    panel = open_panel(images)
    panel.choose("Model", "yolo11x.pt (downloaded first)")
    page.route("**/operators/execute/generator", lambda route: route.fulfill(body=""))
    click(panel, "Make objects searchable")
    expect(panel.content.get_by_role("button", name="Working on it ...")).to_be_visible()
    expect(panel.content.get_by_role("button", name="Make objects searchable")).to_be_visible()
    page.unroute("**/operators/execute/generator")
    panel.press("Make objects searchable")
    expect(panel.content.locator("[role=alert]")).to_contain_text("cannot load")
    picture("panel-setup-failed")
    assert state_of(panel, "objects") == "missing"


def test_two_browsers_at_once_each_keep_what_they_found(showroom, patches, page, ops, grid, context, picture):
    first, second = grid.ids()[:2]
    panel = ObjectSearch(page, ops)
    search(panel, grid, first)
    found = simfind.search(showroom.dataset, first).ids
    panel.wait_found(found)
    with another_browser(context, page.url) as there:
        beside = Grid(there)
        other = ObjectSearch(there, Ops(there))
        beside.wait_count(patches)
        beside.show_ids()
        search(other, beside, second)
        other.wait_found(simfind.search(showroom.dataset, second).ids)
        panel.wait_found(found)
        picture("panel-two-browsers")
