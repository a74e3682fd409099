"""An index that follows its dataset step by step is the one that would be built from scratch."""

import itertools

import fiftyone as fo
import fiftyone.brain as fob
import numpy as np
import pytest
from bson import ObjectId

import fiftyone_simfind  # noqa: F401  (makes the backend known)
from fiftyone_simfind.backend import changes, home

DIM = 12
QUERIES = np.random.default_rng(8).standard_normal((3, DIM))


def things(rng, count):
    return [thing(rng) for _ in range(count)]


def thing(rng):
    vector = rng.standard_normal(DIM).astype(np.float32) if rng.random() < 0.9 else None
    label = [None, "a", "b", "c", "ångström"][rng.integers(5)]
    return fo.Detection(label=label, bounding_box=[*rng.uniform(0, 0.5, 2), 0.3, 0.3], embedding=vector)


def sample(rng, **more):
    name = f"/images/{rng.integers(1 << 60)}.png"
    kept = {} if rng.random() < 0.1 else {"things": fo.Detections(detections=things(rng, rng.integers(0, 6)))}
    return fo.Sample(filepath=name, **kept, **more)


@pytest.fixture
def dataset():
    rng = np.random.default_rng(1)
    made = fo.Dataset()
    made.add_samples([sample(rng) for _ in range(25)], dynamic=True, progress=False)
    yield made
    made.delete()


def build(dataset, key, field="things", **options):
    return fob.compute_similarity(
        dataset, patches_field=field, embeddings="embedding", brain_key=key, backend="simfind", **options
    )


def state_of(index):
    """Ids, samples, labels and lengths of all rows, and the scores of some queries, in the order of the ids."""
    rows = index.rows
    living = rows.living
    ids = list(zip(rows.ids(living).tolist(), rows.sample_ids(living).tolist(), strict=True))
    order = sorted(range(len(ids)), key=ids.__getitem__)
    table = rows.table
    facts = [(*ids[i], rows.labels(living[[i]])[0], int(table.stamps[living[i]])) for i in order]
    scores = np.zeros((len(ids), len(QUERIES)))
    for column, query in enumerate(index.home.whitening().apply(QUERIES) if index.home.whitening() else QUERIES):
        unit = (query / np.linalg.norm(query)).astype(np.float32)
        found, of_found = rows.nearest(unit, max(len(living), 1))
        place = {row: n for n, row in enumerate(living[order].tolist())}
        scores[[place[row] for row in found.tolist()], column] = of_found
    norms = table.norms[living][order]
    waiting = zip(table.pending.tolist(), table.samples[table.pending_rows].tolist(), strict=True)
    return facts, scores, norms, sorted(waiting)


def same(index, fresh):
    facts, scores, norms, waiting = state_of(index)
    expected = state_of(fresh)
    assert facts == expected[0]
    assert scores == pytest.approx(expected[1], abs=2e-6)
    assert norms == pytest.approx(expected[2])
    assert waiting == expected[3]


