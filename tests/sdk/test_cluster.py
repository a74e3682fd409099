"""Verbs on a Ray cluster: two machines of one core each, as Ray sees them, beside the tests' own MongoDB."""

import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import fiftyone as fo
import numpy as np
import psutil
import pytest
from pymongo.errors import AutoReconnect

import fiftyone_simfind as simfind
from fiftyone_simfind import _cluster, _cluster_task
from fiftyone_simfind.errors import ClusterError, FieldError, OptionError, PackageError
from fiftyone_simfind.showroom import dataset as rooms
from fiftyone_simfind.testing import FakeDetector

SCENES = 24
MACHINE = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 << 20}
FAST = {"model": "showroom.pt", "image_size": 320, "engine": "torch"}


@pytest.fixture(scope="module")
def cluster():
    """The address of a cluster that this process is connected to, so that its workers live as long as the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray
        from ray.cluster_utils import Cluster

        machines = Cluster(initialize_head=True, head_node_args=MACHINE)
        machines.add_node(**MACHINE)
        ray.init(address=machines.address, log_to_driver=False, logging_level="error")
        yield machines.address
        ray.shutdown()
        machines.shutdown()


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    dataset = rooms.load(num_scenes=SCENES, folder=tmp_path_factory.mktemp("scenes"))
    yield dataset
    dataset.delete()


@pytest.fixture(scope="module")
def alone(scenes):
    """The scenes after a run on this machine."""
    dataset = scenes.clone()
    simfind.detect(dataset, **FAST)
    yield dataset
    dataset.delete()


@pytest.fixture
def fresh(scenes):
    dataset = scenes.clone()
    yield dataset
    dataset.delete()


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(_cluster, "SMALLEST_PART", 4)


def found(dataset, field="objects"):
    """What was found, by image: labels, and a row of box, confidence and vector for each object."""
    return {
        sample.filepath: (
            [d.label for d in sample[field].detections],
            np.array([[*d.bounding_box, d.confidence, *d.embedding] for d in sample[field].detections]),
        )
        for sample in dataset
    }


def assert_same(one, other):
    assert one.keys() == other.keys()
    for path, (labels, rows) in one.items():
        assert labels == other[path][0]
        np.testing.assert_allclose(rows, other[path][1], atol=1e-4)


def workers():
    """The processes of these tests' cluster that are at work on a part."""
    return [p for p in psutil.Process().children(recursive=True) if p.name().startswith("ray::simfind.")]


def test_a_cluster_finds_what_one_machine_finds(cluster, fresh, alone, small_parts):
    report = simfind.detect(fresh, cluster=cluster, **FAST)
    assert_same(found(fresh), found(alone))
    assert (report.images, report.objects) == (SCENES, fresh.count("objects.detections"))
    assert (report.already_done, report.failures) == (0, {})


def test_a_second_run_has_nothing_to_do(cluster, alone):
    before = alone.values("objects.detections.id")
    report = simfind.detect(alone, cluster=cluster, **FAST)
    assert (report.images, report.already_done) == (0, SCENES)
    assert alone.values("objects.detections.id") == before


def test_a_view_limits_the_images_on_a_cluster(cluster, fresh):
    view = fresh.skip(3).limit(5)
    assert simfind.detect(view, cluster=cluster, **FAST).images == 5
    assert [i for i, objects in enumerate(fresh.values("objects")) if objects] == list(range(3, 8))


def test_overwriting_replaces_everything_on_a_cluster(cluster, alone):
    dataset = alone.clone()
    before = set(dataset.values("objects.detections.id", unwind=True))
    report = simfind.detect(dataset, cluster=cluster, overwrite=True, **FAST)
    assert report.images == SCENES
    assert not before & set(dataset.values("objects.detections.id", unwind=True))
    dataset.delete()


def test_a_cluster_embeds_what_one_machine_embeds(cluster, alone, small_parts):
    one, many = alone.clone(), alone.clone()
    simfind.embed(one, "objects", embeddings_field="again", **FAST)
    report = simfind.embed(many, "objects", embeddings_field="again", cluster=cluster, **FAST)
    assert report.objects == one.count("objects.detections.again") > 0
    for a, b in zip(one, many, strict=True):
        for x, y in zip(a.objects.detections, b.objects.detections, strict=True):
            np.testing.assert_allclose(x.again, y.again, atol=1e-4)
    one.delete()
    many.delete()


