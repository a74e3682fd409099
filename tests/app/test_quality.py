"""The panel's tab "Quality"."""

import numpy as np
import pytest
from fiftyone.operators.store import ExecutionStore
from fo_e2e import wait_shown, wait_until
from playwright.sync_api import expect

import fiftyone_simfind as simfind
from fiftyone_simfind import _gallery

pytestmark = pytest.mark.app

PLOT = "document.querySelector('[data-cy=panel-content-object_search] .js-plotly-plot')"
CELL = f"""([row, column]) => {{
  const plot = {PLOT}, {{xaxis, yaxis, _size}} = plot._fullLayout;
  plot.scrollIntoView();
  const at = plot.getBoundingClientRect();
  return [at.x + _size.l + xaxis.l2p(column), at.y + _size.t + yaxis.l2p(row)];
}}"""
PAIRS = """pairs => pairs.map(
  (pair) => [...pair.querySelectorAll('[data-cy=simfind-crop]')].map((crop) => crop.dataset.id))"""


@pytest.fixture
def panel(showroom, visit, ops):
    """The panel with its tab "Quality", beside the images."""
    visit(showroom.dataset)
    panel = ops.open_panel("object_search")
    panel.get_by_role("tab", name="Quality", exact=True).click()
    ops.settle()
    return panel


@pytest.fixture
def measured(panel, ops, page):
    """The panel after its button "Measure" was pressed."""
    measure(panel, ops, page)
    return panel


def measure(panel, ops, page):
    panel.get_by_role("button", name="Measure", exact=True).click()
    page.wait_for_function(f"{PLOT}?._fullData?.length > 0")
    expect(panel.locator("[data-cy=simfind-jobs]")).to_have_text("")  # or the plot moves when that goes
    ops.settle()


def pairs_of(showroom, asked, found, k=10):
    """The score of each pair: an object of a class, and one of another among its nearest in other images."""
    known = _gallery.load(showroom.dataset, "simfind")
    pairs = {}
    for row in np.flatnonzero(known.labels == asked):
        scores = np.where(known.sample_ids == known.sample_ids[row], -np.inf, known.vectors @ known.vectors[row])
        for other in np.argsort(-scores, kind="stable")[:k]:
            if known.labels[other] == found:
                pairs[str(known.label_ids[row]), str(known.label_ids[other])] = float(scores[other])
    return pairs


def confused(report):
    """The cell beside the diagonal with the largest share, as numbers and as classes."""
    table = report.correspondence()
    shares = table.to_numpy() * (np.array(table.index)[:, None] != np.array(table.columns)[None])
    row, column = np.unravel_index(shares.argmax(), shares.shape)
    return [int(row), int(column)], table.index[row], table.columns[column]


@pytest.fixture
def unmeasured(showroom):
    """The showroom without what other tests measured of it."""
    store = ExecutionStore.create("simfind", dataset_id=showroom.dataset._doc.id)
    for key in store.list_keys():
        if key.startswith("report"):
            store.delete(key)


def test_measuring_shows_the_numbers_of_the_sdk(unmeasured, showroom, panel, ops, page, picture):
    expect(panel).to_contain_text("Not measured yet")
    picture("quality-none")
    measure(panel, ops, page)
    report = simfind.evaluate(showroom.dataset)
    for name in ("P@1", "P@5", "P@10", "recall@10", "mAP@100", "R-precision"):
        expect(panel.locator(f"[data-cy='simfind-card-{name}']")).to_contain_text(f"{report.means[name]:.3f}")
    rows = panel.locator("tbody tr").evaluate_all("rows => rows.map((row) => row.innerText.split(/\\s*\\t\\s*/))")
    wanted = report.per_class()
    assert len(rows) == min(12, len(wanted))
    for name, count, *shares in rows:
        line = wanted.loc[name]
        assert int(count) == line["queries"]
        assert shares == [f"{line[key]:.3f}" for key in ("P@1", "P@5", "P@10", "mAP@100")]
    shown = np.array(page.evaluate(f"{PLOT}._fullData[0].z.map((row) => [...row])"))
    np.testing.assert_allclose(shown, report.correspondence().to_numpy(), atol=5.1e-4)
    picture("quality")


