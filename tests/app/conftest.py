"""The real App: a showroom dataset, the App's server with a session, and a browser page.

The tests of this folder run last: Playwright leaves an event loop running in the main thread, where
FiftyOne's ``execute_operator`` then gives a pending task instead of a result.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for fo_e2e

CHROMIUM_OPTIONS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # this machine only
]
QUIET_APP = """
window.IS_PLAYWRIGHT = true;  // the App's own switch: no cookie banner, no hints about performance
try { localStorage.setItem('fiftyone-enterprise-tooltip-seen', 'true') } catch (e) {}
"""
SECONDS = 60  # how long anything may take before a test gives up; the machine may be busy with other work
DRAWN = "[data-cy=fo-grid] canvas[canvas-loaded=true]"


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("app") is not None)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.failed = outcome.get_result().failed


def _stop(reason):
    if os.environ.get("SIMFIND_REQUIRE_APP") == "1":
        pytest.fail(f"{reason} (SIMFIND_REQUIRE_APP=1 makes this an error)")
    pytest.skip(reason)


# FiftyOne's router throws this when the server tells a new state to a page that is still loading its first one.
OF_THE_APP_ITSELF = {"entry is loading"}


@pytest.fixture(scope="session")
def chromium():
    """The path of a browser; without one these tests are skipped, or fail where they are required."""
    import ensure_browser

    try:
        import playwright  # noqa: F401
    except ImportError:
        _stop('Playwright is not installed: pip install -e ".[app-test]"')
    try:
        found = ensure_browser.find(os.environ)
    except ensure_browser.SetupError as error:
        _stop(str(error))
    return found or _stop("no Chromium: run `python tools/ensure_browser.py`")


@pytest.fixture(scope="session")
def showroom(chromium):
    """Showroom scenes with found objects, an index of them and a UMAP."""
    from showrooms import Showroom

    return Showroom.make("showroom", num_scenes=80)


@pytest.fixture(scope="session")
def settings_file(tmp_path_factory):
    """FiftyOne's App config, which the App's server looks up the plugin's settings in whenever it needs one."""
    path = tmp_path_factory.mktemp("settings") / "app_config.json"
    path.write_text("{}")
    before = os.environ.get("FIFTYONE_APP_CONFIG_PATH")
    os.environ["FIFTYONE_APP_CONFIG_PATH"] = str(path)
    yield path
    if before is None:
        del os.environ["FIFTYONE_APP_CONFIG_PATH"]
    else:
        os.environ["FIFTYONE_APP_CONFIG_PATH"] = before


@pytest.fixture
def settings(settings_file):
    """Sets what the plugin allows, until the test is over."""

    def settings(**given):
        written = settings_file.with_suffix(".new")
        written.write_text(json.dumps({"plugins": {"@simfind/objects": given}} if given else {}))
        written.replace(settings_file)

    yield settings
    settings()


@pytest.fixture(scope="session")
def app(showroom, settings_file):
    """The session; the App's server is a child process of it."""
    import fiftyone as fo

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    yield fo.launch_app(showroom.dataset, remote=True, address="127.0.0.1", port=port)
    fo.close_app()


@pytest.fixture(scope="session")
def context(app, chromium):
    """One browser context for all tests: a fresh one loads 20 MB of scripts again."""
    from playwright.sync_api import sync_playwright

    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS + sandbox)
        context = browser.new_context(viewport={"width": 1920, "height": 1080})
        context.add_init_script(QUIET_APP)
        yield context
        context.close()
        browser.close()


def _reset(app):
    """Show a dataset as it is, with no view, panel or selection."""
    import fiftyone as fo

    empty = fo.Space(children=[fo.Panel(type="Samples", pinned=True)])
    for _ in range(SECONDS):
        try:
            app.spaces = empty
            break
        except RuntimeError:  # a session that has lost a busy server connects again after some seconds
            time.sleep(1)
    app.view = None
    app.selected = []
    app.selected_labels = []


@pytest.fixture
def visit(app, page):
    """Open a dataset in the App."""

    def visit(dataset):
        page.goto(f"http://127.0.0.1:{app.server_port}/datasets/{dataset.name}")
        page.wait_for_selector(DRAWN)
        # The server, the session and every tab share one state, and a tab that closes may still write to it.
        for _ in range(5):
            page.wait_for_timeout(300)
            if page.locator("[data-cy^=panel-tab-]").count() == 1 and app.view is None:
                break
            _reset(app)
            page.wait_for_timeout(2000)
        page.wait_for_selector(DRAWN)

    return visit


@pytest.fixture
def page(app, context, showroom, artifacts, request):
    """A page in the browser; scripts of the App must not fail while a test runs."""
    from playwright.sync_api import expect

    expect.set_options(timeout=SECONDS * 1000)
    _reset(app)
    app.dataset = showroom.dataset
    errors = []
    page = context.new_page()
    page.set_default_timeout(SECONDS * 1000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    if getattr(request.node, "failed", False):
        page.screenshot(path=artifacts / f"failed-{request.node.name}.png")
    page.goto("about:blank")
    page.close()
    assert [error for error in errors if error not in OF_THE_APP_ITSELF] == []


@pytest.fixture
def grid(page):
    from fo_e2e import Grid

    return Grid(page)


@pytest.fixture
def ops(page):
    from fo_e2e import Ops

    return Ops(page)


@pytest.fixture
def patches(app, showroom, visit, grid):
    """The showroom's objects in the grid, as the patches button shows them; gives how many there are."""
    visit(showroom.dataset)
    grid.to_patches(showroom.field)
    total = showroom.dataset.count(f"{showroom.field}.detections")
    grid.wait_count(total)
    return total


@pytest.fixture
def picture(page, artifacts):
    """Save what the page shows, for a person to look at."""

    def picture(name):
        page.wait_for_timeout(500)  # let menus and messages come to rest
        page.screenshot(path=artifacts / f"{name}.png")

    return picture
