"""Page objects for the FiftyOne App (1.22)."""

from __future__ import annotations

import contextlib
import math
import re
import time

from playwright.sync_api import expect

PLUGIN = "@simfind/objects"
SECONDS = 60  # how long anything may take before a test gives up; the machine may be busy with other work

_TILES = """() => {
  const out = [...document.querySelectorAll('[data-cy=fo-grid] [data-cy=looker]')].map(e => {
    const r = e.getBoundingClientRect(), tags = {};
    for (const t of e.querySelectorAll('[data-cy^=tag-]'))
      (tags[t.dataset.cy.slice(4)] ||= []).push(t.innerText);
    return {x: r.x, y: r.y, w: r.width, tags,
            loaded: e.querySelector('canvas')?.getAttribute('canvas-loaded') === 'true',
            selected: !!e.querySelector('input[data-cy^=looker-checkbox-input]')?.checked};
  }).filter(o => o.w > 0);
  return out.sort((a, b) => a.y - b.y || a.x - b.x);   // the order in the DOM is not that of the grid
}"""
_PROGRESS = "+document.querySelector('[data-cy=operators-prompt-view-modal] [role=progressbar]')?.ariaValueNow"


def wait_until(condition, page, what=""):
    """Poll something on the Python side while Playwright's events go on."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if value := condition():
            return value
        page.wait_for_timeout(50)
    raise TimeoutError(what or condition)


class Grid:
    """The grid of samples or patches."""

    def __init__(self, page):
        self.page = page
        self._count = page.locator("[data-cy=entry-counts]")

    @property
    def count(self):
        return int(self._count.inner_text().split()[0].replace(",", ""))

    def wait_count(self, n):
        expect(self._count).to_have_text(re.compile(rf"^{n:,} "))

    def tiles(self):
        return self.page.evaluate(_TILES)

    def ids(self, n=None):
        """The ids of the first tiles that are drawn, in the grid's order."""
        return [(tile["tags"].get("id") or ["?"])[0] for tile in self.tiles()[:n]]

    def selected(self):
        return [tile["tags"].get("id", ["?"])[0] for tile in self.tiles() if tile["selected"]]

    def show_field(self, name, shown=True):
        """Tick a field of the side bar, or untick it; every tile carries the values of ticked fields."""
        box = self.page.locator(f"[data-cy=checkbox-{name}]").last
        box.locator("input").wait_for(state="attached")
        if box.locator("input").is_checked() != shown:
            box.click()

    def wait_stable(self, n=12, quiet=0.4):
        """Wait until the first tiles are drawn, and stay what and where they are for some seconds."""
        last, since = None, time.monotonic()
        end = since + SECONDS
        while time.monotonic() < end:
            now = [(t["tags"].get("id"), t["loaded"], round(t["x"]), round(t["y"])) for t in self.tiles()[:n]]
            if now != last or not now or not all(ids and loaded for ids, loaded, _, _ in now):
                since = time.monotonic()
            elif time.monotonic() - since >= quiet:
                return
            last = now
            self.page.wait_for_timeout(50)
        raise TimeoutError(f"the grid does not come to rest: {last}")

    def show_ids(self):
        self.show_field("id")
        self.wait_stable()

    def to_patches(self, field):
        """Press the patches button, and show the ids of the patches."""
        self.page.locator("[data-cy=action-clips-patches]").click()
        self.page.locator(f"[data-cy=item-action-{field}]").click()
        expect(self._count).to_contain_text("patch")
        self.show_ids()

    def tile(self, sample_id):
        tag = self.page.locator("[data-cy=tag-id]", has_text=sample_id)
        return self.page.locator("[data-cy=fo-grid] [data-cy=looker]").filter(has=tag).first

    def select(self, sample_id, **click):
        tile = self.tile(sample_id)
        tile.hover()  # the check box shows while the mouse is over the tile
        tile.locator("label[data-cy^=looker-checkbox]").click(**click)
        wait_until(lambda: sample_id in self.selected(), self.page)

    def open(self, sample_id):
        """Open a sample; gives the canvas that it is drawn on."""
        self.tile(sample_id).click(position={"x": 40, "y": 120})  # clear of the check box in the corner
        canvas = self.page.locator("[data-cy=modal-looker-container] canvas[canvas-loaded=true]").first
        canvas.wait_for()
        return canvas


def wait_shown(app, grid, ids):
    """Wait until the grid and the session's view show these objects in this order."""
    wait_until(lambda: app.view is not None and app.view.values("id") == ids, grid.page)
    wait_until(lambda: grid.ids(1) == ids[:1], grid.page)
    grid.wait_count(len(ids))
    grid.wait_stable()
    drawn = grid.ids()
    assert drawn == ids[: len(drawn)]


