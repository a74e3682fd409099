"""FiftyOne's own search and its Embeddings panel work on our Brain runs."""

import pytest
from fo_e2e import lasso, wait_shown, wait_until
from playwright.sync_api import expect

pytestmark = pytest.mark.app


def test_the_apps_own_sort_by_similarity_works_on_the_index(app, showroom, grid, patches, page, picture):
    query = showroom.common(grid.ids())
    nearest = showroom.dataset.to_patches(showroom.field).sort_by_similarity(query, k=25, brain_key="simfind")
    grid.select(query)
    page.locator("[data-cy=action-sort-by-similarity]").first.click()
    page.locator('[data-cy="button-Search by similarity to the selected patches"]').click()
    show = page.locator('.similarity-run-list button[aria-label="Show results"]').first
    show.wait_for()
    page.wait_for_timeout(1500)
    if grid.count == patches:  # with its panel closed before, the App does not apply the result by itself
        show.click(force=True)  # an ancestor is marked as disabled
    wait_shown(app, grid, nearest.values("id"))
    picture("native-sort-by-similarity")
    assert sum(showroom.alike(query, grid.ids(4))) >= 3


def test_a_lasso_in_the_embeddings_panel_selects_objects(app, showroom, grid, ops, patches, page, picture):
    panel = ops.open_panel("Embeddings")
    panel.get_by_text("simfind_umap", exact=True).click()
    expect(panel).to_contain_text(f"{patches} points")
    canvas = panel.locator("canvas").first
    canvas.wait_for()
    panel.get_by_text("Select", exact=True).click()
    page.wait_for_timeout(1000)
    picture("embeddings-umap")
    area = canvas.bounding_box()
    lasso(page, area["x"] + area["width"] / 2, area["y"] + area["height"] / 2, radius=200)
    wait_until(lambda: 0 < grid.count < patches, page)
    expect(panel).to_contain_text("selected")
    grid.wait_stable()
    picture("embeddings-lasso")