def test_a_click_on_a_cell_shows_its_pairs_and_puts_them_into_the_grid(
    app, showroom, measured, grid, ops, page, picture
):
    report = simfind.evaluate(showroom.dataset)
    cell, asked, found = confused(report)
    wanted = pairs_of(showroom, asked, found)
    at = page.evaluate(CELL, cell)
    page.mouse.move(*at)
    page.wait_for_timeout(400)
    page.mouse.click(*at)
    pairs = measured.locator("[data-cy=simfind-pair]")
    pairs.first.wait_for()
    ops.settle()
    shown = pairs.evaluate_all(PAIRS)
    assert len({*map(tuple, shown)}) == len(shown) == min(24, len(wanted))
    best = sorted(wanted.values(), reverse=True)[: len(shown)]
    np.testing.assert_allclose([wanted[tuple(pair)] for pair in shown], best, atol=1e-6)
    expect(measured).to_contain_text(f"{asked} → {found}")
    pairs.locator("img").nth(2 * len(shown) - 1).wait_for()
    pairs.first.scroll_into_view_if_needed()
    picture("quality-pairs")
    measured.get_by_role("button", name="Show in grid").click()
    pairs = report.pairs(asked, found)
    assert {pair[:2] for pair in pairs} == wanted.keys()
    in_order = list(dict.fromkeys(label_id for pair in pairs for label_id in pair[:2]))
    grid.wait_count(len(in_order))
    grid.show_ids()
    wait_shown(app, grid, in_order)


def test_an_object_of_a_pair_can_be_searched_for(showroom, measured, ops, page):
    cell, _, _ = confused(simfind.evaluate(showroom.dataset))
    at = page.evaluate(CELL, cell)
    page.mouse.move(*at)
    page.wait_for_timeout(400)
    page.mouse.click(*at)
    pair = measured.locator("[data-cy=simfind-pair]").first
    pair.wait_for()
    ops.settle()
    query = pair.locator("[data-cy=simfind-crop]").last.get_attribute("data-id")
    pair.get_by_label("Search for this one").click()
    measured.get_by_text("most similar first").wait_for()
    ops.settle()
    strip = measured.locator("[data-cy=simfind-strip]").last.locator("[data-cy=simfind-crop]")
    shown = strip.evaluate_all("crops => crops.map((crop) => crop.dataset.id)")
    assert shown == simfind.search(showroom.dataset, query, k=25).ids


def test_a_heading_sorts_the_table_and_again_the_other_way_round(showroom, measured, ops, page):
    wanted = simfind.evaluate(showroom.dataset).per_class()["P@1"]
    column = "rows => rows.map((row) => row.children[2].innerText)"
    for descending in (False, True):
        measured.locator("thead th").nth(2).click()
        numbers = [f"{value:.3f}" for value in sorted(wanted, reverse=descending)][:12]
        wait_until(lambda numbers=numbers: measured.locator("tbody tr").evaluate_all(column) == numbers, page)
        ops.settle()


def test_other_options_give_other_numbers(showroom, panel, ops, page):
    panel.get_by_text("Other images only").click()
    ops.settle()
    measure(panel, ops, page)
    report = simfind.evaluate(showroom.dataset, exclude_same_image=False)
    expect(panel.locator("[data-cy='simfind-card-P@1']")).to_contain_text(f"{report.means['P@1']:.3f}")


@pytest.fixture
def own(showroom):
    """A few of the showroom's scenes, to change them."""
    dataset = showroom.dataset.limit(12).clone(persistent=True)
    for run in dataset.list_brain_runs():
        dataset.delete_brain_run(run)
    simfind.build_index(dataset, showroom.field)
    return dataset


def test_a_report_of_an_index_that_has_changed_since_says_so(own, showroom, visit, ops, page, picture):
    visit(own)
    panel = ops.open_panel("object_search")
    panel.get_by_role("tab", name="Quality", exact=True).click()
    ops.settle()
    measure(panel, ops, page)
    expect(panel).to_contain_text("Measured")
    assert panel.get_by_text("The index has changed").count() == 0
    sample = own.first()
    del sample[showroom.field].detections[0]
    sample.save()
    simfind.refresh(own)
    panel.get_by_role("tab", name="Map", exact=True).click()
    ops.settle()
    panel.get_by_role("tab", name="Quality", exact=True).click()
    ops.settle()
    expect(panel).to_contain_text("The index has changed since this was measured")
    picture("quality-stale")
