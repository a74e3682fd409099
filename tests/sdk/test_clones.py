"""Copies of a dataset, and what their indexes compare objects by."""

import logging

import fiftyone as fo
import numpy as np
import pytest

import fiftyone_simfind as simfind
from fiftyone_simfind.backend import state
from fiftyone_simfind.errors import BrainRunError


@pytest.fixture
def indexed():
    """Eighty objects of two classes, and indexes: one that learnt from the classes, a plain one, and one of Brain's."""
    rng = np.random.default_rng(51)
    dataset = fo.Dataset()
    for number in range(20):
        objects = [
            fo.Detection(label="ab"[row % 2], bounding_box=[0, 0, 1, 1], embedding=vector)
            for row, vector in enumerate(rng.normal(2, np.arange(1, 7), (4, 6)).astype(np.float32))
        ]
        dataset.add_sample(fo.Sample(filepath=f"/{number}.png", things=fo.Detections(detections=objects)), dynamic=True)
    simfind.build_index(dataset, "things", whiten=True)
    simfind.fit_metric(dataset, "label")
    simfind.build_index(dataset, "things", whiten=False, brain_key="plain")
    simfind.build_index(dataset, "things", whiten=True, brain_key="brain", backend="sklearn")
    yield dataset
    dataset.delete()


@pytest.fixture
def clone(indexed):
    copied = indexed.clone()
    yield copied
    copied.delete()


@pytest.fixture
def bare(indexed, monkeypatch):
    """A clone that was made where nobody had imported the package."""
    monkeypatch.setattr(fo.core.dataset, "_extras_cloners", [])
    copied = indexed.clone()
    yield copied
    copied.delete()


def scores(dataset, **options):
    asked = dataset.first().things.detections[0].id
    return {match.label_id: match.score for match in simfind.search(dataset, asked, k=100, **options)}


@pytest.mark.parametrize("key", ["simfind", "plain", "brain"])
def test_an_index_of_a_clone_gives_the_same_scores(indexed, clone, key, caplog):
    assert scores(clone, brain_key=key) == pytest.approx(scores(indexed, brain_key=key), abs=1e-6)
    assert caplog.text == ""


def test_what_a_clone_is_taught_is_its_own(indexed, clone):
    before = scores(indexed)
    simfind.fit_metric(clone, None)
    assert scores(clone) != pytest.approx(before, abs=1e-3)
    assert scores(indexed) == before


def test_what_was_learnt_stays_when_a_clone_is_refreshed(clone):
    before = scores(clone)
    clone.delete_samples(clone.limit(3).skip(1).values("id"))
    simfind.refresh(clone)
    assert scores(clone).items() <= before.items()


def test_what_is_deleted_with_an_index_of_a_clone_is_its_own(indexed, clone):
    simfind.delete_index(clone)
    assert "simfind" not in clone.list_brain_runs()
    assert state.load(indexed, state.run_of(indexed, "simfind")).learnt


def test_an_index_that_was_copied_bare_says_what_it_lacks_and_is_made_anew(indexed, bare, caplog):
    caplog.set_level(logging.WARNING)
    found = scores(bare)
    assert f'the index "simfind" of dataset "{bare.name}" was copied without what it compares' in caplog.text
    assert "simfind.fit_metric had taught it, call that again" in caplog.text
    simfind.fit_metric(indexed, None)
    assert found == pytest.approx(scores(indexed), abs=1e-6)
    simfind.fit_metric(bare, "label")
    simfind.fit_metric(indexed, "label")
    assert scores(bare) == pytest.approx(scores(indexed), abs=1e-6)


def test_it_says_so_once(bare, caplog):
    scores(bare)
    caplog.clear()
    bare.clear_cache()
    scores(bare)
    assert caplog.text == ""


def test_an_index_of_brains_that_was_copied_bare_is_refused(indexed, bare):
    with pytest.raises(BrainRunError, match=r'"brain" .* was copied without what it compares .* overwrite=True\)'):
        scores(bare, brain_key="brain")
    simfind.build_index(bare, "things", whiten=True, brain_key="brain", backend="sklearn", overwrite=True)
    assert scores(bare, brain_key="brain") == pytest.approx(scores(indexed, brain_key="brain"), abs=1e-6)


def test_what_lies_in_a_vector_database_stays_with_the_first_dataset(indexed, tmp_path):
    pytest.importorskip("lancedb")
    simfind.build_index(indexed, "things", brain_key="lance", backend="lancedb", uri=str(tmp_path))
    before = scores(indexed, brain_key="lance")
    copied = indexed.clone()
    with pytest.raises(BrainRunError, match=r"make it anew with simfind.build_index\(.*overwrite=True\)"):
        scores(copied, brain_key="lance")
    simfind.delete_index(copied, brain_key="lance")
    assert scores(indexed, brain_key="lance") == before
    copied.delete()
    simfind.delete_index(indexed, brain_key="lance")
