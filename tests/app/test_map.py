"""The panel's tab "Map"."""

import math

import numpy as np
import pytest
from fo_e2e import wait_shown, wait_until
from playwright.sync_api import expect

import fiftyone_simfind as simfind

pytestmark = pytest.mark.app

PLOT = "document.querySelector('[data-cy=panel-content-object_search] .js-plotly-plot')"
# Where each point is on the page; what a trace's name is; its colours.
POINTS = f"""() => {{
  const plot = {PLOT}, {{xaxis, yaxis, _size}} = plot._fullLayout, at = plot.getBoundingClientRect();
  return plot._fullData.map(({{name, x, y, customdata, marker}}) => ({{
    name, symbol: marker.symbol, colors: typeof marker.color === 'string' ? [] : [...marker.color],
    numbers: [...customdata],
    at: [...x].map((_, i) => [at.x + _size.l + xaxis.l2p(x[i]), at.y + _size.t + yaxis.l2p(y[i])]),
  }}));
}}"""


@pytest.fixture
def panel(app, showroom, visit, ops, page):
    """The panel with its tab "Map", beside the images."""
    visit(showroom.dataset)
    panel = ops.open_panel("object_search")
    panel.get_by_role("tab", name="Map", exact=True).click()
    drawn(page, ops)
    return panel


def drawn(page, ops):
    """Wait until the plot is there, and what it shows comes to rest."""
    page.wait_for_function(f"{PLOT}?._fullLayout?.xaxis?.l2p && {PLOT}._fullData.length > 0")
    ops.settle()
    last = [None]

    def rests():
        before, last[0] = last[0], page.evaluate(POINTS)
        page.wait_for_timeout(200)
        return before == last[0]

    wait_until(rests, page)


def colour_by(page, ops, panel, words):
    with ops.started():
        panel.get_by_role("combobox").first.click()
        page.get_by_role("option", name=words, exact=True).click()
    drawn(page, ops)


def places(page, shown):
    """The page's ``(x, y)`` of each object, by its id."""
    return {
        shown.label_ids[number]: at
        for trace in page.evaluate(POINTS)
        for number, at in zip(trace["numbers"], trace["at"], strict=True)
    }


def central(where):
    """The object in the midst of all others, around which a lasso can be drawn without leaving the plot."""
    middle = np.mean(list(where.values()), axis=0)
    return min(where, key=lambda label_id: math.dist(where[label_id], middle))


def inside(corners, at):
    """Whether a point lies in a polygon: a ray from it crosses the border an odd number of times."""
    x, y = at
    crossed = False
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
            crossed = not crossed
    return crossed


def around(page, at, radius=40, corners=18):
    """Draw a lasso around a point; gives its corners."""
    turns = [2 * math.pi * number / corners for number in range(corners)]
    path = [(at[0] + radius * math.cos(turn), at[1] + radius * math.sin(turn)) for turn in turns]
    page.mouse.move(*path[0])
    page.mouse.down()
    for corner in [*path[1:], path[0]]:
        page.mouse.move(*corner)
    page.mouse.up()
    return path


def test_a_lasso_puts_exactly_the_objects_inside_it_into_the_grid(app, showroom, panel, grid, ops, page, picture):
    shown = simfind.map_points(showroom.dataset)
    where = places(page, shown)
    assert len(where) == len(shown) == showroom.dataset.count(f"{showroom.field}.detections")
    corners = around(page, where[central(where)])
    in_order = showroom.dataset.values(f"{showroom.field}.detections.id", unwind=True)
    wanted = [label_id for label_id in in_order if inside(corners, where[label_id])]
    assert 1 < len(wanted) < len(shown)
    grid.wait_count(len(wanted))
    grid.show_ids()
    wait_shown(app, grid, wanted)
    expect(panel).to_contain_text(f"{len(wanted)} in the grid")
    ops.settle()
    picture("map-lasso")


def test_clear_shows_again_what_the_grid_showed_before(app, showroom, panel, grid, ops, page):
    before = grid.count
    shown = simfind.map_points(showroom.dataset)
    where = places(page, shown)
    around(page, where[central(where)])
    wait_until(lambda: app.view is not None, page)
    ops.settle()
    panel.get_by_role("button", name="Clear").click()
    grid.wait_count(before)
    ops.settle()
    expect(panel.get_by_role("button", name="Clear")).to_have_count(0)


