"""Grouped datasets: two slices of images, of which neither is special, and one of point clouds."""

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind import _fields, _paging
from fiftyone_simfind._vendors import Engine
from fiftyone_simfind.errors import CollectionError, FieldError
from fiftyone_simfind.testing import FakeDetector

GROUPS = 6


@pytest.fixture
def groups(tmp_path):
    """Six groups, of whose slices "left" is the active one; the point clouds have boxes in "objects" as well."""
    rng = np.random.default_rng(51)
    dataset = fo.Dataset()
    dataset.add_group_field("group", default="left")
    for number in range(GROUPS):
        group = fo.Group()
        samples = []
        for side in ("left", "right"):
            path = tmp_path / f"{side}-{number}.png"
            Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)).resize((80, 60)).save(path)
            samples.append(fo.Sample(filepath=str(path), group=group.element(side)))
        solid = fo.Detection(label="left", location=[0, 0, 0], dimensions=[1, 1, 1], rotation=[0, 0, 0])
        cloud = fo.Sample(filepath=str(tmp_path / f"{number}.pcd"), group=group.element("cloud"))
        cloud["objects"] = fo.Detections(detections=[solid])
        dataset.add_samples([*samples, cloud], progress=False)
    yield dataset
    dataset.delete()


@pytest.fixture(params=["right", "images"])
def shown(groups, request):
    """The slice that is not the active one; and all slices of images."""
    if request.param == "right":
        return groups.select_group_slices("right")
    return groups.select_group_slices(media_type="image")


@pytest.fixture
def found(shown):
    """The same with objects, and an index of them."""
    fill(shown)
    simfind.build_index(shown, "things")
    return shown


def fill(view, **options):
    return simfind.detect(view, label_field="things", model=FakeDetector(), progress=False, **options)


def count(view, path="things.detections"):
    return view.count(path)


def some_id(view):
    return view.last().things.detections[0].id


def test_objects_are_found_in_the_images_that_are_given(groups, shown):
    report = fill(shown)
    assert (report.images, report.objects) == (shown.count(), 3 * shown.count())
    assert count(groups.select_group_slices(media_type="image")) == 3 * shown.count()


def test_a_second_run_finds_everything_done(shown):
    fill(shown)
    assert fill(shown).already_done == shown.count()


def test_objects_of_another_model_are_not_mixed_in(groups, shown):
    fill(shown)
    with pytest.raises(FieldError, match="was detected with model='fake', now 'other'"):
        simfind.detect(groups.select_group_slices("left"), label_field="things", model=FakeDetector(name="other"))


def test_vectors_of_another_model_are_not_mixed_in(groups, shown):
    fill(shown)
    with pytest.raises(FieldError, match="holds vectors of fake, not of other"):
        simfind.embed(shown, "things", model=FakeDetector(name="other"))


def test_vectors_of_another_model_do_not_stay_in_another_slice(groups):
    fill(groups.select_group_slices(media_type="image"))
    with pytest.raises(FieldError, match="would leave vectors of fake on objects outside this view"):
        simfind.embed(groups.select_group_slices("left"), "things", model=FakeDetector(name="other"), overwrite=True)


def test_detect_overwrites(shown):
    fill(shown)
    before = shown.values("things.detections.id", unwind=True)
    assert fill(shown, overwrite=True).images == shown.count()
    assert set(before).isdisjoint(shown.values("things.detections.id", unwind=True))


def test_embed_overwrites(shown):
    fill(shown)
    report = simfind.embed(shown, "things", model=FakeDetector(name="other"), overwrite=True, progress=False)
    assert report.objects == 3 * shown.count()


def test_patches_are_embedded(shown):
    fill(shown)
    some = shown.limit(2).to_patches("things")
    assert simfind.embed(some, "things", model=FakeDetector(), embeddings_field="more").objects == 6


def test_the_index_is_up_to_date(found):
    stands = simfind.status(found)
    assert (stands.indexed, stands.up_to_date) == (3 * found.count(), True)


