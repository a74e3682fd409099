"""Operators that show results, ask before they delete, or ask twice: their forms in the real App."""

import pytest
from fo_e2e import wait_until
from playwright.sync_api import expect
from showrooms import FIELD

import fiftyone_simfind as simfind
from fiftyone_simfind import showroom as scenes_of
from fiftyone_simfind.showroom.dataset import load

pytestmark = pytest.mark.app


@pytest.fixture
def indexed(request):
    """A few showroom scenes of a test's own, with found objects and an index."""
    dataset = load(12, name=f"indexed-{abs(hash(request.node.name))}", persistent=True)
    simfind.detect(dataset, label_field=FIELD, model="showroom.pt", progress=False)
    simfind.build_index(dataset, FIELD)
    return dataset


def test_an_evaluation_shows_its_table(indexed, visit, ops, picture, page):
    visit(indexed)
    ops.browse("Simfind: evaluate retrieval")
    picture("evaluate-form")
    ops.run()
    report = simfind.evaluate(indexed)
    output = page.get_by_text("Means over the queries")
    expect(output).to_be_visible()
    expect(page.get_by_text(f"{report.means['P@1']:.3f}").first).to_be_visible()
    picture("evaluate-output")


def test_an_index_is_deleted_only_when_that_is_confirmed(indexed, visit, ops, picture, page):
    visit(indexed)
    ops.browse("Simfind: delete index")
    expect(ops.prompt).to_contain_text("This deletes the index “simfind”")
    expect(ops.action()).to_be_disabled()
    picture("delete-form")
    ops.prompt.get_by_role("checkbox").last.check(force=True)
    expect(ops.action()).to_be_enabled()
    ops.run()
    expect(ops.toast("The index “simfind” is deleted")).to_be_visible()
    wait_until(lambda: indexed.reload() or indexed.list_brain_runs() == [], page)


def test_a_photo_is_uploaded_in_the_form_and_one_of_its_objects_is_searched_for(
    app, indexed, visit, ops, grid, picture, page, tmp_path
):
    ((photo, _),) = scenes_of.write(tmp_path, 1, first=500)
    candidates = simfind.detect_query(photo, samples=indexed)
    expected = simfind.search(indexed, candidates[1]).ids
    visit(indexed)
    ops.browse("Simfind: search by photo")
    expect(ops.action()).to_be_disabled()
    page.locator("input[type=file]").set_input_files(photo)
    second = ops.prompt.get_by_text(f"2: {candidates[1].label} {candidates[1].confidence:.2f}")
    expect(second).to_be_visible()
    picture("photo-form")
    second.click()
    page.wait_for_timeout(1000)  # the form is checked anew
    ops.run()
    wait_until(lambda: app.view is not None and app.view.values("id") == expected, page)
    picture("photo-found")
