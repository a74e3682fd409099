"""One user of the App in a browser, who ticks a patch and asks for the objects like it, again and again."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.app.data import FIELD, Objects

ROOT = Path(__file__).resolve().parents[2]
K = 25  # what FiftyOne's own search always gives
PANEL = "similarity_search_panel"
TRIES = 5
PATIENCE = 30  # seconds until "Show results" is pressed again
SECONDS = 120  # how long anything may take
FIRST = 12  # tiles that are looked at
CHROMIUM_OPTIONS = [
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # this machine only
]
# The page itself notes when the mouse was pressed, and when its grid has come to rest at what was to be shown: the
# first tiles are drawn, are the right ones, and stay where they are for 0.4 s, which do not count.
WATCH = """
window.IS_PLAYWRIGHT = true;
try { localStorage.setItem('fiftyone-enterprise-tooltip-seen', 'true') } catch (e) {}
window.watchGrid = (expected, count, first) => {
  const watch = window.watched = {clicks: [], rest: null};
  window.addEventListener('click', event => watch.clicks.push(event.timeStamp), true);
  let before = '', since = null;
  const timer = setInterval(() => {
    const tiles = [...document.querySelectorAll('[data-cy=fo-grid] [data-cy=looker]')].map(tile => {
      const at = tile.getBoundingClientRect();
      return {x: Math.round(at.x), y: Math.round(at.y), w: at.width,
              id: tile.querySelector('[data-cy=tag-id]')?.textContent,
              drawn: tile.querySelector('canvas')?.getAttribute('canvas-loaded') === 'true'};
    }).filter(tile => tile.w > 0).sort((a, b) => a.y - b.y || a.x - b.x).slice(0, first);
    const right = tiles.length === first && tiles.every(tile => tile.drawn)
      && expected.slice(0, first).every((id, i) => id === tiles[i].id)
      && document.querySelector('[data-cy=entry-counts]')?.textContent.startsWith(`${count} `);
    const now = JSON.stringify(tiles);
    if (!right) since = null;
    else if (since === null || now !== before) since = performance.now();
    else if (performance.now() - since >= 400) { watch.rest = since; clearInterval(timer); }
    before = now;
  }, 20);
};
"""


class User:
    """The App with a dataset, and a page in a browser that shows its patches."""

    def __init__(self, session: Any, page: Any, nearest: Any):
        from fo_e2e import Grid, Ops  # of the tests of the App

        self.session, self.page, self.grid, self._ops = session, page, Grid(page), Ops(page)
        self._nearest = nearest
        page.goto(f"http://127.0.0.1:{session.server_port}/datasets/{session.dataset.name}")
        page.wait_for_selector("[data-cy=fo-grid] canvas[canvas-loaded=true]")
        self._count = session.dataset.count(f"{FIELD}.detections")
        for _ in range(TRIES):  # a page that has just been opened may put the first view back
            page.wait_for_timeout(2000)
            if session.view is not None and self.grid.count == self._count:
                break
            self.grid.to_patches(FIELD)
        self._patches = session.view

    def show_patches(self) -> None:
        """Let the grid show all patches again, as after the patches button."""
        for _ in range(TRIES):
            self.session.view = self._patches
            self._rest()
            if self.grid.count == self._count:
                return
        raise TimeoutError(f"the grid shows {self.grid.count} patches, not {self._count}")

    def open_panel(self) -> None:
        """Open FiftyOne's panel for searches, beside the grid."""
        self.page.locator("[data-cy=new-panel-btn]").first.click()
        self.page.locator(f"[data-cy=new-panel-option-{PANEL}]").click()
        self.page.locator(f"[data-cy=panel-content-{PANEL}]").wait_for()
        self._rest()
        self.show_patches()  # the panel may have brought back an older view

    def close_panels(self) -> None:
        """Leave nothing but the grid."""
        import fiftyone as fo

        self.session.spaces = fo.Space(children=[fo.Panel(type="Samples", pinned=True)])
        self.page.locator(f"[data-cy=panel-content-{PANEL}]").wait_for(state="detached")

    def ours(self, query: str) -> float:
        """Milliseconds from our button to the matches, of which the query is none."""
        self._tick(query, self._nearest(query)[1 : K + 1])
        self._ops.button("sort_by_similarity")
        return self._taken(0)

    def native(self, query: str, *, show: bool = False) -> float:
        """Milliseconds of FiftyOne's own search, from the entry of its menu; the query is the first of its matches.

        Args:
            query: a label id
            show: press "Show results" as soon as it is there, and again where that was too early
        """
        if show:
            self._forget()
        self._tick(query, [query])  # Brain's order is not always that of the distances
        self.page.locator("[data-cy=action-sort-by-similarity]").first.click()
        self.page.locator('[data-cy="button-Search by similarity to the selected patches"]').click()
        for _ in range(TRIES if show else 0):
            self.page.locator('.similarity-run-list button[aria-label="Show results"]').first.click(force=True)
            if self._has_come(PATIENCE):
                break
        return self._taken(1)

    def _forget(self) -> None:
        """Let the panel list no earlier searches, of which the first one could be taken for the new one."""
        from fiftyone.operators.store import ExecutionStore

        store = ExecutionStore.create(PANEL, self.session.dataset._doc.id)
        for key in store.list_keys():
            store.delete(key)

    def _rest(self) -> None:
        self.page.wait_for_timeout(1000)  # the panel keeps a request open, so that nothing says when all is done
        self.grid.wait_stable()

    def _tick(self, query: str, expected: list[str]) -> None:
        self.grid.select(query)
        self.page.evaluate("given => watchGrid(...given)", [expected, K, FIRST])

    def _has_come(self, seconds: int) -> bool:
        """Wait until the grid shows some matches, at rest or not."""
        for _ in range(5 * seconds):
            if self.grid.count == K:
                return True
            self.page.wait_for_timeout(200)
        return False

    def _taken(self, click: int) -> float:
        self.page.wait_for_function("() => watched.rest !== null", polling=100)
        watched = self.page.evaluate("() => watched")
        return watched["rest"] - watched["clicks"][click]


