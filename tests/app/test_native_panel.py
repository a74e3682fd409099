"""FiftyOne's own panel "Similarity Search" on an index of ours: unwanted examples, words, pictures, history."""

import io

import numpy as np
import pytest
from fo_e2e import wait_shown, wait_until
from PIL import Image
from playwright.sync_api import expect

import fiftyone_simfind as simfind

pytestmark = pytest.mark.app
PANEL = "similarity_search_panel"
K = 25


class SimilaritySearch:
    """The panel, opened beside the grid. It keeps a request open, so that ``Ops.settle`` would wait for ever."""

    def __init__(self, page, grid):
        self.page, self.grid = page, grid
        self.content = page.locator(f"[data-cy=panel-content-{PANEL}]")
        page.locator("[data-cy=new-panel-btn]").first.click()
        page.locator(f"[data-cy=new-panel-option-{PANEL}]").click()
        self.button("New Search").wait_for()
        grid.wait_stable()

    def button(self, name):
        return self.content.get_by_role("button", name=name, exact=True)

    def new(self):
        self.button("New Search").click()
        self.button("Search").wait_for()

    @property
    def matches(self):
        return self.content.locator("input[type=number]")  # no label of the form is tied to its input

    @property
    def reverse(self):
        return self.content.get_by_role("switch", name="Least similar (reverse)")

    def search(self, name):
        """Search as the form says, and wait until the list says that it is done."""
        self.content.get_by_placeholder("My search").fill(name)
        self.button("Search").click()
        self.page.get_by_role("menuitem", name="Execute").click()
        expect(self.run(name)).to_contain_text("Completed")

    @property
    def runs(self):
        return self.content.locator(".similarity-run-list [data-testid]")

    def run(self, name):
        return self.runs.filter(has=self.page.get_by_text(name, exact=True))

    def names(self):
        """The names of the searches in the list, from top to bottom."""
        return [text.split("\n")[0] for text in self.runs.all_inner_texts()]

    def press(self, name, action):
        self.run(name).get_by_label(action).click(force=True)  # an ancestor is marked as disabled

    def rename(self, name, new):
        self.run(name).get_by_text(name).hover()  # the pencil shows while the mouse is over the name
        self.run(name).get_by_label("Rename").get_by_role("button").click(force=True)
        field = self.content.locator(".similarity-run-list input")
        field.fill(new, force=True)
        field.locator("xpath=following-sibling::div//button").last.click(force=True)


@pytest.fixture
def history(showroom):
    """Whose earlier searches are forgotten, so that each test sees its own."""
    from fiftyone.operators.store import ExecutionStore

    def forget(dataset):
        store = ExecutionStore.create(PANEL, dataset._doc.id)
        for key in store.list_keys():
            store.delete(key)

    forget(showroom.dataset)
    yield
    forget(showroom.dataset)


@pytest.fixture
def panel(history, patches, page, grid):
    return SimilaritySearch(page, grid)


@pytest.fixture
def of_colours(colours, visit, page, grid):
    """Opens the panel beside the coloured objects, whose vectors a model of FiftyOne's zoo made."""

    def of_colours(model):
        simfind.embed(colours, "things", model=f"zoo:{model}", progress=False)
        simfind.build_index(colours, "things")
        visit(colours)
        grid.to_patches("things")
        return SimilaritySearch(page, grid)

    return of_colours


def by_similarity(dataset, field, query, **options):
    return dataset.to_patches(field).sort_by_similarity(query, brain_key="simfind", **options).values("id")


def vectors(showroom, ids):
    """What the dataset holds for some objects."""
    path = f"{showroom.field}.detections"
    columns = showroom.dataset.values([f"{path}.id", f"{path}.embedding"], unwind=True)
    stored = dict(zip(*columns, strict=True))
    return np.array([stored[one] for one in ids])


def picture_of(colour):
    file = io.BytesIO()
    Image.new("RGB", (60, 40), colour).save(file, "PNG")
    return {"name": f"{colour}.png", "mimeType": "image/png", "buffer": file.getvalue()}


def test_alt_clicked_objects_are_avoided_as_the_panel_reckons(app, showroom, grid, panel, picture):
    first, second, *_, unwanted = grid.ids()[:6]
    grid.select(first)
    grid.select(second)
    grid.select(unwanted, modifiers=["Alt"])
    panel.new()
    expect(panel.content).to_contain_text("2 samples selected (positive) · 1 negative")
    panel.search("two but not one")
    expect(panel.run("two but not one")).to_contain_text("Image similarity (2 positive, 1 negative) · simfind · k=25")
    panel.press("two but not one", "Show results")
    query = 2 * vectors(showroom, [first, second]).mean(axis=0) - vectors(showroom, [unwanted])[0]
    expected = by_similarity(showroom.dataset, showroom.field, query, k=K)
    without = by_similarity(showroom.dataset, showroom.field, [first, second], k=K)
    wait_shown(app, grid, expected)
    picture("native-panel-negatives")
    assert expected != without


