import fiftyone as fo
import pytest

import fiftyone_simfind as simfind
from fiftyone_simfind.errors import BrainRunError, FieldError, OptionError


def test_the_index_is_an_ordinary_brain_run(toys):
    simfind.build_index(toys, "objects")
    info = toys.get_brain_info("simfind")
    assert (info.config.type, info.config.patches_field) == ("similarity", "objects")
    assert toys.load_brain_results("simfind").total_index_size == 8


def test_fiftyones_own_search_works_on_it(toys):
    simfind.build_index(toys, "objects")
    first = toys.first().objects.detections[0].id
    view = toys.to_patches("objects").sort_by_similarity(first, k=3, brain_key="simfind")
    assert view.values("id")[0] == first


def test_objects_without_a_vector_are_not_in_it(toys):
    sample = toys.first()
    sample.objects.detections[0].embedding = None
    sample.save()
    assert simfind.build_index(toys, "objects").total_index_size == 7


def test_an_index_built_on_a_view_is_found_on_the_dataset(toys):
    simfind.build_index(toys.to_patches("objects"), "objects")
    assert toys.list_brain_runs() == ["simfind"]


def test_an_index_of_that_name_is_not_replaced_unasked(toys):
    simfind.build_index(toys, "objects")
    with pytest.raises(BrainRunError, match='already has a brain run "simfind"; replace it with overwrite=True'):
        simfind.build_index(toys, "objects")


def test_overwrite_replaces(toys):
    simfind.build_index(toys, "objects")
    toys.delete_samples([toys.last().id])
    assert simfind.build_index(toys, "objects", overwrite=True).total_index_size == 6
    assert toys.list_brain_runs() == ["simfind"]


def test_an_index_that_cannot_be_rebuilt_is_kept(toys):
    simfind.build_index(toys, "objects")
    with pytest.raises(ValueError, match="Unsupported backend"):
        simfind.build_index(toys, "objects", backend="no such backend", overwrite=True)
    assert toys.list_brain_runs() == ["simfind"]
    assert toys.load_brain_results("simfind").total_index_size == 8


def test_a_field_without_vectors_says_what_to_run(toys):
    toys.clone_sample_field("objects", "plain")
    toys.delete_sample_field("plain.detections.embedding")
    with pytest.raises(FieldError, match=r'run simfind.embed\(samples, "plain", embeddings_field="embedding"\) first'):
        simfind.build_index(toys, "plain")


def test_a_field_without_objects_says_so(toys):
    with pytest.raises(FieldError, match='"objects" of dataset ".*" holds no objects to index'):
        simfind.build_index(toys.limit(0), "objects")


def test_a_name_that_fiftyone_cannot_take_is_refused(toys):
    with pytest.raises(OptionError, match='brain_key="my index" must be letters, digits and underscores'):
        simfind.build_index(toys, "objects", brain_key="my index")


def test_no_vector_field_means_no_network(toys, monkeypatch):
    """An undeclared field would make Brain download a model; it must be refused first."""
    import fiftyone.zoo as foz

    monkeypatch.setattr(foz, "load_zoo_model", lambda *a, **k: pytest.fail("a model was loaded"))
    sample = toys.first()
    sample["other"] = fo.Detections(detections=[fo.Detection(label="a", bounding_box=[0, 0, 1, 1], embedding=[1.0])])
    sample.save()
    with pytest.raises(FieldError, match='"other.detections.embedding" does not exist'):
        simfind.build_index(toys, "other")


def test_overwriting_an_index_leaves_every_other_alone(toys):
    for name in ("shoes", "shoes_new", "shoes_2"):
        simfind.build_index(toys, "objects", brain_key=name)
    simfind.build_index(toys, "objects", brain_key="shoes", overwrite=True)
    assert sorted(toys.list_brain_runs()) == ["shoes", "shoes_2", "shoes_new"]
