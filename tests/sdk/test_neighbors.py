import json
import subprocess
import sys

import fiftyone as fo
import numpy as np
import pandas as pd
import pytest

import fiftyone_simfind as simfind
from fiftyone_simfind import NeighborTable
from fiftyone_simfind.errors import BrainRunError, FieldError, OptionError, PackageError, QueryError
from fiftyone_simfind.testing import TOYS


@pytest.fixture
def table(indexed):
    return simfind.compute_neighbors(indexed, k=3)


def same(one, other):
    """Whether two tables say the same."""
    names = ("label_ids", "sample_ids", "labels", "neighbors", "scores")
    arrays = all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "scores")
        and getattr(one, name).dtype == getattr(other, name).dtype
        for name in names
    )
    return arrays and one.facts == other.facts


RULES = [
    {},
    {"scope": "same_class"},
    {"scope": "other_classes"},
    {"exclude_same_image": True},
    {"min_score": 0.9},
    {"scope": "other_classes", "exclude_same_image": True, "min_score": 0.2},
]


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("part", ["dataset", "view", "patches"])
def test_an_object_s_neighbours_are_what_a_search_for_it_finds(indexed, rules, part):
    samples = {"dataset": indexed, "view": indexed[1:], "patches": indexed.to_patches("objects")[1:7]}[part]
    table = simfind.compute_neighbors(samples, k=4, **rules)
    assert len(table) == {"dataset": 8, "view": 6, "patches": 6}[part]
    for label_id, label in zip(table.label_ids.tolist(), table.labels, strict=True):
        if label is None and "scope" in rules:
            assert table.of(label_id) == []
            continue
        found = simfind.search(samples, label_id, k=4, **rules)
        neighbors = table.of(label_id)
        assert [n.label_id for n in neighbors] == found.ids
        assert [n.score for n in neighbors] == found.scores
        assert [(n.sample_id, n.label) for n in neighbors] == [(m.sample_id, m.label) for m in found]


def test_the_neighbours_of_the_toys_are_those_at_the_next_angles(table, ids):
    mug = table.of(ids[0])
    assert [n.label_id for n in mug] == [ids[1], ids[2], ids[3]]
    assert [n.score for n in mug] == pytest.approx(np.cos(np.deg2rad([10, 20, 30])))


def test_each_row_belongs_to_one_object(table, indexed):
    assert table.label_ids.tolist() == indexed.values("objects.detections.id", unwind=True)
    assert table.labels.tolist() == [label for _, label, _ in TOYS]
    assert table.sample_ids.tolist() == [indexed.values("id")[image] for image, _, _ in TOYS]
    assert (table.neighbors != np.arange(8)[:, None]).all()


def test_an_object_that_the_table_does_not_know_is_named(table):
    with pytest.raises(QueryError, match='"nothing" is not among the 8 objects of this table'):
        table.of("nothing")


def test_near_duplicates_are_each_pair_once_and_the_best_first(table, ids):
    pairs = table.near_duplicates(0.98)  # less than 11.5 degrees
    expected = {(ids[i], ids[i + 1]) for i in range(4)}
    assert set(zip(pairs.label_id, pairs.other_id, strict=True)) == expected
    assert pairs.score.is_monotonic_decreasing
    assert pairs.columns.tolist() == [
        "label_id",
        "sample_id",
        "label",
        "other_id",
        "other_sample_id",
        "other_label",
        "score",
    ]


def test_a_pair_is_found_though_only_one_of_them_has_the_other(indexed, ids):
    table = simfind.compute_neighbors(indexed, k=1)
    assert table.of(ids[4])[0].label_id == ids[3]
    pairs = table.near_duplicates(0.9)
    assert (ids[4], ids[5]) in set(zip(pairs.label_id, pairs.other_id, strict=True))
    assert len(table.near_duplicates(-1)) == len({frozenset(p) for p in enumerate(table.neighbors[:, 0].tolist())})


