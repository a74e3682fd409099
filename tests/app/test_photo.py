"""Searching with a photo of the user's own in the panel; what is found is compared with the SDK's results."""

import base64
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest
from fo_e2e import wait_shown, wait_until
from panel import ObjectSearch
from PIL import Image
from playwright.sync_api import expect

import fiftyone_simfind as simfind
from fiftyone_simfind.showroom.scenes import compose

pytestmark = pytest.mark.app

GIVE = """([content, event, name]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, { type: "image/png" }));
  const [on, made] = event === "paste"
    ? [document.body, new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData: carried })]
    : [document.querySelector("[data-cy=simfind-drop]"),
       new DragEvent("drop", { bubbles: true, dataTransfer: carried })];
  on.dispatchEvent(made);
}"""


class PhotoTab(ObjectSearch):
    """The panel's tab "Photo"."""

    def __init__(self, page, ops):
        super().__init__(page, ops)
        self.tab("Photo")
        self.part = self.content.locator("[data-cy=simfind-photo]")
        self.boxes = self.part.locator("[data-cy=simfind-box]")
        self.lines = self.part.locator("[data-cy=simfind-candidate]")

    def give(self, content, name="photo.png", kind="image/png"):
        """Choose a file, and wait until it was looked at."""
        file = {"name": name, "mimeType": kind, "buffer": content}
        self.part.locator("input[type=file]").set_input_files(file)
        self.wait()

    def hand_over(self, content, event, name="photo.png"):
        """Paste a file, or drop it."""
        self.page.evaluate(GIVE, [base64.b64encode(content).decode(), event, name])
        self.wait()

    def wait(self):
        self.page.wait_for_timeout(300)
        expect(self.part).to_have_attribute("aria-busy", "false")
        self.ops.settle()

    def pick(self, number):
        self.lines.nth(number).click()
        self.wait()

    def search(self):
        self.content.get_by_role("button", name=re.compile("Search$")).click()  # and not "Search for this one"
        self.wait()

    def wait_found(self, ids, strip=0):
        """Wait until the results are these objects, each with its picture."""
        found = self.strip(strip)
        wait_until(lambda: self.ids(found) == ids, self.page, f"the panel does not show {ids}")
        wait_until(lambda: found.locator("img").count() == len(ids), self.page, "pictures are missing")

    def expect_problem(self, words):
        expect(self.part.get_by_role("alert")).to_contain_text(words)


@pytest.fixture
def panel(app, showroom, visit, page, grid, ops):
    """The panel beside the images, with its tab "Photo"."""
    visit(showroom.dataset)
    return PhotoTab(page, ops)


def encoded(picture, kind="PNG"):
    file = BytesIO()
    picture.save(file, kind)
    return file.getvalue()


@pytest.fixture(scope="module")
def photo():
    """The file of a scene that is in no dataset."""
    return encoded(compose(9001).image)


@pytest.fixture(scope="module")
def candidates(showroom, photo):
    """What can be searched for in it."""
    return simfind.detect_query(photo, samples=showroom.dataset)


def test_the_second_object_of_an_uploaded_photo_is_searched_for(app, showroom, panel, grid, photo, candidates, picture):
    panel.give(photo)
    expect(panel.boxes).to_have_count(len(candidates) - 1)
    expect(panel.lines.nth(1)).to_contain_text(candidates[1].label)
    picture("panel-photo-boxes")
    panel.pick(1)
    found = simfind.search(showroom.dataset, candidates[1])
    panel.wait_found(found.ids)
    expect(panel.lines.nth(1)).to_have_attribute("aria-pressed", "true")
    picture("panel-photo")
    grid.show_ids()
    panel.press("Show in grid")
    wait_shown(app, grid, found.ids)


def test_a_box_in_the_photo_is_picked_with_a_click_and_another_one_with_the_keyboard(
    showroom, panel, photo, candidates
):
    panel.give(photo)
    panel.boxes.nth(0).click()
    panel.wait()
    panel.wait_found(simfind.search(showroom.dataset, candidates[0]).ids)
    panel.boxes.nth(2).focus()
    panel.page.keyboard.press("Enter")
    panel.wait()
    panel.wait_found(simfind.search(showroom.dataset, candidates[2]).ids)


def test_the_boxes_lie_where_the_objects_are(panel, photo, candidates):
    panel.give(photo)
    whole = panel.part.get_by_alt_text("The photo").bounding_box()
    for box, candidate in zip(panel.boxes.all(), candidates[:-1], strict=True):
        drawn, (x, y, width, height) = box.bounding_box(), candidate.bounding_box
        assert drawn["x"] == pytest.approx(whole["x"] + x * whole["width"], abs=2)
        assert drawn["y"] == pytest.approx(whole["y"] + y * whole["height"], abs=2)
        assert drawn["width"] == pytest.approx(width * whole["width"], abs=2)
        assert drawn["height"] == pytest.approx(height * whole["height"], abs=2)