def test_point_clouds_have_nothing_to_index(groups, shown):
    simfind.embed(shown, "objects", model=FakeDetector())
    for sample in shown.iter_samples(autosave=True):
        sample["objects"] = fo.Detections(detections=[fo.Detection(label="a", bounding_box=[0, 0, 1, 1])])
    simfind.embed(shown, "objects", model=FakeDetector())
    simfind.build_index(shown, "objects")
    assert simfind.status(groups).up_to_date
    assert simfind.refresh(groups).objects == shown.count()


def test_refresh_embeds_what_is_edited_and_new(found):
    sample = found.last()
    sample.things.detections[0].bounding_box = [0.1, 0.1, 0.2, 0.2]
    sample.things.detections.append(fo.Detection(label="new", bounding_box=[0.3, 0.3, 0.4, 0.4]))
    sample.save()
    before = simfind.status(found)
    assert (before.edited, before.new) == (1, 1)
    after = simfind.refresh(found, model=FakeDetector(), progress=False)
    assert (after.edited, after.new, after.up_to_date) == (0, 0, True)


@pytest.mark.parametrize("given", ["view", "dataset"])
def test_each_match_is_shown_beside_its_score(groups, found, given):
    results = simfind.search(found if given == "view" else groups, some_id(found), k=5)
    assert len(results) == 5
    assert results.view().values("id") == results.ids
    assert set(results.ids) <= set(found.values("things.detections.id", unwind=True))


@pytest.mark.parametrize("given", ["view", "dataset"])
def test_scores_are_written_onto_the_matches_alone(groups, found, given):
    samples = found if given == "view" else groups
    asked = some_id(found)
    for k in (4, 2):
        view = simfind.sort_by_similarity(samples, asked, k=k, score_field="score")
        scores = view.values("things.score", unwind=True)
        assert scores == simfind.search(samples, asked, k=k).scores
        assert count(found, "things.detections.score") == k
    assert simfind.clear_scores(samples, "things", "score") == 2


def test_groups_that_a_view_shows_are_searched_in_its_active_slice(groups):
    images = groups.select_group_slices(media_type="image")
    fill(images)
    simfind.build_index(images, "things")
    some = groups.limit(3)
    for name in ("left", "right"):
        groups.group_slice = name
        results = simfind.search(some, some_id(images), k=50, include_query=True)
        assert set(results.ids) == set(some.values("things.detections.id", unwind=True))
        assert results.view().values("id") == results.ids


def test_groups_are_taken_as_the_images_in_all_of_their_slices(groups):
    every = groups.select_group_slices(media_type="image")
    report = fill(groups)
    assert (report.images, count(every)) == (2 * GROUPS, 6 * GROUPS)
    assert simfind.embed(groups, "things", model=FakeDetector(), embeddings_field="again").objects == 6 * GROUPS
    simfind.build_index(groups, "things")
    assert simfind.status(groups).indexed == 6 * GROUPS
    assert simfind.search(groups, some_id(every), k=5).ids == simfind.search(every, some_id(every), k=5).ids
    simfind.visualize(groups, method="pca")
    assert simfind.map_points(groups).total == 6 * GROUPS
    assert len(simfind.compute_neighbors(groups, k=2)) == 6 * GROUPS
    assert simfind.evaluate(groups, k=1, exclude_same_image=False).to_dict()


def test_some_groups_are_taken_as_their_images(groups):
    assert fill(groups.limit(2)).images == 4


def test_images_of_groups_can_be_shown_as_patches(groups):
    fill(groups)
    assert len(simfind.images(groups).to_patches("things")) == 6 * GROUPS


def test_groups_that_have_no_images_are_refused(groups):
    with pytest.raises(CollectionError, match=r"is grouped by a field in this view; .*samples.flatten\(\)"):
        fill(groups.select_group_slices("left").group_by("filepath"))
    for side in ("left", "right"):
        groups.delete_group_slice(side)
    with pytest.raises(CollectionError, match=r"has groups of \['point-cloud'\]; only images .* Add a slice of images"):
        fill(groups)


def test_an_object_without_a_vector_is_told_from_one_that_is_not_there(found):
    sample = found.last()
    sample.things.detections.append(fo.Detection(label="new", bounding_box=[0.3, 0.3, 0.4, 0.4]))
    sample.save()
    with pytest.raises(simfind.QueryError, match="has no vector; run simfind.embed"):
        simfind.search(found, sample.things.detections[-1].id)


