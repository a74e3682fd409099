"""Searching by similarity in the App: each is compared with the SDK's, in the grid and in the session."""

import pytest
from fo_e2e import click_label, wait_shown, wait_until
from playwright.sync_api import expect

import fiftyone_simfind as simfind

pytestmark = pytest.mark.app
K = 25
FORM = "Simfind: sort by similarity"


def wait_unselected(app, grid):
    wait_until(lambda: app.selected == [] and app.selected_labels == [], grid.page)
    assert grid.selected() == []


def test_one_click_shows_the_objects_that_look_like_the_ticked_one(app, showroom, grid, ops, patches, picture):
    query = showroom.common(grid.ids())
    grid.select(query)
    picture("object-ticked")
    ops.button("sort_by_similarity")
    found = simfind.search(showroom.dataset, query).ids
    wait_shown(app, grid, found)
    picture("sorted-by-similarity")
    assert len(found) == K
    assert showroom.things[grid.ids()[0]] == showroom.things[query]  # the same thing in another scene
    assert sum(showroom.alike(query, grid.ids(4))) >= 3
    wait_unselected(app, grid)


def test_a_match_can_be_searched_for_in_turn_among_all_objects(app, showroom, grid, ops, patches):
    first = grid.ids()[0]
    grid.select(first)
    ops.button("sort_by_similarity")
    wait_shown(app, grid, simfind.search(showroom.dataset, first).ids)
    wait_unselected(app, grid)
    second = grid.ids()[3]
    grid.select(second)
    ops.button("sort_by_similarity")
    wait_shown(app, grid, simfind.search(showroom.dataset, second).ids)


def test_an_object_clicked_in_an_opened_image_is_searched_for(app, showroom, visit, grid, ops, page, picture):
    visit(showroom.dataset)
    grid.show_field("ground_truth", shown=False)
    grid.show_ids()
    sample, clicked = showroom.lone()
    canvas = grid.open(sample.id)
    size = sample.metadata
    click_label(page, canvas, clicked.bounding_box, size.width, size.height)
    wait_until(lambda: [label["label_id"] for label in app.selected_labels] == [clicked.id], page)
    ops.icon("image_search").hover()
    expect(page.get_by_text("Objects like the clicked ones")).to_be_visible()
    picture("object-clicked-in-sample")
    ops.icon("image_search").click()
    ops.modal.wait_for(state="detached")
    grid.show_ids()
    wait_shown(app, grid, simfind.search(showroom.dataset, clicked.id).ids)
    picture("sorted-by-object-clicked-in-sample")
    wait_unselected(app, grid)


def test_without_a_clicked_object_the_button_says_how_to_select(showroom, visit, grid, ops, picture):
    visit(showroom.dataset)
    grid.show_ids()
    grid.open(grid.ids()[0])
    ops.icon("image_search").click()
    expect(ops.prompt).to_contain_text("Select the objects to look for")
    picture("nothing-clicked-in-sample")


def test_several_ticked_objects_are_searched_for_together_and_alt_clicked_ones_avoided(
    app, showroom, grid, ops, patches, picture
):
    first, second, unwanted, *_ = grid.ids()
    grid.select(first)
    grid.select(second)
    grid.select(unwanted, modifiers=["Alt"])
    picture("objects-ticked-and-one-unwanted")
    ops.button("sort_by_similarity")
    wait_shown(app, grid, simfind.search(showroom.dataset, [first, second], negatives=[unwanted]).ids)
    wait_unselected(app, grid)


def test_without_a_selection_the_button_says_how_to_select(grid, ops, patches, picture):
    ops.button("sort_by_similarity")
    expect(ops.prompt).to_contain_text("Select the objects to look for")
    ops.settle()
    expect(ops.action()).to_be_disabled()
    picture("nothing-selected")
    ops.close("Cancel")
    assert grid.count == patches


def test_with_whole_images_ticked_the_button_says_how_to_select(showroom, visit, grid, ops, picture):
    visit(showroom.dataset)
    grid.show_ids()
    grid.select(grid.ids()[0])
    ops.button("sort_by_similarity")
    expect(ops.prompt).to_contain_text("1 whole image is selected. Select the objects to look for")
    picture("whole-image-selected")
    ops.close("Cancel")
    assert grid.count == len(showroom.dataset)


def test_the_form_searches_with_its_options(app, showroom, grid, ops, patches, picture):
    query = showroom.common(grid.ids())
    grid.select(query)
    ops.browse(FORM)
    ops.fill("Matches", "7")
    ops.choose("Scope", "same class")
    ops.fill("Minimum score", "0.1")
    picture("search-form")
    ops.run()
    wait_shown(app, grid, simfind.search(showroom.dataset, query, k=7, scope="same_class", min_score=0.1).ids)
    picture("searched-with-form")


@pytest.mark.parametrize(
    ("label", "value", "limits"),
    [("Matches", "0", "from 1 to 10,000"), ("Minimum score", "3", "from -1 to 1")],
)
def test_the_form_refuses_an_option_out_of_range(grid, ops, patches, picture, label, value, limits):
    grid.select(grid.ids()[0])
    ops.browse(FORM)
    expect(ops.action()).to_be_enabled()
    ops.fill(label, value)
    expect(ops.prompt).to_contain_text(limits)
    expect(ops.action()).to_be_disabled()
    picture(f"refused-{label.lower().replace(' ', '-')}")
    ops.close("Cancel")
    assert grid.count == patches