def test_only_the_objects_that_a_view_shows_are_embedded_on_a_cluster(cluster, fresh):
    label = fresh.distinct("ground_truth.detections.label")[0]
    view = fresh.filter_labels("ground_truth", fo.ViewField("label") == label)
    report = simfind.embed(view, "ground_truth", cluster=cluster, **FAST)
    labels, vectors = fresh.values(["ground_truth.detections.label", "ground_truth.detections.embedding"], unwind=True)
    assert {a for a, v in zip(labels, vectors, strict=True) if v is not None} == {label}
    assert report.objects == labels.count(label)


def test_the_progress_is_in_images(cluster, fresh, small_parts):
    seen = []
    simfind.detect(fresh, cluster=cluster, progress=lambda bar: seen.append((bar.iteration, bar.total)), **FAST)
    assert seen[-1] == (SCENES, SCENES)
    assert len({at for at, _ in seen}) > 3


def test_a_broken_image_is_reported_and_stops_no_other_on_a_cluster(cluster, fresh, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_text("no image")
    fresh.add_sample(fo.Sample(filepath=str(broken)))
    report = simfind.detect(fresh, cluster=cluster, **FAST)
    assert list(report.failures) == [str(broken)]
    assert report.images == SCENES


def test_workers_write_samples_and_nothing_else(cluster, fresh):
    """Many machines that save the dataset's own document would undo each other's and the user's changes."""
    simfind.detect(fresh.limit(1), **FAST)
    database = fo.core.odm.get_db_conn()
    database.command("profile", 2)
    try:
        simfind.detect(fresh, cluster=cluster, **FAST)
    finally:
        database.command("profile", 0)
    updates = list(database.system.profile.find({"op": "update"}))
    database.system.profile.drop()
    samples = f"{database.name}.{fresh._sample_collection_name}"
    others = [update["command"]["u"] for update in updates if update["ns"] != samples]
    assert len(updates) - len(others) >= SCENES - 1
    fields = [field["name"] for field in database.datasets.find_one({"name": fresh.name})["sample_fields"]]
    # A process that loads a dataset twice saves how "metadata" is declared, which FiftyOne itself fills in.
    fiftyones = {"last_loaded_at", f"sample_fields.{fields.index('metadata')}"}
    assert {key for other in others for key in other["$set"]} <= fiftyones


@pytest.fixture
def many(scenes):
    """The scenes, four times each: enough that a worker writes to the database before its part is done."""
    dataset = fo.Dataset()
    dataset.add_samples([fo.Sample(filepath=path) for path in 4 * scenes.values("filepath")])
    dataset.add_sample_field("objects", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    yield dataset
    dataset.delete()


@pytest.fixture
def killed(many, monkeypatch):
    """Workers are killed as soon as something is found: their pids, and how many samples were done then."""
    monkeypatch.setattr(_cluster, "SMALLEST_PART", 2 * SCENES)
    told = []

    def kill():
        for _ in range(30_000):
            if many.exists("objects").count():
                break
            time.sleep(0.02)
        for worker in workers():
            worker.kill()
            told.append((worker.pid, many.exists("objects").count()))

    killer = threading.Thread(target=kill)
    killer.start()
    yield told
    killer.join()


def test_killed_workers_cost_nothing_but_time(cluster, many, killed, scenes):
    report = simfind.detect(many, cluster=cluster, model="showroom.pt", engine="torch")
    assert killed
    assert all(0 < done < len(many) for _, done in killed)
    assert (report.images, report.objects) == (len(many), many.count("objects.detections"))
    once = scenes.clone()
    simfind.detect(once, model="showroom.pt", engine="torch")
    for quarter in range(4):
        assert_same(found(many.skip(quarter * SCENES).limit(SCENES)), found(once))
    once.delete()


def test_a_part_whose_workers_all_die_is_given_up(cluster, many, killed, monkeypatch):
    monkeypatch.setattr(_cluster, "RETRIES", 0)
    with pytest.raises(ClusterError, match="images were given up after 1 workers: .* first of them is sample"):
        simfind.detect(many, cluster=cluster, model="showroom.pt", engine="torch")


def test_a_run_that_is_interrupted_keeps_what_is_done_and_leaves_no_worker_at_it(cluster, fresh, small_parts):
    def interrupt(bar):
        if bar.iteration:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simfind.detect(fresh, cluster=cluster, progress=interrupt, **FAST)
    for _ in range(6000):  # those at work write what they have
        if not workers():
            break
        time.sleep(0.1)
    done = fresh.exists("objects").count()
    assert not workers()
    assert 4 <= done < SCENES
    report = simfind.detect(fresh, cluster=cluster, **FAST)
    assert (report.already_done, report.images) == (done, SCENES - done)


def test_a_slice_of_a_grouped_dataset_is_done_on_a_cluster(cluster, scenes):
    grouped = fo.Dataset()
    grouped.add_group_field("group", default="left")
    for path in scenes.limit(3).values("filepath"):
        group = fo.Group()
        sides = [fo.Sample(filepath=path, group=group.element(side)) for side in ("left", "right")]
        grouped.add_samples(sides)
    view = grouped.select_group_slices("right")
    assert simfind.detect(view, cluster=cluster, **FAST).images == 3
    assert view.exists("objects").count() == 3
    assert grouped.select_group_slices("left").exists("objects").count() == 0
    grouped.delete()


# What goes wrong


def test_a_machine_that_does_not_see_the_images_says_so(cluster, fresh):
    fresh.set_values("filepath", [f"/not/mounted/{i}.jpg" for i in range(SCENES)])
    with pytest.raises(ClusterError, match='"/not/mounted" of the images does not exist.*on machine'):
        simfind.detect(fresh, cluster=cluster, **FAST)


def test_a_machine_that_does_not_reach_the_database_says_so(cluster, fresh, monkeypatch):
    real = _cluster._environment(1)
    nowhere = {**real, "FIFTYONE_DATABASE_URI": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100"}
    monkeypatch.setattr(_cluster, "_environment", lambda cores: nowhere)
    monkeypatch.setattr(_cluster, "RETRIES", 0)
    with pytest.raises(ClusterError, match="the database at .* cannot be reached.*on machine"):
        simfind.detect(fresh, cluster=cluster, **FAST)


def test_a_part_is_tried_again_when_the_database_was_gone(monkeypatch):
    """Ray does a task again that raises ``LostDatabase``, and no other."""

    def gone(*_):
        raise AutoReconnect("connection closed")

    monkeypatch.setattr(_cluster_task, "_run", gone)
    job = _cluster_task.Job("detect", "any", "objects", {"model": "showroom.pt"}, os.getcwd(), None, "db.example")
    with pytest.raises(_cluster_task.LostDatabase, match="database at db.example cannot be reached: connection closed"):
        _cluster_task.do(job, None)


def test_a_machine_that_sees_another_database_says_so(cluster, fresh, monkeypatch):
    other = {**_cluster._environment(1), "FIFTYONE_DATABASE_NAME": "simfind_tests_other"}
    monkeypatch.setattr(_cluster, "_environment", lambda cores: other)
    with pytest.raises(ClusterError, match=f'has no dataset "{fresh.name}"'):
        simfind.detect(fresh, cluster=cluster, **FAST)


def test_a_machine_with_other_weights_of_the_same_name_says_so(cluster, fresh, monkeypatch):
    monkeypatch.setattr(_cluster_task, "digest", lambda model: "0123")
    with pytest.raises(ClusterError, match='"showroom.pt".*do not exist, as they do where the run was started'):
        simfind.detect(fresh, cluster=cluster, **FAST)


def test_the_error_of_a_worker_is_the_one_that_one_machine_gives(cluster, fresh, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_text("no image")
    fresh.set_values("filepath", [str(broken)] * SCENES)
    with pytest.raises(Exception, match="broken.jpg"):
        simfind.detect(fresh, cluster=cluster, skip_failures=False, **FAST)


def test_machines_elsewhere_cannot_use_a_database_of_this_one(cluster, fresh, monkeypatch):
    monkeypatch.setattr(_cluster.socket, "gethostname", lambda: "the-users-laptop")
    with pytest.raises(ClusterError, match="cannot reach the database at 127.0.0.1.*FIFTYONE_DATABASE_URI"):
        simfind.detect(fresh, cluster=cluster, **FAST)


def test_a_cluster_takes_a_model_by_name_only(fresh):
    with pytest.raises(OptionError, match="cannot be sent to other machines"):
        simfind.detect(fresh, model=FakeDetector(), cluster="local")
    assert not fresh.has_field("objects")


@pytest.mark.parametrize("address", ["ray://127.0.0.1:9", "127.0.0.1:9"])
def test_where_no_cluster_answers_nothing_is_lost(alone, address, monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    before = alone.values("objects.detections.id")
    with pytest.raises(ClusterError, match=f'cluster="{address}" cannot be reached'):
        simfind.detect(alone, cluster=address, overwrite=True, **FAST)
    assert alone.values("objects.detections.id") == before


def test_a_worker_has_one_gpu(fresh):
    with pytest.raises(OptionError, match='device="cuda:1"'):
        _cluster.require("local", model="showroom.pt", device="cuda:1")


@pytest.mark.parametrize("address", [True, "", 3])
def test_an_address_is_a_text(address):
    with pytest.raises(OptionError, match=f"cluster={address!r} must be"):
        _cluster.require(address, model="showroom.pt", device=None)


def test_without_ray_the_error_says_what_to_install(fresh, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PackageError, match=r'pip install "fiftyone-simfind\[ray\]"'):
        simfind.detect(fresh, cluster="local", **FAST)


def test_mixing_is_refused_before_the_cluster_is_asked(alone):
    with pytest.raises(FieldError, match="was detected with"):
        simfind.detect(alone, confidence_thresh=0.5, cluster="ray://nowhere:1", **FAST)


# How the work is shared out


def machines(*resources):
    return SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": r} for r in resources])


@pytest.mark.parametrize(
    ("resources", "device", "needs", "workers"),
    [
        ([{"CPU": 2.0}], None, {"num_cpus": 2}, 1),
        ([{"CPU": 64.0}], None, {"num_cpus": 8}, 8),
        ([{"CPU": 12.0}], None, {"num_cpus": 6}, 2),
        ([{"CPU": 2.0}, {"CPU": 64.0}], None, {"num_cpus": 2}, 33),
        ([{"CPU": 1.0}, {"CPU": 1.0}, {}], None, {"num_cpus": 1}, 2),
        ([{"CPU": 16.0, "GPU": 4.0}], None, {"num_gpus": 1, "num_cpus": 4}, 4),
        ([{"CPU": 96.0, "GPU": 1.0}, {"CPU": 64.0}], None, {"num_gpus": 1, "num_cpus": 8}, 1),
        ([{"CPU": 16.0, "GPU": 4.0}], "cpu", {"num_cpus": 8}, 2),
    ],
)
def test_a_worker_takes_a_gpu_or_else_some_cores(resources, device, needs, workers):
    assert _cluster._needs(machines(*resources), device) == (needs, workers)


def test_a_cluster_without_a_machine_that_takes_work_is_refused():
    with pytest.raises(ClusterError, match="ray start"):
        _cluster._needs(machines({"memory": 1.0}), None)


class Recorded:
    """A Ray whose tasks are done in the order they were started, one at a time."""

    exceptions = SimpleNamespace(RayTaskError=ZeroDivisionError, RayError=ZeroDivisionError)

    def __init__(self):
        self.running, self.most, self.cancelled = [], 0, []

    def start(self, part):
        self.running.append(part)
        self.most = max(self.most, len(self.running))
        return part

    def wait(self, refs):
        return refs[:1], refs[1:]

    def get(self, ref):
        self.running.remove(ref)
        return ref

    def cancel(self, ref):
        self.cancelled.append(ref)


def test_no_more_parts_are_with_the_cluster_than_it_has_use_for():
    ray = Recorded()
    done = [part for part, _ in _cluster._finished(ray, ray.start, iter(range(100)), 6)]
    assert (sorted(done), ray.most, ray.cancelled) == (list(range(100)), 6, [])


def test_what_the_cluster_has_is_cancelled_when_the_caller_stops():
    ray = Recorded()
    parts = _cluster._finished(ray, ray.start, iter(range(100)), 6)
    next(parts)
    parts.close()
    assert ray.cancelled == [1, 2, 3, 4, 5]


def test_a_ray_of_ones_own_is_silent_and_leaves_no_process(scenes, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, psutil, fiftyone as fo, fiftyone_simfind as simfind\n"
        f"dataset = fo.load_dataset({scenes.name!r})\n"
        "dataset = dataset.limit(2).clone()\n"
        'print(simfind.detect(dataset, cluster="local", model="showroom.pt", image_size=320).images)\n'
        'print([p.name() for p in psutil.Process().children(recursive=True) if "ray" in p.name()])\n'
        "dataset.delete()\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.splitlines() == ["2", "[]"], done.stderr
    assert "ray" not in done.stderr.lower()
