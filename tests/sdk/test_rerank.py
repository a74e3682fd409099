"""A second look at the crops of the best matches."""

import csv
import os

import fiftyone as fo
import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind import _rerank
from fiftyone_simfind._query import Query
from fiftyone_simfind._rules import Found
from fiftyone_simfind.errors import OptionError, QueryError
from fiftyone_simfind.numerics import parts as pt
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics.parts import Part
from fiftyone_simfind.testing import FakeDetector

COUNT = 12
RNG = np.random.default_rng(51)
ANGLES = np.sort(RNG.uniform(0, 170, COUNT))  # of the vectors in the index, in degrees; the first is the query
COLORS = RNG.integers(20, 235, (COUNT, 3))  # of the objects, RGB


class Colors(FakeDetector):
    """Sees an object's mean colour, less grey, so that cosines spread; counts the boxes it looks at."""

    def __init__(self, name="colors"):
        super().__init__(name=name)
        self.looked = 0

    def embed(self, images, boxes):
        self.looked += sum(map(len, boxes))
        found = super().embed(images, boxes)
        away = [vectors - 0.5 for vectors in found]
        return [(v / np.linalg.norm(v, axis=1, keepdims=True)).astype(np.float32) for v in away]


@pytest.fixture(autouse=True)
def _empty_cache():
    _rerank._cache.clear()


