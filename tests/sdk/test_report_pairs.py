"""The pairs behind a cell of the correspondence, and reports that are kept."""

import json
import math

import fiftyone as fo
import numpy as np
import pytest

import fiftyone_simfind as simfind
from fiftyone_simfind import OptionError, RetrievalReport
from fiftyone_simfind.testing import TOYS


@pytest.fixture
def report(indexed):
    return simfind.evaluate(indexed, k=(1, 3))


def slow(ids, query_class, neighbor_class, k):
    """The pairs of the toys, one query after the other."""
    pairs = []
    for i, (image, label, angle) in enumerate(TOYS):
        others = [j for j in range(len(TOYS)) if TOYS[j][0] != image]
        others.sort(key=lambda j: (round(-math.cos(math.radians(TOYS[j][2] - angle)), 6), j))
        for rank, j in enumerate(others[:k], 1):
            if (label, TOYS[j][1]) == (query_class, neighbor_class):
                pairs.append((ids[i], ids[j], math.cos(math.radians(TOYS[j][2] - angle)), rank))
    return sorted(pairs, key=lambda pair: (-round(pair[2], 6), pair[3]))


@pytest.mark.parametrize("k", [1, 2, 3, None])
@pytest.mark.parametrize("neighbor_class", ["mug", "vase", None])
@pytest.mark.parametrize("query_class", ["mug", "vase"])
def test_pairs_are_those_that_are_found_by_hand(report, ids, query_class, neighbor_class, k):
    expected = slow(ids, query_class, neighbor_class, k or 3)
    found = report.pairs(query_class, neighbor_class or "(none)", k)
    assert {pair[:2] + pair[3:] for pair in found} == {pair[:2] + pair[3:] for pair in expected}
    assert [pair.score for pair in found] == pytest.approx([pair[2] for pair in expected], abs=1e-6)
    assert all(isinstance(pair.rank, int) and isinstance(pair.score, float) for pair in found)


def test_a_pair_has_the_score_and_the_rank_of_a_search(indexed, report):
    pairs = report.pairs("mug", "vase")
    assert pairs
    for pair in pairs:
        results = simfind.search(indexed, pair.query, exclude_same_image=True)
        place = results.ids.index(pair.neighbor)
        assert (place + 1, results.scores[place]) == (pair.rank, pytest.approx(pair.score, abs=1e-6))


def test_the_cells_of_the_correspondence_are_shares_of_the_pairs(report):
    table = report.correspondence()
    for query_class in table.index:
        counts = [len(report.pairs(query_class, other)) for other in table.columns]
        assert table.loc[query_class].tolist() == pytest.approx([count / sum(counts) for count in counts])


def test_most_similar_pairs_come_first(report):
    scores = [pair.score for pair in report.pairs("mug", "mug")]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) > 2


def test_fewer_neighbours_than_asked_for_are_no_pairs(indexed):
    report = simfind.evaluate(indexed, k=50)
    assert len(report.pairs("mug", "mug")) == len(
        slow(indexed.values("objects.detections.id", unwind=True), "mug", "mug", 50)
    )


def test_a_class_that_is_not_there_is_named(report):
    with pytest.raises(OptionError, match=r"'cup' is no class of \"label\" here; they are 'mug', 'vase'"):
        report.pairs("cup", "mug")
    with pytest.raises(OptionError, match="'cup' is no class"):
        report.pairs("mug", "cup")
    with pytest.raises(OptionError, match=r"k=4 must lie in \[1, 3\]"):
        report.pairs("mug", "mug", k=4)


def test_classes_need_not_be_words(indexed):
    numbers = [TOYS[row][1] == "mug" for row in range(8)]
    indexed.add_sample_field("objects.detections.is_mug", fo.BooleanField)
    label_ids = indexed.values("objects.detections.id", unwind=True)
    indexed.set_label_values("objects.detections.is_mug", dict(zip(label_ids, numbers, strict=True)))
    report = simfind.evaluate(indexed, label_attr="is_mug", k=2)
    assert len(report.pairs(True, True)) + len(report.pairs(True, False)) == 8
    assert RetrievalReport.from_dict(json.loads(json.dumps(report.to_dict()))).pairs(True, False) == report.pairs(
        True, False
    )


def test_a_report_survives_json(report):
    again = RetrievalReport.from_dict(json.loads(json.dumps(report.to_dict())))
    assert str(again) == str(report)
    assert again.means == report.means
    assert again.to_dataframe().equals(report.to_dataframe())
    assert again.per_class().equals(report.per_class())
    assert again.correspondence().equals(report.correspondence())
    assert again.cmc.tolist() == report.cmc.tolist()
    assert again.worst() == report.worst()
    for pair in (("mug", "vase"), ("mug", "(none)"), ("vase", "vase")):
        assert again.pairs(*pair) == report.pairs(*pair)
    assert again.to_dict() == report.to_dict()


def test_a_report_on_many_queries_stays_small(report):
    rng = np.random.default_rng(51)
    count, k = 20_000, 10
    many = {
        "label_ids": np.array([f"{i:024x}" for i in rng.integers(0, 2**62, count).tolist()]),
        "classes": type(report.classes)(report.classes.names, rng.integers(0, 2, count)),
        "neighbors": rng.integers(-1, 2, (count, k)),
        "neighbor_ids": np.frombuffer(rng.bytes(12 * count * k), "S12").reshape(count, k),
        "neighbor_scores": rng.random((count, k), np.float32),
        "relevant": rng.integers(1, 500, count),
        "first_hits": rng.integers(0, 100, count),
        "scores": {name: rng.integers(0, 10, count) / 10 for name in report.scores},
    }
    stored = json.dumps(type(report)(**{**vars(report), **many}).to_dict())
    assert len(stored) < 300 * count


@pytest.mark.parametrize(
    "change", [{"format": 2}, {"arrays": {}}, {"k": [0]}, {"arrays": None}, {"names": None, "arrays": {"codes": 5}}]
)
def test_what_is_no_report_is_refused(report, change):
    with pytest.raises(OptionError, match="this is no report that to_dict gave|must be whole numbers"):
        RetrievalReport.from_dict({**report.to_dict(), **change})
    with pytest.raises(OptionError, match="run simfind.evaluate again"):
        RetrievalReport.from_dict({})