def test_a_clicked_point_is_searched_for_and_the_map_shows_the_scores(app, showroom, panel, ops, page, picture):
    shown = simfind.map_points(showroom.dataset)
    where = places(page, shown)
    # the one farthest from all others, so that the click hits no neighbour
    spots = np.array([where[i] for i in shown.label_ids])
    apart = np.linalg.norm(spots[:, None] - spots[None], axis=2) + np.diag(np.full(len(spots), np.inf))
    lone = int(apart.min(axis=1).argmax())
    query = str(shown.label_ids[lone])
    page.mouse.move(*where[query])
    page.wait_for_timeout(400)
    page.mouse.click(*where[query])
    crop = panel.locator(f"[data-cy=simfind-crop][data-id='{query}']")
    expect(crop).to_have_count(1)
    crop.locator("img").wait_for()
    ops.settle()
    picture("map-picked")
    panel.get_by_role("button", name="Search for this one", exact=True).first.click()
    panel.get_by_text("most similar first").wait_for()
    drawn(page, ops)
    picture("map-score")

    results = simfind.search(showroom.dataset, query, k=1000, include_query=True)
    wanted = dict(zip(results.ids, results.scores, strict=True))
    traces = page.evaluate(POINTS)
    (star,) = [trace for trace in traces if trace["symbol"] == "star"]
    assert [str(shown.label_ids[number]) for number in star["numbers"]] == [query]
    (scored,) = [trace for trace in traces if trace["name"] == "objects"]
    got = {str(shown.label_ids[n]): s for n, s in zip(scored["numbers"], scored["colors"], strict=True)}
    assert got.keys() == wanted.keys()
    np.testing.assert_allclose([got[i] for i in wanted], list(wanted.values()), atol=6e-5)
    strip = panel.locator("[data-cy=simfind-strip]").last.locator("[data-cy=simfind-crop]")
    found = strip.evaluate_all("crops => crops.map((crop) => crop.dataset.id)")
    assert found == simfind.search(showroom.dataset, query, k=25).ids


def test_a_search_started_from_the_map_is_not_confined_to_the_lasso(app, showroom, panel, ops, page):
    shown = simfind.map_points(showroom.dataset)
    where = places(page, shown)
    spots = np.array([where[i] for i in shown.label_ids])
    near = np.array(where[central(where)])
    far = int(np.linalg.norm(spots - near, axis=1).argmax())
    around(page, near)
    wait_until(lambda: app.view is not None, page)
    drawn(page, ops)
    page.mouse.move(*spots[far])
    page.wait_for_timeout(400)
    page.mouse.click(*spots[far])
    panel.locator("[data-cy=simfind-crop] img").first.wait_for()
    ops.settle()
    query = panel.locator("[data-cy=simfind-crop]").first.get_attribute("data-id")
    panel.get_by_role("button", name="Search for this one", exact=True).first.click()
    panel.get_by_text("most similar first").wait_for()
    ops.settle()
    strip = panel.locator("[data-cy=simfind-strip]").last.locator("[data-cy=simfind-crop]")
    found = strip.evaluate_all("crops => crops.map((crop) => crop.dataset.id)")
    assert found == simfind.search(showroom.dataset, query, k=25).ids


def test_clusters_have_a_colour_each(showroom, panel, ops, page, picture):
    colour_by(page, ops, panel, "cluster")
    shown = simfind.map_points(showroom.dataset, color_by="cluster")

    def each_in_its_own():
        drawn_in = {n: trace["name"] for trace in page.evaluate(POINTS) for n in trace["numbers"]}
        return all(drawn_in[n].startswith(group or "(none)") for n, group in enumerate(shown.groups))

    wait_until(each_in_its_own, page)
    picture("map-clusters")


def test_without_a_query_there_is_no_score_and_it_says_what_to_do(panel, ops, page):
    colour_by(page, ops, panel, "score to the query")
    expect(panel).to_contain_text("There is nothing to score yet. Click a point")


@pytest.fixture
def unmapped(showroom):
    """A few of the showroom's scenes with an index and no map."""
    dataset = showroom.dataset.limit(6).clone(persistent=True)
    for run in dataset.list_brain_runs():
        dataset.delete_brain_run(run)
    simfind.build_index(dataset, showroom.field)
    return dataset


def test_a_missing_map_is_made_at_a_click(app, unmapped, showroom, visit, ops, page, picture):
    visit(unmapped)
    panel = ops.open_panel("object_search")
    panel.get_by_role("tab", name="Map", exact=True).click()
    ops.settle()
    expect(panel).to_contain_text("has no map yet")
    picture("map-none")
    panel.get_by_role("button", name="Compute the map").click()
    page.wait_for_function(f"{PLOT}?._fullData?.length > 0", timeout=180_000)
    drawn(page, ops)
    unmapped.reload()
    assert unmapped.list_brain_runs(type="visualization") == ["simfind_umap"]
    assert len(places(page, simfind.map_points(unmapped))) == unmapped.count(f"{showroom.field}.detections")
