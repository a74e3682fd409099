"""The pictures of the documents: each tab of the panel, light and dark, and the steps that the README walks through.

They are written to ``test-artifacts``; ``make pictures`` puts smaller ones into ``docs/images``.
"""

from io import BytesIO

import numpy as np
import pytest
from fo_e2e import Grid, Ops, wait_until
from panel import ObjectSearch
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind.showroom.dataset import load
from fiftyone_simfind.showroom.scenes import compose

pytestmark = pytest.mark.app
SIZE = {"width": 1500, "height": 900}
PANEL = "[data-cy=panel-content-object_search]"


@pytest.fixture(params=["dark", "light"])
def themed(request, page, context):
    """A browser of its own whose App is dark or light, and that name."""
    other = context.browser.new_context(viewport=SIZE)
    other.add_init_script(
        f"window.IS_PLAYWRIGHT = true; localStorage.setItem('mui-mode', '{request.param}');"
        "localStorage.setItem('fiftyone-enterprise-tooltip-seen', 'true')"
    )
    own = other.new_page()
    own.set_default_timeout(60_000)
    yield own, request.param
    own.goto("about:blank")
    other.close()


@pytest.fixture
def take(themed, artifacts):
    own, theme = themed

    def take(name):
        own.wait_for_timeout(800)  # let menus and messages come to rest
        own.screenshot(path=artifacts / f"docs-{name}-{theme}.png")

    return take


@pytest.fixture
def images():
    """Images and nothing else."""
    dataset = load(24, name="photos", persistent=True, overwrite=True)
    dataset.delete_sample_field("ground_truth")
    return dataset


def open_panel(app, own, dataset):
    app.dataset = dataset
    own.goto(f"http://127.0.0.1:{app.server_port}/datasets/{dataset.name}")
    own.wait_for_selector("[data-cy=fo-grid] canvas[canvas-loaded=true]")
    return ObjectSearch(own, Ops(own))


def brightness(own):
    """The mean of the panel's pixels, 0 to 255."""
    return np.asarray(Image.open(BytesIO(own.locator(PANEL).screenshot())).convert("L")).mean()


def ask(panel, grid, query):
    grid.select(query)
    wait_until(lambda: panel.ids(panel.strip()) == [query], panel.page)
    panel.ops.settle()


def test_the_steps_from_images_to_a_search(app, images, themed, take):
    own, theme = themed
    panel, grid = open_panel(app, own, images), Grid(own)
    panel.choose("Model", "showroom.pt (demo, on this machine)")
    take("walk-1-set-up")
    panel.press("Make objects searchable")
    index = panel.content.locator("[data-cy=simfind-step-index]")
    wait_until(lambda: index.get_attribute("data-state") == "done", own)
    panel.ops.settle()
    take("walk-2-ready")
    images.reload()  # the server has given it a field
    panel.press("Choose an object")
    grid.wait_count(images.count("objects.detections"))
    grid.show_ids()
    query = max(grid.ids()[:12], key=lambda shown: simfind.search(images, shown, exclude_same_image=True)[0].score)
    ask(panel, grid, query)
    grid.show_field("id", shown=False)
    take("walk-3-choose")
    panel.press("Search")
    panel.wait_found(simfind.search(images, query).ids)
    take("walk-4-found")
    panel.press("Show in grid")
    own.wait_for_timeout(3000)
    take("walk-5-grid")
    assert (brightness(own) > 128) == (theme == "light")


def test_each_tab(app, showroom, themed, take, tmp_path):
    own, theme = themed
    panel, grid = open_panel(app, own, showroom.dataset), Grid(own)
    panel.tab("Set up")
    take("tab-set-up")
    panel.tab("Photo")
    compose(9001).image.save(tmp_path / "photo.png")
    panel.content.locator("input[type=file]").set_input_files(tmp_path / "photo.png")
    panel.content.locator("[data-cy=simfind-candidate]").nth(1).click()
    wait_until(lambda: panel.content.locator("[data-cy=simfind-crop] img").count() >= 25, own)
    panel.content.locator("[data-cy=simfind-photo]").evaluate("photo => photo.scrollIntoView()")
    take("tab-photo")
    panel.tab("Map")
    own.wait_for_selector(f"{PANEL} .js-plotly-plot .main-svg")
    take("tab-map")
    panel.tab("Quality")
    panel.press("Measure")
    own.wait_for_selector(f"{PANEL} .js-plotly-plot .main-svg")
    panel.ops.settle()
    own.get_by_role("alert").first.wait_for(state="hidden")
    take("tab-quality")
    panel.tab("Set up")
    panel.press("Choose an object")
    grid.wait_count(showroom.dataset.count(f"{showroom.field}.detections"))
    grid.show_ids()
    ask(panel, grid, showroom.common(grid.ids()))
    grid.show_field("id", shown=False)
    panel.press("Search")
    wait_until(lambda: panel.strip(1).locator("img").count() == 25, own)
    take("tab-search")
    assert (brightness(own) > 128) == (theme == "light")