def test_outliers_are_those_least_like_their_nearest(table, ids):
    strange = table.outliers(3)
    assert strange.label_id.tolist() == [ids[7], ids[6], ids[5]]  # 90, 30 and 20 degrees from the nearest
    assert strange.nearest_id.tolist() == [ids[6], ids[5], ids[4]]
    assert strange.score.tolist() == pytest.approx(np.cos(np.deg2rad([90, 30, 20])), abs=1e-6)


def test_objects_that_nothing_is_like_are_the_first_outliers(indexed, ids):
    strange = simfind.compute_neighbors(indexed, min_score=0.9).outliers()
    assert strange.label_id.tolist()[:2] == [ids[6], ids[7]]
    assert strange.nearest_id.isna().tolist() == [True, True] + [False] * 6
    assert strange.score.isna().sum() == 2


def test_objects_without_a_label_are_no_outliers_of_a_class(indexed, ids):
    strange = simfind.compute_neighbors(indexed, scope="same_class").outliers()
    assert len(strange) == 7
    assert ids[5] not in set(strange.label_id)


def test_the_table_is_found_again_with_the_dataset(indexed, table):
    assert same(simfind.load_neighbors(indexed), table)
    assert same(simfind.load_neighbors(indexed[:1]), table)


def test_another_process_finds_it_too(indexed, table, ids):
    code = (
        "import fiftyone as fo, fiftyone_simfind as simfind; "
        f"table = simfind.load_neighbors(fo.load_dataset({indexed.name!r})); "
        f"print('FOUND', [n.label_id for n in table.of({ids[0]!r})], table.rules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert f"FOUND {[n.label_id for n in table.of(ids[0])]} {table.rules}" in done.stdout, done.stderr


def test_a_later_table_takes_the_place_of_the_earlier(indexed, table):
    later = simfind.compute_neighbors(indexed[:2], k=2, scope="same_class")
    assert same(simfind.load_neighbors(indexed), later)
    assert indexed.list_runs() == ["simfind_neighbors"]


def test_the_run_says_what_it_is(indexed, table):
    config = indexed.get_run_info("simfind_neighbors").config
    assert (config.method, config.brain_key, config.patches_field) == ("simfind_neighbors", "simfind", "objects")
    assert config.rules == {"k": 3, "scope": "all", "exclude_same_image": False, "min_score": None}


def test_a_table_that_failed_loses_no_earlier_one(indexed, table, monkeypatch):
    monkeypatch.setattr(fo.Dataset, "save_run_results", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        simfind.compute_neighbors(indexed, k=1)
    assert same(simfind.load_neighbors(indexed), table)
    monkeypatch.undo()
    simfind.compute_neighbors(indexed, k=1)
    assert indexed.list_runs() == ["simfind_neighbors"]


def test_a_run_that_is_someone_else_s_is_left_alone(indexed):
    indexed.register_run("simfind_neighbors", indexed.init_run(method="theirs"))
    with pytest.raises(BrainRunError, match='has a run "simfind_neighbors" that simfind did not make'):
        simfind.compute_neighbors(indexed)
    assert indexed.get_run_info("simfind_neighbors").config.method == "theirs"


def test_a_table_that_is_not_there_is_named(indexed):
    with pytest.raises(BrainRunError, match=r'no table of neighbours for the index "simfind"; make one with simfind\.'):
        simfind.load_neighbors(indexed)


def test_a_table_stays_as_it_was_when_the_dataset_changes(indexed, table, ids):
    indexed.delete_samples(indexed.first().id)
    assert ids[0] in set(simfind.load_neighbors(indexed).label_ids)


def test_a_file_gives_the_table_back(table, tmp_path):
    table.save(tmp_path / "neighbours")
    assert [path.name for path in tmp_path.iterdir()] == ["neighbours"]
    assert same(NeighborTable.load(tmp_path / "neighbours"), table)


def test_a_file_that_could_not_be_written_leaves_the_earlier_one(table, tmp_path, monkeypatch):
    table.save(tmp_path / "neighbours.npz")
    monkeypatch.setattr(np, "savez", lambda file, **arrays: file.write(b"half") / 0)
    with pytest.raises(ZeroDivisionError):
        table.save(tmp_path / "neighbours.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["neighbours.npz"]
    assert same(NeighborTable.load(tmp_path / "neighbours.npz"), table)


@pytest.mark.parametrize("content", ["text", "arrays", "version"])
def test_a_file_of_something_else_is_named(table, tmp_path, content):
    path = tmp_path / "other"
    if content == "text":
        path.write_text("label_id,score")
    else:
        facts = json.dumps({"format": "simfind neighbours 999"})
        arrays = {"facts": np.array(facts)} if content == "version" else {"scores": np.ones(3)}
        np.savez(path.open("wb"), **arrays)
    with pytest.raises(OptionError, match='other" holds no table of neighbours; give a file that NeighborTable.save'):
        NeighborTable.load(path)


def expected_rows(table):
    return [
        (label_id, table.labels[row], rank, neighbor.label_id, neighbor.label, neighbor.score)
        for row, label_id in enumerate(table.label_ids.tolist())
        for rank, neighbor in enumerate(table.of(label_id), start=1)
    ]


COLUMNS = ["label_id", "label", "rank", "neighbor_id", "neighbor_label", "score"]


@pytest.fixture(params=[2, 10_000])
def chunked(request, monkeypatch):
    monkeypatch.setattr("fiftyone_simfind._neighbor_files.CHUNK", request.param)


@pytest.mark.parametrize("how", ["dataframe", "csv", "parquet"])
def test_the_long_form_has_a_row_for_each_neighbour(indexed, tmp_path, chunked, how):
    table = simfind.compute_neighbors(indexed, min_score=0.2)
    if how == "dataframe":
        frame = table.to_dataframe()
    elif how == "csv":
        table.to_csv(tmp_path / "table")
        frame = pd.read_csv(tmp_path / "table")
    else:
        import polars as pl

        table.to_parquet(tmp_path / "table")
        frame = pd.DataFrame(pl.read_parquet(tmp_path / "table").to_dicts())
    assert frame.columns.tolist() == COLUMNS
    expected = expected_rows(table)
    assert len(frame) == len(expected) > 8
    for row, values in zip(frame.itertuples(index=False), expected, strict=True):
        *found, score = [None if isinstance(value, float) and np.isnan(value) else value for value in row]
        assert tuple(found) == values[:-1]
        assert score == pytest.approx(values[-1], rel=1e-7)


def test_the_document_names_each_object_with_its_neighbours(table, tmp_path, chunked):
    table.to_json(tmp_path / "table.json")
    document = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert {name: document[name] for name in table.facts} == table.facts
    assert [entry["label_id"] for entry in document["objects"]] == table.label_ids.tolist()
    for entry in document["objects"]:
        neighbors = [(n.label_id, n.score) for n in table.of(entry["label_id"])]
        assert [(n["label_id"], n["score"]) for n in entry["neighbors"]] == neighbors


def test_without_polars_the_error_says_how_to_get_it(table, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(PackageError, match="writing Parquet needs polars, .* run: pip install polars"):
        table.to_parquet(tmp_path / "table")


def written(dataset, attribute):
    """An attribute of all objects, in order."""
    return [value for of_image in dataset.values(f"objects.detections.{attribute}") for value in of_image]


def test_the_neighbours_can_be_written_onto_the_objects(indexed, ids):
    table = simfind.compute_neighbors(indexed, k=2, min_score=0.5, neighbors_field="near")
    near = written(indexed, "near")
    assert near == [[n.label_id for n in table.of(i)] for i in ids]
    assert near[-1] == []
    assert written(indexed, "near_scores") == [[n.score for n in table.of(i)] for i in ids]


def test_what_was_written_can_be_replaced_and_removed(indexed, ids):
    simfind.compute_neighbors(indexed, k=2, neighbors_field="near")
    simfind.compute_neighbors(indexed[:1], k=5, neighbors_field="near")
    assert written(indexed, "near") == [[ids[1]], [ids[0]]] + [None] * 6
    indexed.delete_sample_field("objects.detections.near")
    assert not indexed.has_sample_field("objects.detections.near")


def test_many_objects_are_written_in_batches(indexed, ids, monkeypatch):
    monkeypatch.setattr("fiftyone_simfind._neighbors.BATCH", 3)
    table = simfind.compute_neighbors(indexed, neighbors_field="near")
    assert written(indexed, "near") == [[n.label_id for n in table.of(i)] for i in ids]


@pytest.mark.parametrize("taken", ["near", "near_scores"])
def test_an_attribute_that_holds_something_else_is_left_alone(indexed, taken):
    indexed.set_values(f"objects.detections.{taken}", [["mine"] * 2] * 4, dynamic=True)
    with pytest.raises(FieldError, match=f'"{taken}" of "objects.detections" holds something else than neighbours'):
        simfind.compute_neighbors(indexed, neighbors_field="near")
    assert not indexed.list_runs()


@pytest.mark.parametrize("taken", ["near", "near_scores"])
def test_an_attribute_that_is_not_declared_is_left_alone(indexed, taken):
    sample = indexed.last()
    sample.objects.detections[0][taken] = ["mine"]
    sample.save()
    with pytest.raises(FieldError, match=f'"{taken}" of "objects.detections" holds something else than neighbours'):
        simfind.compute_neighbors(indexed, neighbors_field="near")
    assert not indexed.list_runs()


def test_options_may_be_numbers_of_numpy(indexed):
    table = simfind.compute_neighbors(indexed, min_score=np.float32(0.5), exclude_same_image=np.bool_(True))
    assert same(table, simfind.compute_neighbors(indexed, min_score=0.5, exclude_same_image=True))
    assert same(table, simfind.load_neighbors(indexed))


def test_a_view_without_objects_gives_an_empty_table(indexed, tmp_path):
    table = simfind.compute_neighbors(indexed[4:])
    assert len(table) == 0
    assert table.to_dataframe().columns.tolist() == COLUMNS
    assert len(table.near_duplicates()) == len(table.outliers()) == 0
    table.to_json(tmp_path / "empty")
    assert json.loads((tmp_path / "empty").read_text())["objects"] == []
    table.to_csv(tmp_path / "empty")
    assert pd.read_csv(tmp_path / "empty").columns.tolist() == COLUMNS
    table.to_parquet(tmp_path / "empty")
    assert same(simfind.load_neighbors(indexed), table)


def test_progress_is_shown_in_objects(indexed):
    bars = []
    simfind.compute_neighbors(indexed, progress=lambda bar: bars.append(bar.iteration))
    assert bars


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(k=0), "k=0 must be a whole number of at least 1"),
        (dict(scope="some"), 'scope="some" must be one of'),
        (dict(min_score=2), r"min_score=2 must lie in \[-1, 1\]"),
        (dict(neighbors_field="a.b"), 'neighbors_field="a.b" must be letters'),
    ],
)
def test_options_out_of_range_are_refused(indexed, options, message):
    with pytest.raises(OptionError, match=message):
        simfind.compute_neighbors(indexed, **options)


def test_questions_out_of_range_are_refused(table):
    with pytest.raises(OptionError, match=r"min_score=1.5 must lie in \[-1, 1\]"):
        table.near_duplicates(1.5)
    with pytest.raises(OptionError, match="count=0 must be a whole number of at least 1"):
        table.outliers(0)


def test_an_index_that_is_not_there_is_named(toys):
    with pytest.raises(BrainRunError, match='"simfind" is no brain run of dataset'):
        simfind.compute_neighbors(toys)


def test_an_empty_index_says_how_it_gets_objects(indexed):
    indexed.clear_sample_field("objects")
    simfind.refresh(indexed)
    with pytest.raises(BrainRunError, match=r'the index "simfind" of "objects" is empty: .* then simfind.refresh'):
        simfind.compute_neighbors(indexed)