def test_the_options_of_a_search_count_and_its_copy_has_them(app, showroom, grid, panel, picture):
    query = grid.ids()[0]
    grid.select(query)
    panel.new()
    panel.matches.fill("7")
    panel.reverse.click()
    panel.search("least")
    panel.press("least", "Show results")
    wait_shown(app, grid, by_similarity(showroom.dataset, showroom.field, query, k=7, reverse=True))
    panel.press("least", "Clone search")
    expect(panel.content).to_contain_text("Clone Search")
    expect(panel.matches).to_have_value("7")
    expect(panel.reverse).to_be_checked()
    picture("native-panel-clone")


def test_earlier_searches_outlive_a_reload_and_can_be_shown_renamed_and_deleted(
    app, showroom, grid, panel, page, picture
):
    found = []
    for number in range(3):
        query = grid.ids()[number + 1]  # one of those that the search before has found
        grid.select(query)
        panel.new()
        panel.search(f"search {number}")
        panel.press(f"search {number}", "Show results")
        found.append(by_similarity(showroom.dataset, showroom.field, query, k=K))
        wait_shown(app, grid, found[-1])
    page.reload()
    expect(panel.runs).to_have_count(3)
    assert panel.names() == ["search 2", "search 1", "search 0"]
    panel.press("search 0", "Show results")
    wait_shown(app, grid, found[0])
    panel.rename("search 0", "the oldest")
    expect(panel.run("the oldest")).to_be_visible()
    panel.press("search 1", "Delete")
    expect(panel.runs).to_have_count(2)
    page.reload()
    expect(panel.runs).to_have_count(2)
    picture("native-panel-history")
    assert panel.names() == ["search 2", "the oldest"]


def test_many_searches_can_be_deleted_at_once(grid, panel, page, picture):
    grid.select(grid.ids()[0])
    for number in range(2):
        panel.new()
        panel.search(f"search {number}")
    panel.content.get_by_role("button").nth(1).click()  # "Manage searches", which only its tooltip says
    panel.content.get_by_text("Select all").click()
    panel.button("Delete").last.click()
    picture("native-panel-delete-all")
    panel.button("Confirm Delete").click()
    expect(panel.content).to_contain_text("No similarity searches yet")
    page.reload()
    expect(panel.content).to_contain_text("No similarity searches yet")


def test_neither_words_nor_pictures_are_offered_where_the_vectors_are_a_detectors(panel, picture):
    panel.new()
    expect(panel.content).to_contain_text("Supports text queries? ❌")
    expect(panel.content).to_contain_text("Select samples in the grid (Alt+click for negative)")
    for name in ("Text Search", "Upload Image"):
        expect(panel.button(name)).to_have_count(0)
    expect(panel.button("Search")).to_be_disabled()
    picture("native-panel-of-detector")


def test_words_find_objects_where_the_model_knows_words(app, colours, of_colours, grid, picture):
    panel = of_colours("toy-colours")
    panel.new()
    expect(panel.content).to_contain_text("Model: toy-colours")
    panel.button("Text Search").click()
    panel.content.get_by_placeholder("Enter a text prompt...").fill("blue")
    panel.matches.fill("4")
    picture("native-panel-words")
    panel.search("what is blue")
    panel.press("what is blue", "Show results")
    wait_shown(app, grid, by_similarity(colours, "things", "blue", k=4))
    assert set(app.view.values("things.label")) == {"blue"}
    picture("native-panel-words-found")


@pytest.mark.parametrize("model", ["toy-colours", "toy-wordless"])
def test_an_uploaded_picture_finds_objects_where_the_zoo_has_the_model(app, of_colours, grid, model, picture):
    panel = of_colours(model)
    panel.new()
    expect(panel.button("Text Search")).to_have_count(1 if model == "toy-colours" else 0)
    panel.button("Upload Image").click()
    panel.content.locator("input[type=file]").set_input_files(picture_of("yellow"))
    expect(panel.content).to_contain_text("yellow.png")
    panel.matches.fill("4")
    panel.search("like my picture")
    panel.press("like my picture", "Show results")
    wait_until(lambda: app.view is not None and len(app.view) == 4, grid.page)
    assert set(app.view.values("things.label")) == {"yellow"}
    grid.wait_count(4)
    grid.wait_stable()
    picture(f"native-panel-upload-{model}")


def test_an_upload_that_is_no_picture_fails_with_a_reason_in_the_list(of_colours, page, picture):
    panel = of_colours("toy-wordless")
    panel.new()
    panel.button("Upload Image").click()
    broken = {"name": "broken.png", "mimeType": "image/png", "buffer": b"no picture"}
    panel.content.locator("input[type=file]").set_input_files(broken)
    expect(panel.content).to_contain_text("broken.png")
    panel.content.get_by_placeholder("My search").fill("broken")
    panel.button("Search").click()
    page.get_by_role("menuitem", name="Execute").click()
    panel.content.get_by_role("button").first.click()  # the arrow above the form
    expect(panel.run("broken")).to_contain_text("Failed to decode uploaded image 'broken.png'")
    picture("native-panel-broken-picture")
