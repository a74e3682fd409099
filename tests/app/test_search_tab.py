"""Searching in the panel: what its pictures show is compared with the SDK's results."""

import csv
import json

import pytest
from fo_e2e import click_label, wait_shown, wait_until
from panel import ObjectSearch
from playwright.sync_api import expect

import fiftyone_simfind as simfind

pytestmark = pytest.mark.app


@pytest.fixture
def panel(patches, page, ops):
    """The panel beside the objects in the grid, with its tab "Search"."""
    panel = ObjectSearch(page, ops)
    panel.tab("Search")
    return panel


def select(panel, grid, *ids, **click):
    """Tick objects in the grid, and wait until the panel knows them."""
    for label_id in ids:
        grid.select(label_id, **click)
        wait_until(lambda label_id=label_id: label_id in panel.ids(panel.strip()), panel.page)
    panel.ops.settle()


def test_a_ticked_object_is_searched_for_and_the_matches_go_into_the_grid(app, showroom, grid, panel, picture):
    query = showroom.common(grid.ids())
    select(panel, grid, query)
    assert panel.ids(panel.strip()) == [query]
    panel.press("Search")
    found = simfind.search(showroom.dataset, query)
    panel.wait_found(found.ids)
    for crop, match in zip(panel.strip(1).locator("[data-cy=simfind-crop]").all(), found, strict=True):
        expect(crop).to_contain_text(f"{match.score:.3f}")
        expect(crop).to_contain_text(match.label)
    assert app.selected == []
    panel.press("Show in grid")
    wait_shown(app, grid, found.ids)
    picture("panel-search")


def test_options_are_those_of_the_sdk(showroom, grid, panel, picture):
    query = showroom.common(grid.ids())
    select(panel, grid, query)
    panel.fill("Matches", "9")
    panel.choose("Class of the matches", "others than the query")
    panel.choose("Alike in", "colours")
    panel.tick("One per image")
    panel.press("Search")
    options = {"k": 9, "scope": "other_classes", "emphasis": "look", "one_per_image": True}
    found = simfind.search(showroom.dataset, query, **options)
    assert len(found) == 9
    panel.wait_found(found.ids)
    picture("panel-options")


def test_chosen_classes_are_the_only_ones_found(showroom, grid, panel):
    query = showroom.common(grid.ids())
    label = next(m.label for m in simfind.search(showroom.dataset, query, k=200, scope="other_classes"))
    select(panel, grid, query)
    panel.field("Only named classes (empty: no limit)").fill(label)
    panel.page.get_by_role("option", name=label, exact=True).click()
    panel.ops.settle()
    panel.press("Search")
    panel.wait_found(simfind.search(showroom.dataset, query, classes=[label]).ids)


def test_a_minimum_score_that_nothing_reaches_is_said(showroom, grid, panel, picture):
    select(panel, grid, showroom.common(grid.ids()))
    panel.fill("Minimum score (−1 to 1)", "0.9999")
    panel.press("Search")
    expect(panel.content).to_contain_text("No object matches. Lower the minimum score")
    picture("panel-nothing-found")


def test_a_match_is_searched_for_in_turn_and_back_shows_the_search_before(showroom, grid, panel):
    query = showroom.common(grid.ids())
    select(panel, grid, query)
    panel.press("Search")
    first = simfind.search(showroom.dataset, query)
    panel.wait_found(first.ids)
    panel.fill("Matches", "8")
    panel.strip(1).get_by_role("button", name="Search for this one").nth(2).click()
    panel.wait_found(simfind.search(showroom.dataset, first.ids[2], k=8).ids)
    panel.press("Back")
    panel.wait_found(first.ids)
    expect(panel.field("Matches")).to_have_value("25")
    assert panel.ids(panel.strip()) == [query]


def test_more_like_one_match_and_not_like_another(showroom, grid, panel, picture):
    query = showroom.common(grid.ids())
    select(panel, grid, query)
    panel.press("Search")
    first = simfind.search(showroom.dataset, query)
    panel.wait_found(first.ids)
    panel.strip(1).get_by_role("button", name="More like this").nth(1).click()
    more = simfind.search(showroom.dataset, [query, first.ids[1]])
    panel.wait_found(more.ids)
    panel.strip(1).get_by_role("button", name="Not like this").nth(3).click()
    unlike = simfind.search(showroom.dataset, [query, first.ids[1]], negatives=[more.ids[3]])
    panel.wait_found(unlike.ids)
    assert panel.ids(panel.strip()) == [query, first.ids[1], more.ids[3]]
    picture("panel-more-and-less")


def test_several_ticked_objects_and_an_unwanted_one(showroom, grid, panel):
    first, second, unwanted, *_ = grid.ids()
    select(panel, grid, first, second)
    select(panel, grid, unwanted, modifiers=["Alt"])
    assert panel.ids(panel.strip()) == [first, second, unwanted]
    panel.press("Search")
    panel.wait_found(simfind.search(showroom.dataset, [first, second], negatives=[unwanted]).ids)