@pytest.fixture
def painted(tmp_path):
    """Six images with a left and a right object each; rows as in ``ANGLES`` and ``COLORS``."""
    samples = []
    for number in range(COUNT // 2):
        pixels = np.zeros((20, 40, 3), np.uint8)
        pixels[:, :20], pixels[:, 20:] = COLORS[2 * number], COLORS[2 * number + 1]
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        objects = []
        for row in (2 * number, 2 * number + 1):
            angle = np.deg2rad(ANGLES[row])
            vector = np.array([np.cos(angle), np.sin(angle)], np.float32)
            box = [0.5 * (row % 2), 0, 0.5, 1]
            objects.append(fo.Detection(label="ab"[row % 2], bounding_box=box, embedding=vector))
        samples.append(fo.Sample(filepath=str(tmp_path / f"{number}.png"), objects=fo.Detections(detections=objects)))
    dataset = fo.Dataset()
    dataset.add_samples(samples, progress=False)
    dataset.add_sample_field("objects.detections.embedding", fo.VectorField)
    simfind.build_index(dataset, "objects")
    yield dataset
    dataset.delete()


@pytest.fixture
def ids(painted):
    return painted.values("objects.detections.id", unwind=True)


def index_cosines(query=0):
    return np.cos(np.deg2rad(ANGLES - ANGLES[query]))


def crop_vectors():
    """What ``Colors`` sees of each object; OpenCV's order of the channels changes no cosine."""
    vectors = COLORS / np.linalg.norm(COLORS, axis=1, keepdims=True) - 0.5
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def index_vectors():
    return np.stack([np.cos(np.deg2rad(ANGLES)), np.sin(np.deg2rad(ANGLES))], axis=1)


def fused(rows, queries=None):
    """What re-ranking should order some rows by: for each network the cosines as standard scores, and the shares of the
    neighbours that they have in common with the query, as far as it is to be trusted."""
    said = 0
    for vectors, query in zip((index_vectors(), crop_vectors()), queries or (0, 0), strict=True):
        query = vectors[query] if isinstance(query, int) else query / np.linalg.norm(query)
        pool = np.vstack([query, vectors[rows]])
        near = [set(np.argsort(-row)[:11].tolist()) for row in pool @ pool.T]
        shared = np.array([len(near[0] & other) / len(near[0] | other) for other in near])
        trust, cosines = shared[list(near[0])].mean(), vectors[rows] @ query
        said = said + trust * (cosines / cosines.std() + shared[1:])
    return said


def test_the_order_is_that_of_both_networks(painted, ids):
    rows = np.arange(1, COUNT)
    expected = rows[np.argsort(-fused(rows))]
    results = simfind.search(painted, ids[0], rerank=Colors())
    assert results.ids == [ids[row] for row in expected]
    assert results.ids != simfind.search(painted, ids[0]).ids


def test_scores_are_in_the_order_of_the_matches_and_the_query_s_is_1(painted, ids):
    results = simfind.search(painted, ids[0], include_query=True, rerank=Colors())
    assert results.scores == sorted(results.scores, reverse=True)
    assert results.ids[0] == ids[0]
    assert results.scores[0] == pytest.approx(1, abs=1e-5)
    assert results.query[0].score == pytest.approx(1, abs=1e-5)


def test_only_the_best_of_the_index_are_looked_at(painted, ids):
    colors = Colors()
    first = simfind.search(painted, ids[0], k=4)
    again = simfind.search(painted, ids[0], k=4, rerank=colors, rerank_depth=4)
    assert set(again.ids) == set(first.ids)
    assert colors.looked == 5


def test_the_cut_to_k_comes_after_the_second_look(painted, ids):
    everything = simfind.search(painted, ids[0], rerank=Colors())
    assert simfind.search(painted, ids[0], k=3, rerank=Colors()).ids == everything.ids[:3]


def test_never_fewer_than_k_are_looked_at(painted, ids):
    assert len(simfind.search(painted, ids[0], k=9, rerank=Colors(), rerank_depth=1)) == 9


def test_one_match_per_image_is_the_index_s(painted, ids):
    plain = simfind.search(painted, ids[0], one_per_image=True)
    again = simfind.search(painted, ids[0], one_per_image=True, rerank=Colors())
    assert sorted(again.ids) == sorted(plain.ids)


def test_a_minimum_score_is_the_index_s(painted, ids):
    least = index_cosines()[6] - 1e-4
    results = simfind.search(painted, ids[0], min_score=least, rerank=Colors())
    assert sorted(results.ids) == sorted(ids[1:7])


def test_nothing_found_leaves_nothing_to_order(painted, ids):
    assert len(simfind.search(painted, ids[0], classes=["zebra"], rerank=Colors())) == 0


def test_reverse_gives_the_least_similar_first(painted, ids):
    forward = simfind.search(painted, ids[0], rerank=Colors())
    backward = simfind.search(painted, ids[0], rerank=Colors(), reverse=True)
    assert backward.ids == forward.ids[::-1]


def test_other_rules_hold_as_without_a_second_look(painted, ids):
    options = dict(scope="same_class", exclude_same_image=True)
    plain = simfind.search(painted.limit(4), ids[0], **options)
    assert sorted(simfind.search(painted.limit(4), ids[0], rerank=Colors(), **options).ids) == sorted(plain.ids)


def test_negatives_push_away_in_the_crops_too(painted, ids):
    rows = np.arange(1, COUNT)
    targets = [vectors[0] - 0.5 * vectors[5] for vectors in (index_vectors(), crop_vectors())]
    expected = rows[np.argsort(-fused(rows, targets))]
    assert simfind.search(painted, ids[0], negatives=ids[5], rerank=Colors()).ids == [ids[row] for row in expected]


@pytest.mark.parametrize("role", ["query", "negatives"])
def test_a_deleted_object_has_no_crop_to_search_by(painted, ids, role):
    painted.delete_labels(ids=[ids[0]])
    asked = {"query": ids[1], role: ids[0]}
    assert simfind.search(painted, **asked)
    with pytest.raises(QueryError, match=f'object "{ids[0]}" was deleted since the index was made, .*leave rerank out'):
        simfind.search(painted, **asked, rerank=Colors())


def test_emphasis_is_read_off_the_query():
    nothing = Found([], [], [], np.empty(0, np.float32), np.empty((0, 4), np.float32))
    example = vx.normalize([[1.0, 2.0, 0.0, 2.0]])
    emphasized = pt.emphasize(example[0], [Part("look", 0, 2), Part("kind", 2, 4)], {"look": 3.0})
    plain, emphasis = _rerank._emphasis(Query(emphasized, nothing._replace(vectors=example), nothing))
    np.testing.assert_allclose(vx.normalize(plain * emphasis), emphasized, atol=1e-6)
    assert emphasis[1] / emphasis[3] == pytest.approx(3)
    as_it_is = _rerank._emphasis(Query(plain, nothing._replace(vectors=example), nothing))
    assert as_it_is[1].tolist() == [1, 1, 1, 1]


def test_a_patches_view_can_be_sorted_with_a_second_look(painted, ids):
    view = simfind.sort_by_similarity(painted, ids[0], rerank=Colors(), k=5)
    assert view.values("id") == simfind.search(painted, ids[0], rerank=Colors(), k=5).ids


# The cache


def test_a_crop_is_looked_at_once(painted, ids):
    colors = Colors()
    simfind.search(painted, ids[0], rerank=colors)
    assert colors.looked == COUNT
    simfind.search(painted, ids[3], rerank=colors)
    assert colors.looked == COUNT


def test_an_edited_box_is_looked_at_again(painted, ids):
    colors = Colors()
    simfind.search(painted, ids[0], rerank=colors)
    sample = painted.first()
    sample.objects.detections[1].bounding_box = [0.6, 0, 0.4, 1]
    sample.save()
    simfind.search(painted, ids[0], rerank=colors)
    assert colors.looked == COUNT + 1


def test_a_changed_image_is_looked_at_again(painted, ids):
    colors = Colors()
    simfind.search(painted, ids[0], rerank=colors)
    os.utime(painted.first().filepath, ns=(1, 1))
    simfind.search(painted, ids[0], rerank=colors)
    assert colors.looked == COUNT + 2


def test_another_network_looks_for_itself(painted, ids):
    simfind.search(painted, ids[0], rerank=Colors())
    other = Colors("other")
    simfind.search(painted, ids[0], rerank=other)
    assert other.looked == COUNT


def test_the_cache_is_bounded(painted, ids, monkeypatch):
    monkeypatch.setattr(_rerank, "MAX_CACHED", 5)
    expected = simfind.search(painted, ids[0], rerank=Colors()).ids
    assert len(_rerank._cache) == 5
    assert simfind.search(painted, ids[0], rerank=Colors()).ids == expected


# What cannot be looked at


def test_an_image_that_is_gone_leaves_its_objects_to_the_index(painted, ids):
    os.remove(painted.last().filepath)
    results = simfind.search(painted, ids[0], rerank=Colors())
    assert sorted(results.ids) == sorted(ids[1:])
    with_them = simfind.search(painted, ids[0], rerank=Colors(), rerank_depth=COUNT - 3, k=COUNT - 3)
    assert [i for i in results.ids if i not in ids[-2:]][0] == with_them.ids[0]


def test_a_query_whose_image_is_gone_says_so(painted, ids):
    os.remove(painted.first().filepath)
    with pytest.raises(QueryError, match=f'the crop of object "{ids[0]}" cannot be looked at'):
        simfind.search(painted, ids[0], rerank=Colors())


@pytest.mark.parametrize("query", [dict(query=[1.0, 0.0]), dict(query=0, negatives=[1.0, 0.0])])
def test_a_vector_has_no_crop(painted, ids, query):
    query["query"] = ids[0] if query["query"] == 0 else query["query"]
    with pytest.raises(OptionError, match="looks at crops, and a vector has none; search by label ids, or leave"):
        simfind.search(painted, **query, rerank=Colors())


def test_crops_that_cancel_out_say_so(painted, ids):
    class Opposite(Colors):
        def embed(self, images, boxes):
            return [np.array([[1 - 2 * (box[0] > 0), 0] for box in of], np.float32) for of in boxes]

    with pytest.raises(QueryError, match="the vectors of the query's crops cancel out"):
        simfind.search(painted, [ids[0], ids[1]], rerank=Opposite("opposite"))


@pytest.mark.parametrize("depth", [0, 1.5, None])
def test_a_depth_out_of_range_is_refused(painted, ids, depth):
    with pytest.raises(OptionError, match="rerank_depth=.* must be a whole number of at least 1"):
        simfind.search(painted, ids[0], rerank=Colors(), rerank_depth=depth)


# With real networks


def test_a_network_from_torch_s_cache_embeds_and_looks_again(painted, ids, tmp_path, monkeypatch):
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.manual_seed(51)
    weights = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), weights)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    report = simfind.embed(painted, "objects", model="resnet18", embeddings_field="resnet")
    assert (report.objects, report.model.partition(" ")[0]) == (COUNT, "resnet18")
    simfind.build_index(painted, "objects", embeddings_field="resnet", brain_key="resnet")
    assert len(simfind.search(painted, ids[0], brain_key="resnet", k=COUNT)) == COUNT - 1
    assert len(simfind.search(painted, ids[0], k=COUNT, rerank="resnet18")) == COUNT - 1
    stored = dict(zip(ids, painted.values("objects.detections.resnet", unwind=True), strict=True))
    for (_, label_id, *_), vector in _rerank._cache.items():
        np.testing.assert_allclose(vector, stored[label_id], atol=1e-4)