class Walk:
    """Random steps of a user."""

    def __init__(self, dataset, seed):
        self.dataset, self.rng = dataset, np.random.default_rng(seed)

    def some(self, full=True):
        found = [s for s in self.dataset if not full or (s.things is not None and s.things.detections)]
        return found[self.rng.integers(len(found))]

    def step(self):
        steps = [name for name in dir(self) if name.startswith("do_")]
        name = steps[self.rng.integers(len(steps))]
        getattr(self, name)()
        return name

    def do_add_an_object(self):
        one = self.some()
        one.things.detections.insert(0, thing(self.rng))
        one.save()

    def do_remove_an_object(self):
        one = self.some()
        one.things.detections.pop(int(self.rng.integers(len(one.things.detections))))
        one.save()

    def do_edit_a_vector(self):
        one = self.some()
        one.things.detections[-1].embedding = self.rng.standard_normal(DIM).astype(np.float32)
        one.save()

    def do_scale_a_vector(self):
        one = self.some()
        if one.things.detections[0].embedding is not None:
            one.things.detections[0].embedding = one.things.detections[0].embedding * np.float32(3)
            one.save()

    def do_take_a_vector_away(self):
        one = self.some()
        one.things.detections[0].embedding = None
        one.save()

    def do_make_a_vector_nothing(self):
        one = self.some()
        one.things.detections[0].embedding = np.zeros(DIM, np.float32)
        one.save()

    def do_edit_a_label(self):
        one = self.some()
        one.things.detections[0].label = ["a", "new", None][self.rng.integers(3)]
        one.save()

    def do_edit_a_box(self):
        one = self.some()
        one.things.detections[0].bounding_box = [0.1, 0.2, 0.3, float(self.rng.uniform(0.1, 0.5))]
        one.save()

    def do_add_samples(self):
        self.dataset.add_samples([sample(self.rng) for _ in range(3)], dynamic=True, progress=False)

    def do_remove_samples(self):
        if len(self.dataset) > 15:
            self.dataset.delete_samples([self.some(full=False).id for _ in range(2)])

    def do_tag(self):
        self.dataset.limit(5).tag_samples(str(self.rng.integers(9)))

    def do_empty_a_sample(self):
        one = self.some()
        one.things = None
        one.save()

    def do_move_an_object(self):
        one, other = self.some(), self.some()
        if one.id != other.id:
            other.things.detections.append(one.things.detections.pop())
            one.save()
            other.save()

    def do_copy_a_sample(self):
        document = self.dataset._sample_collection.find_one({"filepath": self.some().filepath})
        self.dataset.add_samples([fo.Sample.from_dict({**document, "_id": None})], progress=False)

    def do_set_vectors_in_bulk(self):
        view = self.dataset.skip(2).limit(4)
        ids = view.values("things.detections.id")
        view.set_values(
            "things.detections.embedding",
            [[self.rng.standard_normal(DIM).astype(np.float32) for _ in some or ()] for some in ids],
        )

    def do_delete_labels(self):
        self.dataset.delete_labels(ids=[self.some().things.detections[0].id])


@pytest.mark.parametrize(
    ("seed", "whiten", "clean", "dead"),
    [(1, False, 100_000, 0.1), (2, False, 0, 0.1), (3, False, 0, 0.9), (4, True, 0, 0.3), (5, True, 100_000, 0.1)],
)
def test_every_step_leads_to_the_index_built_from_scratch(dataset, monkeypatch, seed, whiten, clean, dead):
    monkeypatch.setattr(changes, "ALWAYS_CLEAN", clean)
    monkeypatch.setattr(changes, "MAX_DEAD", dead)
    monkeypatch.setattr(home, "DRIFT", 9.0)
    index, walk, names = build(dataset, "walk", whiten=whiten), Walk(dataset, seed), []
    metric = index.home.whitening()
    for _ in range(32):
        names.append(walk.step())
        index.reload()
        fresh = build(dataset, "scratch")
        if metric is not None:
            fresh.home.rebuild(use=metric)
        same(index, fresh)
        dataset.delete_brain_run("scratch")
    assert len(set(names)) > 10


def test_rows_are_appended_and_cleaned_away_in_turn(dataset, monkeypatch):
    monkeypatch.setattr(changes, "ALWAYS_CLEAN", 0)
    monkeypatch.setattr(changes, "MAX_DEAD", 0.2)
    index, names, dead = build(dataset, "walk"), [], []
    for turn in range(30):
        one = dataset.match(fo.ViewField("things.detections").length() > 0).skip(turn % 9).first()
        one.things.detections[0].embedding = np.random.default_rng(turn).standard_normal(DIM)
        one.save()
        index.reload()
        names.append(index.rows.sidecar.matrices.name)
        dead.append(1 - index.rows.table.alive.mean())
    assert 1 < len(set(names)) < 10
    assert 0.1 < max(dead) <= 0.2


@pytest.mark.parametrize("missing", ["all", "some"])
def test_samples_of_which_nobody_knows_when_they_were_modified_are_read_again(dataset, missing):
    index = build(dataset, "walk")
    chosen = dataset.values("id")[:: 1 if missing == "all" else 3]
    for one in dataset.select(chosen):
        if one.things is not None:
            for detection in one.things.detections:
                detection.embedding = np.ones(DIM, np.float32)
            one.save()
    dataset._sample_collection.update_many(
        {"_id": {"$in": [ObjectId(i) for i in chosen]}}, {"$unset": {"last_modified_at": 1}}
    )
    index.reload()
    same(index, build(dataset, "scratch"))