def test_the_whole_photo_is_searched_for(showroom, panel, photo, candidates):
    panel.give(photo)
    panel.part.get_by_role("button", name="Whole photo").click()
    panel.wait()
    panel.wait_found(simfind.search(showroom.dataset, candidates[-1]).ids)


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_a_photo_can_be_pasted_or_dropped(showroom, panel, photo, candidates, event):
    panel.hand_over(photo, event)
    panel.pick(0)
    panel.wait_found(simfind.search(showroom.dataset, candidates[0]).ids)


def test_options_are_those_of_the_search(showroom, panel, photo, candidates):
    panel.give(photo)
    panel.fill("Matches", "7")
    panel.choose("Class of the matches", "the same as the query")
    panel.pick(1)
    panel.wait_found(simfind.search(showroom.dataset, candidates[1], k=7, scope="same_class").ids)
    panel.fill("Matches", "3")
    panel.search()
    panel.wait_found(simfind.search(showroom.dataset, candidates[1], k=3, scope="same_class").ids)
    panel.part.get_by_role("button", name="Whole photo").click()
    expect(panel.ops.toast("The whole photo has no class")).to_be_visible()


def test_a_match_is_searched_for_in_turn_and_back_shows_the_photos_matches(showroom, panel, photo, candidates, picture):
    panel.give(photo)
    panel.pick(1)
    first = simfind.search(showroom.dataset, candidates[1])
    panel.wait_found(first.ids)
    panel.strip().get_by_role("button", name="More like this").nth(4).click()
    more = simfind.search(showroom.dataset, [first.ids[4], candidates[1]])
    panel.wait_found(more.ids, strip=1)
    expect(panel.strip(0).locator("img")).to_have_count(2)  # that of the photo, and that of the match
    picture("panel-photo-more")
    panel.strip(1).get_by_role("button", name="Search for this one").nth(2).click()
    panel.wait_found(simfind.search(showroom.dataset, more.ids[2]).ids, strip=1)
    assert panel.ids(panel.strip()) == [more.ids[2]]
    panel.press("Back")
    panel.wait_found(more.ids, strip=1)


def test_nothing_is_added_to_the_dataset(showroom, panel, photo):
    def size():
        showroom.dataset.reload()
        paths = showroom.dataset.values("filepath")
        labels = showroom.dataset.count(f"{showroom.field}.detections")
        return paths, labels, list(showroom.dataset.get_field_schema(flat=True)), showroom.dataset.list_brain_runs()

    before = size()
    panel.give(photo)
    panel.pick(1)
    assert size() == before


def test_after_a_reload_the_photo_is_still_there_and_can_be_searched_again(showroom, panel, photo, candidates, page):
    panel.give(photo)
    panel.pick(1)
    panel.wait_found(simfind.search(showroom.dataset, candidates[1]).ids)
    page.wait_for_timeout(1000)  # the server is told the panel's state a moment later
    page.reload()
    panel.content.wait_for()
    panel.ops.settle()
    panel.wait_found(simfind.search(showroom.dataset, candidates[1]).ids)
    panel.pick(0)
    panel.wait_found(simfind.search(showroom.dataset, candidates[0]).ids)


def test_a_photo_that_is_no_longer_kept_is_asked_for_again(showroom, panel, photo):
    from fiftyone.operators.store import ExecutionStore

    panel.give(photo)
    store = ExecutionStore.create("simfind", showroom.dataset._doc.id)
    kept = [key for key in store.list_keys() if key.startswith("photo:")]
    assert kept
    for key in kept:
        assert store.get_metadata(key)["expires_at"] is not None
        store.delete(key)
    panel.pick(1)
    expect(panel.ops.toast("This photo is no longer kept. Give it again")).to_be_visible()


def test_work_on_a_photo_is_shown(panel, photo, page):
    with page.expect_request(lambda request: "on_photo_given" in (request.post_data or "")):
        file = {"name": "photo.png", "mimeType": "image/png", "buffer": photo}
        panel.part.locator("input[type=file]").set_input_files(file)
    expect(panel.part.get_by_role("status")).to_contain_text("Finding the objects in the photo")
    expect(panel.part.get_by_role("progressbar")).to_be_visible()
    panel.wait()
    expect(panel.part.get_by_role("progressbar")).to_have_count(0)