@pytest.mark.shared
def test_on_real_photos_a_second_look_is_about_as_good_as_the_better_of_the_two(shared_data):
    dataset = fo.Dataset()
    try:
        label_ids = _coco(dataset, shared_data / "data" / "coco", photos=40)
        mobilenet = f"mobilenet_v2:{shared_data / 'weights' / 'mobilenet_v2.pth'}"
        simfind.embed(dataset, "boxes", model=shared_data / "weights" / "yolo11n.pt")
        simfind.build_index(dataset, "boxes")
        simfind.embed(dataset, "boxes", model=mobilenet, embeddings_field="mobilenet")
        simfind.build_index(dataset, "boxes", embeddings_field="mobilenet", brain_key="crops")
        index, crops, both = (
            _precision(dataset, label_ids, **options)
            for options in ({}, dict(brain_key="crops"), dict(rerank=mobilenet))
        )
        print(f"index {index:.3f}, crops {crops:.3f}, both {both:.3f}, {len(label_ids)} queries")
        assert both >= max(index, crops) - 0.03  # 0.01 on all 320 photos; a few queries decide here
    finally:
        dataset.delete()


def _coco(dataset, folder, photos):
    samples = {}
    with open(folder / "labels.csv", newline="") as file:
        for row in csv.DictReader(file):
            path = str(folder / row["file"])
            if path not in samples and len(samples) < photos:
                samples[path] = fo.Sample(filepath=path, boxes=fo.Detections(), size=Image.open(path).size)
            if path in samples and row["iscrowd"] == "0":
                width, height = samples[path]["size"]
                box = [float(row[key]) / side for key, side in zip("xywh", (width, height) * 2, strict=True)]
                samples[path].boxes.detections.append(fo.Detection(label=row["class"], bounding_box=box))
    dataset.add_samples(list(samples.values()), progress=False)
    return dataset.values("boxes.detections.id", unwind=True)


def _precision(dataset, label_ids, **options):
    hits = []
    for label_id in label_ids:
        results = simfind.search(dataset, label_id, k=1, exclude_same_image=True, **options)
        hits.append(results[0].label == results.query[0].label)
    return np.mean(hits)