def test_nothing_is_read_where_nothing_changed(dataset, monkeypatch):
    index = build(dataset, "walk")
    read = []
    batches = index._source.batches
    monkeypatch.setattr(index._source, "batches", lambda samples=None: read.append(len(samples)) or batches(samples))
    one = dataset.first()
    one.tags.append("seen")
    one.save()
    index.reload()
    index.reload()
    assert sum(read) == 1


def test_all_slices_of_a_grouped_dataset_are_followed():
    rng = np.random.default_rng(3)
    dataset = fo.Dataset()
    dataset.add_group_field("group", default="left")
    samples = []
    for _ in range(8):
        group = fo.Group()
        samples += [sample(rng, group=group.element(name)) for name in ("left", "right")]
    dataset.add_samples(samples, dynamic=True, progress=False)
    every = dataset.select_group_slices(["left", "right"])
    index = build(every, "walk")
    for name in ("left", "right"):
        one = next(s for s in dataset.select_group_slices(name) if s.things is not None and s.things.detections)
        one.things.detections[0].embedding = rng.standard_normal(DIM).astype(np.float32)
        one.save()
        index.reload()
        same(index, build(every, "scratch"))
        dataset.delete_brain_run("scratch")
    dataset.delete()


@pytest.mark.parametrize("kind", ["Detection", "Polylines"])
def test_other_kinds_of_labels_are_followed(kind):
    rng = np.random.default_rng(3)
    makers = {
        "Detection": lambda v: fo.Detection(label="a", bounding_box=[0, 0, 1, 1], embedding=v),
        "Polylines": lambda v: fo.Polylines(
            polylines=[fo.Polyline(label="a", points=[[(0, 0), (1, 1), (0, 1)]], embedding=v) for _ in range(2)]
        ),
    }
    dataset = fo.Dataset()
    samples = [fo.Sample(filepath=f"/{n}.png") for n in range(9)]
    for one in samples[:7]:
        one["things"] = makers[kind](rng.standard_normal(DIM).astype(np.float32))
    dataset.add_samples(samples, dynamic=True, progress=False)
    index = build(dataset, "walk")
    assert index.total_index_size == (14 if kind == "Polylines" else 7)
    for row, change in itertools.product((0, 8), (1, 2)):
        one = dataset.skip(row).first()
        one["things"] = makers[kind](rng.standard_normal(DIM).astype(np.float32)) if change == 1 else None
        one.save()
        index.reload()
        same(index, build(dataset, "scratch"))
        dataset.delete_brain_run("scratch")
    dataset.delete()


def test_an_index_may_lose_all_its_objects_and_get_others(dataset):
    index = build(dataset, "walk")
    dataset.clear_sample_field("things")
    index.reload()
    assert index.total_index_size == 0
    dataset.add_samples([sample(np.random.default_rng(9)) for _ in range(9)], progress=False)
    index.reload()
    same(index, build(dataset, "scratch"))


def test_an_index_may_lose_all_its_samples_and_get_others(dataset):
    index = build(dataset, "walk")
    dataset.delete_samples(dataset.values("id"))
    index.reload()
    assert index.total_index_size == 0
    dataset.add_samples([sample(np.random.default_rng(9)) for _ in range(9)], progress=False)
    index.reload()
    same(index, build(dataset, "scratch"))


def test_objects_of_a_sample_that_was_copied_are_two_rows_whatever_is_modified(dataset):
    one = next(s for s in dataset if s.things is not None and len(s.things.detections) > 1)
    document = dataset._sample_collection.find_one({"filepath": one.filepath})
    (copy,) = dataset.add_samples([fo.Sample.from_dict({**document, "_id": None})], progress=False)
    index = build(dataset, "walk")
    for some in ([one.id], [copy], [one.id, copy]):
        dataset.select(some).tag_samples(f"seen {len(some)} {some[0]}")
        index.reload()
        same(index, build(dataset, "scratch"))
        dataset.delete_brain_run("scratch")