def test_a_large_photo_is_scaled_down_before_it_is_sent(panel, page, picture):
    large = compose(9001).image.resize((4000, 3000))
    with page.expect_request(lambda request: "on_photo_given" in (request.post_data or "")) as sent:
        panel.give(encoded(large, "JPEG"), "large.jpg", "image/jpeg")
    content = sent.value.post_data_json["params"]["content"]
    assert Image.open(BytesIO(base64.b64decode(content.partition(",")[2]))).size == (2048, 1536)
    expect(panel.part).to_contain_text("Scaled down from 4,000 x 3,000 to 2,048 x 1,536 pixels")
    expect(panel.boxes).not_to_have_count(0)
    picture("panel-photo-scaled")


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "empty.png", "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "broken.png", "give a JPEG, PNG"),
        (encoded(compose(9001).image)[:5000], "cut.png", "cut off or broken"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "drawing.svg", "SVG"),
        (b"<!doctype html><img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>.png", "a web page"),
    ],
    ids=["empty", "broken", "cut off", "SVG", "HTML"],
)
def test_a_file_that_is_no_photo_is_refused_in_words(panel, photo, content, name, words):
    panel.give(content, name, "application/octet-stream")
    panel.expect_problem(words)
    expect(panel.part).not_to_contain_text("Traceback")
    panel.give(photo)
    expect(panel.part.get_by_role("alert")).to_have_count(0)
    expect(panel.boxes).not_to_have_count(0)


def test_a_file_that_is_too_large_and_no_photo_is_not_even_sent(panel, settings, page):
    settings(max_upload_mb=0.5)
    panel.tab("Search")
    panel.tab("Photo")
    asked = []
    page.on("request", lambda request: asked.append(request.post_data or ""))
    panel.give(bytes(2**20), "zeros.tiff", "image/tiff")
    panel.expect_problem("“zeros.tiff” has 1 MB, and 0.5 MB are allowed")
    assert not [data for data in asked if "on_photo_given" in data]


def test_a_photo_without_objects_can_be_searched_for_as_a_whole(showroom, panel, picture):
    blank = encoded(Image.new("RGB", (320, 240), "white"))
    panel.give(blank)
    expect(panel.part).to_contain_text("found no object in this photo. Search for the whole photo")
    picture("panel-photo-no-object")
    panel.pick(0)
    (whole,) = simfind.detect_query(blank, samples=showroom.dataset)
    panel.wait_found(simfind.search(showroom.dataset, whole).ids)


def test_another_index_looks_at_the_photo_anew(showroom, visit, page, ops, photo, candidates):
    simfind.build_index(showroom.dataset, showroom.field, brain_key="second", backend="sklearn")
    try:
        visit(showroom.dataset)
        panel = PhotoTab(page, ops)
        panel.give(photo)
        panel.choose("Index", f"second ({showroom.field})")
        panel.wait()
        expect(panel.boxes).to_have_count(len(candidates) - 1)
        with page.expect_request(lambda request: "on_photo_pick" in (request.post_data or "")) as asked:
            panel.pick(1)
        assert asked.value.post_data_json["params"]["panel_state"]["photo"]["brain_key"] == "second"
        panel.wait_found(simfind.search(showroom.dataset, candidates[1], brain_key="second").ids)
    finally:
        showroom.dataset.delete_brain_run("second")


def test_without_an_index_the_tab_says_what_to_do(app, showroom, visit, page, ops):
    plain = showroom.dataset.limit(3).clone("without-index")
    try:
        for run in plain.list_brain_runs():
            plain.delete_brain_run(run)
        visit(plain)
        panel = ObjectSearch(page, ops)
        panel.tab("Photo")
        expect(panel.content).to_contain_text("This dataset has no index of objects to search with a photo")
    finally:
        app.dataset = showroom.dataset  # the session must not look at one that is gone
        plain.delete()


@pytest.fixture
def web(photo):
    """A server of photos on this machine; ``/away`` redirects to an address that is not allowed."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302 if self.path == "/away" else 200)
            if self.path == "/away":
                self.send_header("Location", "http://127.0.0.2:1/photo.png")
            self.end_headers()
            if self.path == "/photo.png":
                self.wfile.write(photo)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_addresses_are_refused_unless_whoever_runs_the_server_allows_them(
    showroom, panel, settings, web, candidates, picture
):
    expect(panel.part).to_contain_text("allow_urls")
    expect(panel.part.locator("[data-cy=simfind-url]")).to_have_count(0)
    settings(allow_urls=True)
    panel.tab("Search")
    panel.tab("Photo")

    def fetch(path):
        panel.part.locator("[data-cy=simfind-url]").fill(f"http://{web}/{path}")
        panel.part.get_by_role("button", name="Fetch").click()
        panel.wait()

    fetch("photo.png")
    panel.expect_problem("127.0.0.1")
    picture("panel-photo-refused-address")
    settings(allow_urls=True, url_hosts=[web])
    fetch("away")
    panel.expect_problem("127.0.0.2")
    expect(panel.boxes).to_have_count(0)
    fetch("photo.png")
    panel.pick(1)
    panel.wait_found(simfind.search(showroom.dataset, candidates[1]).ids)
    picture("panel-photo-address")