class Ops:
    """Operators: their buttons, forms, messages and panels."""

    def __init__(self, page):
        self.page = page
        self.modal = page.locator("[data-cy=modal]")
        self.prompt = page.locator("[data-cy=operators-prompt-modal]")
        self.progress = page.locator("[data-cy=operators-prompt-view-modal]")
        self._pending, self._begun, self._last = set(), 0, time.monotonic()
        page.on("request", self._began)
        page.on("requestfinished", self._ended)
        page.on("requestfailed", self._ended)

    def _began(self, request):
        if request.method == "POST" and "/operators/" in request.url:
            self._pending.add(request)
            self._begun += 1
            self._last = time.monotonic()

    def _ended(self, request):
        if request in self._pending:
            self._pending.discard(request)
            self._last = time.monotonic()

    def settle(self, quiet=0.5):
        """Wait until no operator is under way; an event of a panel that overlaps another one is lost.

        What was done just before may start one a moment later, so the quiet that is waited for begins with this call.
        """
        asked = time.monotonic()
        idle = lambda: not self._pending and time.monotonic() - max(asked, self._last) >= quiet  # noqa: E731
        wait_until(idle, self.page, "operators are still under way")

    @contextlib.contextmanager
    def started(self):
        """Wait until what is done inside has started an operator, and then until none is under way."""
        before = self._begun
        yield
        wait_until(lambda: self._begun > before, self.page, "no operator was started")
        self.settle()

    def button(self, name):
        """Press an operator's button above the grid."""
        self.page.locator(f'[data-item-id="{PLUGIN}/{name}"]').first.click()

    def icon(self, name):
        """An operator's icon among the buttons of the opened sample."""
        return self.modal.get_by_text(name, exact=True)

    def browse(self, label):
        """Start an operator from the operator browser."""
        self.page.locator("body").press("Backquote")
        self.page.locator("[data-cy=operators-browser-search]").fill(label)
        self.page.locator("[data-cy=operators-browser]").get_by_text(label, exact=True).click()
        self.prompt.wait_for()
        self.settle()

    def field(self, label):
        """The input of a form with a label; labels are paragraphs, which Playwright does not know as such."""
        path = f"xpath=.//p[normalize-space()='{label}']/ancestor::div[.//input][1]//input"
        return self.prompt.locator(path).first

    def fill(self, label, value):
        self.field(label).fill(value)
        self.settle()

    def choose(self, label, option):
        """Pick one of a form's drop-down options."""
        box = self.field(label).locator("xpath=./ancestor::div[.//*[@role='combobox']][1]")
        box.get_by_role("combobox").click()
        self.page.get_by_role("option", name=option, exact=True).click()
        self.settle()

    def action(self, name="Execute"):
        return self.prompt.get_by_role("button", name=name, exact=True)

    def run(self):
        self.action("Execute").click()

    def schedule(self):
        """Put the form's operation on the queue; the option is in the menu beside "Execute"."""
        self.prompt.get_by_role("group", name="split button").get_by_role("button").last.click()
        self.page.get_by_role("menuitem", name="Schedule").click()
        self.action("Schedule").click()

    def close(self, name="Close"):
        self.action(name).click()
        self.prompt.wait_for(state="detached")

    def wait_progress(self, percent):
        """Wait until the bar shows more than 0 and at most this many percent; looks at every frame."""
        self.page.wait_for_function(f"{_PROGRESS} > 0 && {_PROGRESS} <= {percent}")

    def finish(self, words):
        """Wait for the last words of a long run, and dismiss its progress bar."""
        expect(self.toast(words)).to_be_visible()
        expect(self.progress).to_contain_text(words)
        self.progress.get_by_role("button", name="Done").click()
        self.progress.wait_for(state="detached")
        self.settle()

    def toast(self, text):
        return self.page.locator("[role=alert]", has_text=text).first

    def open_panel(self, name):
        self.page.locator("[data-cy=new-panel-btn]").first.click()
        self.page.locator(f"[data-cy=new-panel-option-{name}]").click()
        panel = self.page.locator(f"[data-cy=panel-content-{name}]")
        panel.wait_for()
        self.settle()
        return panel


def click_label(page, canvas, box, width, height):
    """Click the middle of a relative bounding box in an opened image of a size in pixels."""
    area = canvas.bounding_box()
    scale = min(area["width"] / width, area["height"] / height)
    left = area["x"] + (area["width"] - width * scale) / 2
    top = area["y"] + (area["height"] - height * scale) / 2
    x, y = left + (box[0] + box[2] / 2) * width * scale, top + (box[1] + box[3] / 2) * height * scale
    page.mouse.move(x, y)
    page.wait_for_timeout(300)
    page.mouse.click(x, y)


def lasso(page, x, y, radius):
    """Drag the mouse once around a point."""
    page.mouse.move(x + radius, y)
    page.mouse.down()
    for angle in range(20, 361, 20):
        turn = math.radians(angle)
        page.mouse.move(x + radius * math.cos(turn), y + radius * math.sin(turn))
    page.mouse.up()
