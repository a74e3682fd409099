import numpy as np
import pytest

import fiftyone_simfind as simfind
from fiftyone_simfind.errors import BrainRunError, FieldError, OptionError


@pytest.fixture
def indexed(toys):
    simfind.build_index(toys, "objects")
    return toys


def test_every_object_gets_a_point(indexed):
    results = simfind.visualize(indexed, method="pca")
    assert results.points.shape == (8, 2)
    assert list(results.label_ids) == indexed.values("objects.detections.id", unwind=True)


def test_the_points_are_those_of_the_vectors(indexed):
    """The vectors lie in a plane, so that PCA keeps their distances."""
    results = simfind.visualize(indexed, method="pca")
    vectors = np.array(indexed.values("objects.detections.embedding", unwind=True))
    wanted = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    got = np.linalg.norm(results.points[:, None] - results.points[None], axis=2)
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_it_is_an_ordinary_brain_run(indexed):
    simfind.visualize(indexed, method="pca")
    info = indexed.get_brain_info("simfind_pca")
    assert (info.config.type, info.config.patches_field) == ("visualization", "objects")


def test_a_umap_of_few_objects_works(indexed):
    results = simfind.visualize(indexed)
    assert results.points.shape == (8, 2)
    assert np.isfinite(results.points).all()


def test_a_view_shows_its_own_objects(indexed):
    assert len(simfind.visualize(indexed.limit(3), method="pca").points) == 6


def test_points_are_stored_without_a_pickled_reducer(indexed):
    simfind.visualize(indexed, method="pca")
    assert getattr(indexed.load_brain_results("simfind_pca"), "reducer", None) is None


def test_an_object_embedded_since_the_index_was_loaded_is_shown(indexed):
    indexed.load_brain_results("simfind")
    sample = indexed.first()
    sample.objects.detections.append(sample.objects.detections[0].copy())
    sample.save()
    assert len(simfind.visualize(indexed, method="pca").points) == 9


def test_a_visualization_is_not_replaced_unasked(indexed):
    simfind.visualize(indexed, method="pca")
    with pytest.raises(BrainRunError, match='already has a brain run "simfind_pca"'):
        simfind.visualize(indexed, method="pca")
    simfind.visualize(indexed, method="pca", overwrite=True)
    assert sorted(indexed.list_brain_runs()) == ["simfind", "simfind_pca"]


def test_too_few_objects_are_refused(indexed):
    with pytest.raises(FieldError, match='2 objects in "objects" have vectors; a visualization needs at least 4'):
        simfind.visualize(indexed.limit(1))


def test_an_unknown_method_is_refused(indexed):
    with pytest.raises(OptionError, match='method="map" must be one of'):
        simfind.visualize(indexed, method="map")


@pytest.mark.parametrize("verbose", [True, False])
def test_it_says_nothing_of_how_it_goes_when_asked_not_to(indexed, caplog, verbose):
    with caplog.at_level("INFO", logger="fiftyone.brain"):
        simfind.visualize(indexed, method="pca", verbose=verbose)
    assert bool([record for record in caplog.records if record.name.startswith("fiftyone.brain")]) == verbose
