"""A dataset object that is older than what another process has made of the dataset."""

import fiftyone.core.odm as foo
import pytest

import fiftyone_simfind as simfind
from fiftyone_simfind.errors import BrainRunError


@pytest.fixture
def outdated(crowd, elsewhere):
    """The dataset as it was loaded before another process gave it vectors, an index, a map and neighbours."""
    said = elsewhere.run("complete", crowd)
    assert "error" not in said, said
    assert crowd.list_brain_runs() == []
    return crowd


def runs(dataset):
    return foo.get_db_conn()["runs"].count_documents({"_dataset_id": dataset._doc.id})


def test_an_index_that_another_process_has_made_is_searched(outdated):
    assert len(simfind.search(outdated, [1, 1, 1], k=7)) == 7


def test_it_is_found_through_a_view_that_is_as_old(crowd, elsewhere):
    view = crowd.limit(10)
    elsewhere.run("complete", crowd)
    assert len(simfind.search(view, [1, 1, 1], k=7).view()) == 7


def test_it_is_not_replaced_unasked(outdated):
    before = runs(outdated)
    with pytest.raises(BrainRunError, match='already has a brain run "simfind"; replace it with overwrite=True'):
        simfind.build_index(outdated, "things")
    assert runs(outdated) == before


def test_nothing_of_it_stays_where_it_is_replaced(outdated):
    before = runs(outdated)
    simfind.build_index(outdated, "things", overwrite=True)
    assert runs(outdated) == before


def test_an_index_that_took_the_place_of_another_is_searched(crowd, elsewhere):
    simfind.build_index(crowd, "things", whiten=False)
    elsewhere.run("build", crowd)
    assert len(simfind.search(crowd, crowd.values("things.detections.id", unwind=True)[0], k=7)) == 7


def test_an_index_that_another_process_has_deleted_is_named(crowd, elsewhere):
    simfind.build_index(crowd, "things", whiten=False)
    elsewhere.run("delete", crowd)
    with pytest.raises(BrainRunError, match='"simfind" is no brain run of dataset'):
        simfind.status(crowd)
    assert simfind.build_index(crowd, "things", whiten=False).total_index_size == simfind.status(crowd).indexed


@pytest.mark.parametrize("key", [None, "simfind_pca"])
def test_a_map_that_another_process_has_made_is_shown(outdated, key):
    simfind.search(outdated, [1, 1, 1])
    assert simfind.map_points(outdated, viz_key=key).missing == 0


def test_neighbours_that_another_process_has_found_are_loaded(outdated):
    assert len(simfind.load_neighbors(outdated)) == simfind.status(outdated).indexed


def test_neighbours_that_another_process_has_found_are_replaced(outdated):
    before = runs(outdated)
    simfind.compute_neighbors(outdated, k=1, progress=False)
    assert runs(outdated) == before


def test_the_overview_tells_of_what_another_process_has_made(outdated):
    told = simfind.overview(outdated)
    assert [index.brain_key for index in told.indexes] == ["simfind"]
    assert told.next_step is None


def test_what_is_not_saved_yet_stays_where_no_other_process_has_made_anything(crowd):
    simfind.build_index(crowd, "things", whiten=False)
    sample = crowd.first()
    sample.tags.append("mine")
    simfind.status(crowd)
    with pytest.raises(BrainRunError, match="is no brain run"):
        simfind.status(crowd, brain_key="other")
    assert sample.tags == ["mine"]
