"""Another process that works on the same database: ``python elsewhere.py``, one job in JSON on each line of its input.

FiftyOne is imported once; each job runs in a fork of its own, which says its number first and what it found last.
"""

import json
import logging
import os
import sys
import time


def build(dataset, key="simfind", **_):
    simfind.build_index(dataset, "things", brain_key=key, whiten=False, overwrite=True)


def complete(dataset, **_):
    """Give all objects vectors of another kind, index and map them, and find the neighbours of each."""
    ids = dataset.values("things.detections.id", unwind=True)
    dataset.add_sample_field("things.detections.later", fo.VectorField)
    dataset.set_label_values("things.detections.later", {i: [n % 7 + 1, n % 5, 1] for n, i in enumerate(ids)})
    simfind.build_index(dataset, "things", embeddings_field="later")
    simfind.visualize(dataset, method="pca")
    simfind.compute_neighbors(dataset, k=2, progress=False)


def known(dataset, key, **_):
    """Whether the database says anything about an index."""
    return state.load(dataset, state.run_of(dataset, key)) is not None


def reload(dataset, **_):
    _gallery.our_index(dataset, "simfind").reload()


def refresh(dataset, **_):
    simfind.refresh(dataset)


def add(dataset, vector, ids, owners, **_):
    _gallery.our_index(dataset, "simfind").add_to_index([vector] * len(ids), owners, label_ids=ids)


def save(dataset, times, **_):
    index = _gallery.our_index(dataset, "simfind")
    for _ in range(times):
        index.save()


def search(dataset, vector, **_):
    """All objects of the index by id, with their scores."""
    simfind.search(dataset, vector, k=5)
    _, ids, distances = _gallery.our_index(dataset, "simfind")._kneighbors(query=vector, return_dists=True)
    return {label_id: 1 - distance for label_id, distance in zip(ids, distances, strict=True)}


def status(dataset, **_):
    return simfind.status(dataset).up_to_date


def delete(dataset, **_):
    dataset.delete_brain_run("simfind")


def hold(dataset, vector, seconds, **_):
    """Search, wait while another process goes on, and read the same rows again."""
    rows = dataset.load_brain_results("simfind").rows
    before = rows.vectors.copy()
    say("ready")
    time.sleep(seconds)
    return bool((rows.vectors == before).all())


def say(what):
    os.write(OUT, (json.dumps(what) + "\n").encode())


def work(job):
    """Run a job in this process, and say what came of it: its result, or an error; and all warnings."""
    os.setsid()
    warned = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warned.append(record.getMessage())
    logging.getLogger().addHandler(handler)
    say(os.getpid())
    try:
        if "home" in job:
            fo.config.database_dir = job["home"]
        result = globals()[job.pop("job")](fo.load_dataset(job.pop("dataset")), **job)
        say({"result": result, "warnings": warned})
    except Exception as error:
        say({"error": f"{type(error).__name__}: {error}", "warnings": warned})


OUT = os.dup(1)
os.dup2(2, 1)  # whatever else is printed is no part of what is said

if __name__ == "__main__":
    import fiftyone as fo
    import fiftyone.core.odm as foo

    import fiftyone_simfind as simfind
    from fiftyone_simfind import _gallery, _index, _refresh, _search  # noqa: F401  (imported when they are first used)
    from fiftyone_simfind.backend import state

    fo.list_datasets()
    say("here")
    for line in sys.stdin:
        number = os.fork()
        if not number:
            foo.database._disconnect()
            work(json.loads(line))
            os._exit(0)
        say({"ended": os.waitid(os.P_PID, number, os.WEXITED | os.WNOWAIT).si_status})
        sys.stdin.readline()  # until then the number belongs to no other process
        os.waitpid(number, 0)
    os._exit(0)  # FiftyOne would delete datasets that the caller still uses