def test_a_picture_opens_its_image(showroom, grid, panel, ops):
    query = showroom.common(grid.ids())
    select(panel, grid, query)
    panel.press("Search")
    found = simfind.search(showroom.dataset, query)
    panel.wait_found(found.ids)
    panel.strip(1).locator("[data-cy=simfind-crop]").first.get_by_role("button").first.click()
    ops.modal.wait_for()


def test_matches_are_exported(showroom, grid, panel, page):
    query = showroom.common(grid.ids())
    select(panel, grid, query)
    panel.fill("Matches", "5")
    panel.press("Search")
    found = simfind.search(showroom.dataset, query, k=5)
    panel.wait_found(found.ids)
    with page.expect_download() as saved:
        panel.press("Export JSON")
    rows = json.loads(saved.value.path().read_text())
    assert rows == [match.to_dict() for match in found]
    with page.expect_download() as saved:
        panel.press("Export CSV")
    lines = list(csv.DictReader(saved.value.path().read_text().splitlines()))
    assert [line["label_id"] for line in lines] == found.ids
    assert [float(line["score"]) for line in lines] == found.scores


def test_what_was_found_below_the_fold_is_scrolled_to(showroom, grid, panel, picture):
    panel.page.set_viewport_size({"width": 1920, "height": 760})
    query = showroom.common(grid.ids(4))
    select(panel, grid, query)
    panel.press("Search")
    found = simfind.search(showroom.dataset, query).ids
    panel.wait_found(found)
    crops = panel.strip(1).locator("[data-cy=simfind-crop]")
    expect(crops.first).to_be_in_viewport(ratio=1)
    expect(panel.content.get_by_text("most similar first")).to_be_in_viewport()
    picture("panel-scrolled")
    crops.last.scroll_into_view_if_needed()
    crops.last.get_by_role("button", name="Search for this one").click()
    panel.wait_found(simfind.search(showroom.dataset, found[-1]).ids)
    expect(crops.first).to_be_in_viewport(ratio=1)


def test_a_cross_on_a_picture_of_the_query_takes_it_out(showroom, grid, panel, picture):
    first, second, third = grid.ids()[:3]
    select(panel, grid, first, second)
    select(panel, grid, third, modifiers=["Alt"])
    wanted = panel.strip().locator("[data-cy=simfind-crop]")
    wanted.nth(1).get_by_role("button", name="Remove").click()
    wait_until(lambda: panel.ids(panel.strip()) == [first, third], panel.page)
    panel.ops.settle()
    assert grid.selected() == [first, third]
    panel.press("Search")
    panel.wait_found(simfind.search(showroom.dataset, first, negatives=[third]).ids)
    picture("panel-crosses")
    cross = wanted.last.get_by_role("button", name="Remove")
    cross.focus()
    panel.page.keyboard.press("Enter")
    panel.wait_found(simfind.search(showroom.dataset, first).ids)
    assert panel.ids(panel.strip()) == [first]


def test_the_button_above_the_grid_fills_the_panel(app, showroom, grid, panel, ops):
    panel.page.set_viewport_size({"width": 2800, "height": 1080})  # or the button is in a menu
    grid.wait_stable()
    query = showroom.common(grid.ids())
    select(panel, grid, query)
    ops.button("sort_by_similarity")
    found = simfind.search(showroom.dataset, query).ids
    wait_shown(app, grid, found)
    panel.wait_found(found)
    assert panel.ids(panel.strip()) == [query]
    for chosen in ("everything", "any class"):
        expect(panel.content.get_by_role("combobox").filter(has_text=chosen)).to_be_visible()


def test_without_a_selection_the_panel_says_how_to_select(panel):
    expect(panel.content).to_contain_text("Tick an object in the grid")
    panel.press("Search")
    expect(panel.ops.toast("Select the objects to look for")).to_be_visible()


def test_an_object_clicked_in_an_opened_image_is_searched_for(app, showroom, visit, grid, ops, page):
    visit(showroom.dataset)
    grid.show_field("ground_truth", shown=False)
    grid.show_ids()
    sample, clicked = showroom.lone()
    panel = ObjectSearch(page, ops)
    panel.tab("Search")
    canvas = grid.open(sample.id)
    click_label(page, canvas, clicked.bounding_box, sample.metadata.width, sample.metadata.height)
    wait_until(lambda: [label["label_id"] for label in app.selected_labels] == [clicked.id], page)
    ops.settle()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    ops.modal.wait_for(state="detached")
    wait_until(lambda: panel.ids(panel.strip()) == [clicked.id], page)
    ops.settle()
    panel.press("Search")
    panel.wait_found(simfind.search(showroom.dataset, clicked.id).ids)


def test_after_a_reload_of_the_page_the_panel_still_has_its_search(showroom, grid, panel, page):
    query = showroom.common(grid.ids())
    select(panel, grid, query)
    panel.press("Search")
    found = simfind.search(showroom.dataset, query).ids
    panel.wait_found(found)
    page.reload()
    panel.ops.settle()
    panel.wait_found(found)
    panel.strip(1).get_by_role("button", name="Search for this one").nth(1).click()
    panel.wait_found(simfind.search(showroom.dataset, found[1]).ids)
