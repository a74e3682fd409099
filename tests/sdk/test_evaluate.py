import math

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind.errors import BrainRunError, FieldError, OptionError
from fiftyone_simfind.testing import TOYS


@pytest.fixture
def report(indexed):
    return simfind.evaluate(indexed, k=(1, 3))


def slow(k, map_k):
    """The means over the toys, one query after the other: no two of other images are equally far."""
    rows = []
    for i, (image, label, angle) in enumerate(TOYS):
        others = [j for j in range(len(TOYS)) if TOYS[j][0] != image]
        others.sort(key=lambda j: (round(-math.cos(math.radians(TOYS[j][2] - angle)), 6), j))
        hits = [TOYS[j][1] == label for j in others]
        if label is None or not any(hits):
            continue
        ap = sum(sum(hits[: r + 1]) / (r + 1) for r in range(min(map_k, len(hits))) if hits[r]) / min(sum(hits), map_k)
        rows.append((i, sum(hits[:k]) / k, sum(hits[:k]) / sum(hits), ap, any(hits[:k]), hits.index(True) + 1))
    return rows


def test_each_query_is_measured_as_by_hand(report, ids):
    table = report.to_dataframe()
    expected = slow(3, 100)
    assert table.label_id.tolist() == [ids[row[0]] for row in expected]
    assert table["P@3"].tolist() == [row[1] for row in expected]
    assert table["recall@3"].tolist() == [row[2] for row in expected]
    assert table["AP@100"].tolist() == pytest.approx([row[3] for row in expected], abs=1e-12)
    assert table["hit@3"].tolist() == [row[4] for row in expected]
    assert table["first_hit"].tolist() == [row[5] for row in expected]
    assert table["label"].tolist() == [TOYS[row[0]][1] for row in expected]


def test_the_overall_measures_are_the_means_over_the_queries(report):
    table = report.to_dataframe()
    assert report.means["P@3"] == pytest.approx(table["P@3"].mean())
    assert report.means["mAP@100"] == pytest.approx(table["AP@100"].mean())
    assert report.means["CMC@3"] == pytest.approx(table["hit@3"].mean())
    assert report.means["P@1"] == report.means["CMC@1"] == report.means["mAP@1"]


def test_the_classes_make_up_the_whole(report):
    classes = report.per_class()
    assert classes.index.tolist() == ["mug", "vase"]
    for name, mean in report.means.items():
        assert np.average(classes[name], weights=classes.queries) == pytest.approx(mean)


def test_what_search_finds_first_is_what_is_measured(indexed, report):
    first = [simfind.search(indexed, i, k=1, exclude_same_image=True)[0].label for i in report.label_ids.tolist()]
    right = [found == label for found, label in zip(first, report.labels, strict=True)]
    assert report.scores["P@1"].tolist() == [float(r) for r in right]


def test_objects_without_the_attribute_are_no_queries_but_counted(report):
    assert (report.objects, report.without_attribute, report.without_relevant, report.queries) == (8, 1, 0, 7)


def test_objects_to_which_nothing_is_relevant_are_no_queries_but_counted(indexed):
    last = indexed.last()
    alone = next(d for d in last.objects.detections if d.label == "vase")
    alone.label = "jug"
    last.save()
    report = simfind.evaluate(indexed)
    assert report.without_relevant == 1
    assert alone.id not in report.label_ids


def test_the_query_s_own_image_can_be_let_in(indexed):
    # The nearest of the mug at 0 degrees is the vase at 10 in the same image, and in others the mug at 20.
    first = indexed.first().objects.detections[0].id
    alone = simfind.evaluate(indexed, k=1).to_dataframe().set_index("label_id")
    together = simfind.evaluate(indexed, k=1, exclude_same_image=False).to_dataframe().set_index("label_id")
    assert (alone.loc[first, "P@1"], together.loc[first, "P@1"]) == (1, 0)


def test_a_view_is_a_world_of_its_own(indexed, ids):
    report = simfind.evaluate(indexed[:2])
    assert report.objects == 4
    assert set(report.label_ids) <= set(ids[:4])
    assert report.relevant.max() == 2


def test_a_patches_view_can_be_evaluated(indexed):
    mugs = indexed.to_patches("objects").match(fo.ViewField("objects.label") == "mug")
    report = simfind.evaluate(mugs, k=1)
    assert (report.objects, report.means["P@1"]) == (4, 1.0)


def test_any_attribute_can_say_what_is_alike(indexed):
    for name, values in {
        "number": [1, 2, 1, 2, 1, 2, 1, 2],
        "good": [True, False] * 4,
        "word": list("abababab"),
    }.items():
        rows = iter(values)
        for sample in indexed:
            for detection in sample.objects.detections:
                detection[name] = next(rows)
            sample.save()
        report = simfind.evaluate(indexed, label_attr=name, k=1)
        assert (report.queries, len(report.per_class())) == (8, 2)


def test_an_attribute_may_be_missing_on_objects_and_objects_on_images(indexed):
    for sample in indexed[:2]:
        sample.objects.detections[0]["owner"] = "me"
        sample.save()
    indexed.add_sample(fo.Sample(filepath="empty.png"))
    report = simfind.evaluate(indexed, label_attr="owner")
    assert (report.queries, report.without_attribute) == (2, 6)


def test_fewer_queries_are_a_seeded_choice(indexed):
    few = simfind.evaluate(indexed, queries=3)
    again = simfind.evaluate(indexed, queries=3)
    assert few.queries == 3
    assert few.label_ids.tolist() == again.label_ids.tolist()
    assert few.without_relevant == 0
    whole = simfind.evaluate(indexed).to_dataframe().set_index("label_id")
    assert few.to_dataframe()["AP@100"].tolist() == whole.loc[few.label_ids, "AP@100"].tolist()