def run(objects: Objects, way: str, later: int) -> dict[str, list[float]]:
    """The milliseconds of the first and of later searches in a fresh App and a fresh browser."""
    backend = "sklearn" if "sklearn" in way else "simfind"
    with user(objects, backend) as one:
        if way.endswith("open"):
            one.open_panel()
        queries = one.grid.ids()[1 : later + 2]
        taken = []
        for query in queries:
            taken.append(search(one, way, query))
            one.show_patches()
        return {"first": taken[:1], "later": taken[1:]}


def search(one: User, way: str, query: str) -> float:
    """One search; a panel that it has opened is closed before the next one, where it is to be closed."""
    if way == "button":
        return one.ours(query)
    if way.endswith("open"):
        return one.native(query)
    taken = one.native(query, show=True)
    one.close_panels()
    return taken


@contextmanager
def user(objects: Objects, backend: str) -> Iterator[User]:
    """A user who looks at the patches of a backend's dataset."""
    import fiftyone as fo

    sys.path[:0] = [str(ROOT / "tests" / "app"), str(ROOT / "tools")]
    import ensure_browser
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=SECONDS * 1000)
    dataset = fo.load_dataset(objects.name(backend))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    session = fo.launch_app(dataset, remote=True, address="127.0.0.1", port=port)
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=ensure_browser.find(os.environ), args=CHROMIUM_OPTIONS + root
        )
        page = browser.new_context(viewport={"width": 1920, "height": 1080}).new_page()
        page.set_default_timeout(SECONDS * 1000)
        page.add_init_script(WATCH)
        try:
            yield User(session, page, objects.nearest(K + 1))
        except Exception:
            page.screenshot(path="bench-app-failed.png")
            raise
        finally:
            browser.close()
            fo.close_app()
