"""A process is killed at any moment while it works on an index: nothing is lost, and no answer is wrong.

``SIMFIND_KILLS=50 pytest tests/backend/test_killed.py -s`` does it more often, and tells what came of it.
"""

import collections
import os
import time

import fiftyone as fo
import numpy as np
import pytest

import fiftyone_simfind as simfind

KILLS = int(os.environ.get("SIMFIND_KILLS", 12))
QUERY = np.random.default_rng(7).standard_normal(16)
JOBS = ("build", "reload", "add", "refresh", "save")


def expected(dataset):
    """What the vectors in the dataset make of the query, by id, in a loop."""
    query, found = QUERY / np.linalg.norm(QUERY), {}
    for objects in dataset.values("things.detections"):
        for item in objects or ():
            if item.embedding is not None:
                vector = np.asarray(item.embedding, np.float64)
                found[item.id] = float(vector @ query / np.linalg.norm(vector))
    return found


def same(found, other):
    return found.keys() == other.keys() and all(abs(found[key] - other[key]) < 2e-6 for key in other)


def change(dataset, rng):
    """Replace a vector, append an object, and remove one."""
    dataset.reload()
    some = [sample for sample in dataset if len(sample.things.detections) > 1]
    for what in rng.permutation(3)[: rng.integers(1, 4)]:
        sample = some[rng.integers(len(some))]
        vector = rng.standard_normal(16).astype(np.float32)
        if what == 0:
            sample.things.detections[0].embedding = vector
        elif what == 1:
            sample.things.detections.append(
                fo.Detection(label="a", bounding_box=[0.1, 0.1, 0.2, 0.2], embedding=vector)
            )
        elif len(sample.things.detections) > 1:
            sample.things.detections.pop(0)
        sample.save()


def options_of(job, dataset, rng):
    if job == "save":
        return {"times": 10}
    if job == "add":
        sample = list(dataset)[1 + int(rng.integers(6))]
        ids = [item.id for item in sample.things.detections]
        return {"vector": rng.standard_normal(16).tolist(), "ids": ids, "owners": [sample.id] * len(ids)}
    return {}


def test_whatever_is_killed_the_answers_are_right(crowd, elsewhere):
    rng = np.random.default_rng(int(os.environ.get("SIMFIND_SEED", 51)))
    outcomes = collections.Counter()
    simfind.build_index(crowd, "things", whiten=False)
    times = {job: duration(elsewhere, job, crowd, rng) for job in JOBS}
    elsewhere.run("reload", crowd)
    crowd.reload()
    old = expected(crowd)
    for turn in range(KILLS):
        job = JOBS[turn % len(JOBS)]
        change(crowd, rng)
        elsewhere.start(job, crowd, **options_of(job, crowd, rng))
        killed = elsewhere.kill_after(rng.uniform(0, times[job]))
        crowd.reload()
        new = expected(crowd)
        outcomes[job, outcome(elsewhere, crowd, old, new), killed] += 1
        said = elsewhere.run("refresh", crowd)
        assert "error" not in said, said
        assert elsewhere.run("status", crowd)["result"] is True
        assert same(elsewhere.run("search", crowd, vector=QUERY.tolist())["result"], new)
        old = new
    print(*sorted(outcomes.items()), sep="\n")


def duration(elsewhere, job, dataset, rng):
    """How long a job takes when nobody kills it, in seconds."""
    change(dataset, rng)
    options, begin = options_of(job, dataset, rng), time.perf_counter()
    assert "error" not in elsewhere.run(job, dataset, **options)
    return time.perf_counter() - begin


def outcome(elsewhere, dataset, old, new):
    """What a process that comes later finds."""
    said = elsewhere.run("search", dataset, vector=QUERY.tolist())
    if "is no brain run of dataset" in said.get("error", ""):  # killed while one run took the place of another
        assert elsewhere.run("build", dataset).get("error") is None
        return "no run"
    assert "error" not in said, said
    found = said["result"]
    assert same(found, old) or same(found, new), (len(found), len(old), len(new), said["warnings"])
    if any("made again" in text for text in said["warnings"]):
        return "rebuilt"
    return "old or new" if same(old, new) else "old" if same(found, old) else "new"


@pytest.mark.parametrize("lost", ["the file", "its name"])
def test_an_index_whose_results_were_lost_is_completed_when_it_is_searched(crowd, lost):
    """FiftyOne deletes the file of the results before it writes the next one, and notes its name last."""
    simfind.build_index(crowd, "things", whiten=False)
    run = crowd._doc.brain_methods["simfind"]
    run.results.fs.delete(run.results.grid_id)
    if lost == "its name":
        run.results.grid_id = None
        run.results._mark_as_changed()
        run.save()
    crowd.reload()
    crowd.clear_cache()
    found = {match.label_id: match.score for match in simfind.search(crowd, QUERY, k=1000)}
    assert same(found, expected(crowd))
    crowd.reload()
    crowd.clear_cache()
    assert crowd.load_brain_results("simfind").total_index_size == len(found)