def test_neighbours_are_written_onto_the_objects(found):
    table = simfind.compute_neighbors(found, k=2, neighbors_field="near", progress=False)
    simfind.compute_neighbors(found, k=1, neighbors_field="near", progress=False)
    assert len(table) == 3 * found.count()
    assert {len(near) for near in found.values("things.detections.near", unwind=1)[0]} == {1}


def test_the_map_shows_all_objects(found):
    simfind.visualize(found, method="pca")
    shown = simfind.map_points(found)
    assert (shown.total, shown.missing) == (3 * found.count(), 0)
    assert shown.view(slice(None)).values("id") == found.values("things.detections.id", unwind=True)


def test_retrieval_is_measured(found):
    report = simfind.evaluate(found, progress=False)
    assert report.objects == 3 * found.count()


def test_an_index_learns_from_labels(found):
    before = simfind.search(found, some_id(found), k=5).scores
    simfind.fit_metric(found, "label")
    assert simfind.search(found, some_id(found), k=5).scores != pytest.approx(before)


def test_brains_own_backend_holds_all_objects(found):
    asked = some_id(found)
    expected = simfind.search(found, asked, k=5)
    simfind.build_index(found, "things", brain_key="brain", backend="sklearn")
    results = simfind.search(found, asked, k=5, brain_key="brain")
    assert results.ids == expected.ids
    assert results.scores == pytest.approx(expected.scores, abs=1e-5)


def test_a_vector_database_holds_all_objects(groups, found, tmp_path, monkeypatch):
    pytest.importorskip("lancedb")
    asked = some_id(found)
    expected = simfind.search(found, asked, k=5)
    simfind.build_index(found, "things", brain_key="lance", backend="lancedb", uri=str(tmp_path / "lance"))
    results = simfind.search(found, asked, k=5, brain_key="lance")
    assert results.ids == expected.ids
    assert results.view().values("id") == results.ids
    for name in ("FIRST", "PATIENCE", "FAR"):  # the database is told at once which objects are of a class
        monkeypatch.setattr(_paging, name, 0)
    rules = dict(k=5, classes=["bottom"], include_query=True)
    results = simfind.search(groups, asked, brain_key="lance", **rules)
    assert results.ids == simfind.search(groups, asked, **rules).ids
    simfind.delete_index(found, brain_key="lance")


def test_any_engine_gives_the_nearest_of_the_objects_that_are_named(found):
    index = simfind.build_index(found, "things", brain_key="brain", backend="sklearn")
    named = found.last().things.detections
    nearest = Engine(index).nearest(named[1].embedding, 2, [named[0].id, named[1].id])
    assert nearest == [named[1].id, named[0].id]


@pytest.mark.parametrize("given", ["view", "dataset"])
def test_the_overview_tells_of_all_images(groups, found, given):
    told = simfind.overview(found if given == "view" else groups)
    assert told.samples == 2 * GROUPS
    assert told.field("things").objects == 3 * found.count()
    assert told.field("things").unseen == 2 * GROUPS - found.count()


def test_a_deleted_index_is_gone(groups, found):
    simfind.delete_index(found)
    assert groups.list_brain_runs() == []


def test_a_heat_map_is_written_onto_the_image_of_its_match(shown):
    last = shown.last()
    _fields.write_heatmap(shown, "why", last.id, np.eye(3, dtype=np.float32))
    assert shown.last().why.map.shape == (3, 3)
    assert shown.count("why") == 1


def test_stored_vectors_are_compared_with_those_of_a_model(found):
    models = {"stored": "field:embedding", "fake": FakeDetector()}
    report = simfind.compare(found, "things", models=models, progress=False)
    assert report.objects == 3 * found.count()


def test_whole_images_are_objects(shown):
    assert simfind.whole_images(shown) == shown.count()
    simfind.embed(shown, "whole", model=FakeDetector())
    simfind.build_index(shown, "whole")
    assert len(simfind.search(shown, shown.last().whole.detections[0].id, k=50)) == shown.count() - 1