def test_the_rows_of_the_correspondence_sum_to_one(report):
    table = report.correspondence()
    assert table.index.tolist() == ["mug", "vase"]
    assert table.columns.tolist() == ["mug", "vase", "(none)"]
    np.testing.assert_allclose(table.sum(axis=1), 1)


@pytest.mark.parametrize("k", [1, 3])
def test_the_diagonal_of_the_correspondence_is_precision(report, k):
    table = report.correspondence(k)
    precision = report.per_class()[f"P@{k}"]
    assert [table.loc[name, name] for name in precision.index] == pytest.approx(precision.tolist())


def test_small_classes_can_be_shown_as_one(report):
    table = report.correspondence(max_classes=1)
    assert table.index.tolist() == ["mug", "(others)"]
    np.testing.assert_allclose(table.sum(axis=1), 1)


def test_no_more_neighbours_than_were_looked_at_can_correspond(report):
    with pytest.raises(OptionError, match=r"k=4 must lie in \[1, 3\]; run simfind.evaluate with a larger k"):
        report.correspondence(4)


def test_cmc_grows_with_the_rank(report):
    assert len(report.cmc) == 100
    assert (np.diff(report.cmc) >= 0).all()
    assert report.cmc[[0, 2]].tolist() == pytest.approx([report.means["CMC@1"], report.means["CMC@3"]])
    assert report.cmc[-1] == 1


def test_the_worst_queries_come_first(indexed, report):
    table = report.to_dataframe().set_index("label_id")
    worst = report.worst(4)
    assert len(worst) == 4
    assert table.loc[worst, "AP@100"].is_monotonic_increasing
    assert table["AP@100"].min() == table.loc[worst[0], "AP@100"]
    assert len(indexed.to_patches("objects").select(worst)) == 4


def test_a_report_reads_as_a_small_table(report):
    lines = str(report).splitlines()
    assert lines[0].split() == ["k=1", "k=3", "k=100"]
    assert lines[1].split() == ["P@k", f"{report.means['P@1']:.3f}", f"{report.means['P@3']:.3f}"]
    assert lines[3].split()[-1] == f"{report.means['mAP@100']:.3f}"
    assert lines[-1] == '7 queries among 8 objects by "label"; 1 objects have no "label"'


def test_the_heat_map_names_every_class(report, tmp_path):
    figure = report.plot(tmp_path / "map.png")
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["mug", "vase"]
    with Image.open(tmp_path / "map.png") as picture:
        assert min(picture.size) > 300


def test_eighty_classes_stay_readable(artifacts):
    report = many_classes(80)
    report.plot(artifacts / "correspondence-80.png")
    with Image.open(artifacts / "correspondence-80.png") as picture:
        assert min(picture.size) > 80 * 20  # pixels for each name


def many_classes(count):
    """A report on made-up neighbours."""
    from fiftyone_simfind._measures import Classes, Cutoffs, per_query
    from fiftyone_simfind._reports import RetrievalReport
    from fiftyone_simfind.numerics import retrieval

    rng = np.random.default_rng(51)
    codes = np.repeat(np.arange(count), 5)
    vectors = (np.eye(count)[codes] + rng.normal(0, 0.22, (len(codes), count))).astype(np.float32)
    ranks, cutoffs = retrieval.rank_all(vectors, codes, depth=10), Cutoffs.of((1, 5), 10)
    names = [f"class number {i}" for i in range(count)]
    return RetrievalReport(
        brain_key="simfind",
        label_attr="label",
        cutoffs=cutoffs,
        objects=len(codes),
        without_attribute=0,
        without_relevant=0,
        label_ids=np.array([f"{i:024x}" for i in range(len(codes))]),
        classes=Classes(names, codes),
        neighbors=codes[ranks.neighbors[:, :5]],
        neighbor_ids=np.array([[b"%012d" % row for row in rows] for rows in ranks.neighbors[:, :5].tolist()]),
        neighbor_scores=ranks.scores[:, :5],
        relevant=ranks.relevant,
        first_hits=retrieval.first_hits(ranks.hits),
        scores=per_query(ranks, cutoffs),
    )


def test_an_index_that_is_not_there_is_named(toys):
    with pytest.raises(BrainRunError, match='"simfind" is no brain run of dataset'):
        simfind.evaluate(toys)


def test_an_attribute_that_no_object_has_is_named(indexed):
    with pytest.raises(FieldError, match='has an attribute "color"; those in the schema are .*"?label'):
        simfind.evaluate(indexed, label_attr="color")


def test_an_attribute_that_cannot_name_a_class_is_refused(indexed):
    with pytest.raises(FieldError, match=r'"embedding" holds array.* of type ndarray; give an attribute of strings'):
        simfind.evaluate(indexed, label_attr="embedding")


def test_nothing_alike_cannot_be_measured(indexed):
    view = indexed[:1]
    with pytest.raises(FieldError, match="no two objects of different images have the same .*exclude_same_image=False"):
        simfind.evaluate(view)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(k=0), "k=0 must be whole numbers of at least 1"),
        (dict(k=(1, 2.5)), r"k=\(1, 2.5\) must be whole numbers"),
        (dict(k=()), r"k=\(\) must be whole numbers"),
        (dict(map_k=0), "map_k=0 must be whole numbers"),
        (dict(queries=0), "queries=0 must be a whole number of at least 1, or None"),
    ],
)
def test_options_out_of_range_are_refused(indexed, options, message):
    with pytest.raises(OptionError, match=message):
        simfind.evaluate(indexed, **options)
