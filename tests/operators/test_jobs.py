"""Long operators note their state, can be stopped by anybody, and go on where they were."""

import platform
import threading
import time

import pytest

import fiftyone_simfind as simfind


def status(app, dataset):
    return {job["operator"]: job for job in app(dataset, "job_status").results["jobs"]}


def test_nothing_is_known_of_a_dataset_on_which_nothing_ran(toys, app):
    assert app(toys, "job_status").results == {"jobs": []}


def test_of_a_dataset_that_was_deleted_the_panel_which_asks_every_second_makes_no_messages(app):
    answer = app("no such dataset", "job_status")
    assert "no such dataset" in answer.results["error"]
    assert answer.requests == []


def test_a_finished_job_tells_what_it_did(toys, app):
    answer = app(toys, "build_index", {"patches_field": "objects"})
    job = status(app, toys)["build_index"]
    assert (job["state"], job["message"]) == ("done", "8 objects indexed")
    assert job["label"] == "Building the index"
    assert job["started"] <= job["updated"] <= time.time()
    assert "process" not in job
    assert answer.told("success") == ["8 objects indexed"]


def test_a_failed_job_tells_why(indexed, app):
    app(indexed, "compute_neighbors", {"neighbors_field": "label"})
    job = status(app, indexed)["compute_neighbors"]
    assert job["state"] == "failed"
    assert "holds something else than neighbours" in job["message"]


def test_progress_is_shown_unless_the_panel_shows_it(indexed, app):
    shown = app(indexed, "compute_neighbors", {"k": 2}).asked()
    assert "set_progress" in shown
    quiet = app(indexed, "compute_neighbors", {"k": 2, "quiet": True})
    assert quiet.asked() == ["reload_dataset", "notify"]


def test_a_script_gets_the_results_and_no_messages(indexed, execute):
    result = execute(indexed, "compute_neighbors", params={"k": 2})
    assert result.result["pairs"] == 16
    assert result.executor._requests == []


@pytest.fixture
def slow(monkeypatch):
    """Has every model be one that waits until it is let go on, image by image."""
    from fiftyone_simfind import testing
    from fiftyone_simfind.models import registry

    class Slow(testing.FakeDetector):
        def detect(self, images, **options):
            if images:
                self.at_work.set()
                time.sleep(0.4)
            return super().detect(images, **options)

    detector = Slow(name="slow")
    detector.at_work = threading.Event()
    monkeypatch.setattr(registry, "_load_named", lambda model, *options: detector)
    return detector


@pytest.fixture
def images(toys):
    """Images without anything, enough to be at work for a while."""
    toys.delete_sample_field("objects")
    toys.add_samples([sample.copy() for _ in range(3) for sample in toys])
    return toys


def in_another_tab(action):
    """Do something in a thread; gives what it gave."""
    given = []
    thread = threading.Thread(target=lambda: given.append(action()))
    thread.start()
    return thread, given


DETECT = {"model": "yolo11n.pt", "batch_size": 1}


def test_a_job_that_is_stopped_keeps_what_it_did_and_goes_on_later(images, app, slow):
    thread, given = in_another_tab(lambda: app(images, "detect_objects", DETECT))
    assert slow.at_work.wait(60)
    assert app(images, "cancel_job", {"operator": "detect_objects"}).results["cancelled"]
    thread.join(60)
    job = status(app, images)["detect_objects"]
    assert job["state"] == "cancelled"
    assert 0 < job["done"] < len(images)
    assert "goes on from there" in given[0].told("warning")[0]
    images.reload()
    found = images.exists("objects").count()
    assert 0 < found < len(images)
    seen = slow.seen
    app(images, "detect_objects", DETECT)
    assert slow.seen - seen == len(images) - found
    assert status(app, images)["detect_objects"]["state"] == "done"


def test_the_same_job_does_not_run_twice_at_once_on_a_dataset(images, app, slow):
    thread, given = in_another_tab(lambda: app(images, "detect_objects", DETECT))
    assert slow.at_work.wait(60)
    (told,) = app(images, "detect_objects", DETECT).told("error")
    assert "already under way on this dataset" in told
    assert status(app, images)["detect_objects"]["state"] == "running"
    thread.join(60)
    assert given[0].told("success")


@pytest.mark.parametrize("before", [None, "done"])
def test_of_two_that_are_started_at_the_same_moment_one_is_refused(images, note, monkeypatch, before):
    import fiftyone.operators as foo

    from operators import _jobs

    if before:
        note(images, "detect_objects", state=before)
    ctx = foo.ExecutionContext({"dataset_name": images.name}, operator_uri="@simfind/objects/detect_objects")
    first, second = (_jobs.Job(ctx, "Detecting objects", keeps=True) for _ in range(2))
    look = second._store.get

    def while_the_other_starts(key):
        seen = look(key)
        monkeypatch.setattr(second._store, "get", look)
        first.start()
        return seen

    monkeypatch.setattr(second._store, "get", while_the_other_starts)
    with pytest.raises(simfind.OptionError, match="Detecting objects is already under way on this dataset"):
        second.start()


def test_a_job_whose_process_has_ended_has_failed_and_keeps_nobody_from_trying_again(indexed, app, note):
    gone = {"host": platform.node(), "pid": 2**22 + 1, "born": 0.0}
    note(indexed, "compute_neighbors", process=gone)
    job = status(app, indexed)["compute_neighbors"]
    assert job["state"] == "failed"
    assert "Run it again" in job["message"]
    assert app(indexed, "compute_neighbors").told("success")


def test_a_job_of_another_machine_is_believed_until_it_is_silent_for_an_hour(toys, app, note):
    elsewhere = {"host": "another", "pid": 1, "born": 0.0}
    store = note(toys, "detect_objects", process=elsewhere)
    assert status(app, toys)["detect_objects"]["state"] == "running"
    job = store.get("job:detect_objects")
    store.set("job:detect_objects", {**job, "updated": time.time() - 4000})
    assert status(app, toys)["detect_objects"]["state"] == "failed"


def test_what_makes_no_reports_says_that_it_cannot_be_stopped(toys, app, note):
    note(toys, "build_index", label="Building the index", stoppable=False)
    answer = app(toys, "cancel_job", {"operator": "build_index"})
    assert not answer.results["cancelled"]
    assert answer.told("warning") == [
        "Building the index cannot be stopped on its way; it changes nothing before it is done"
    ]


def test_there_is_nothing_to_stop_where_nothing_runs(toys, app):
    answer = app(toys, "cancel_job", {"operator": "detect_objects"})
    assert answer.told("warning") == ["Nothing of that kind runs on this dataset"]


def test_a_job_goes_on_when_the_page_is_closed(images, slow):
    """The App's request is given up; what was begun is done nevertheless."""
    import fiftyone.operators as foo

    uri = "@simfind/objects/detect_objects"
    request = {"dataset_name": images.name, "params": DETECT, "operator_uri": uri}
    ctx = foo.ExecutionContext(request, executor=foo.executor.Executor(), operator_uri=uri)
    messages = foo.get_operator(uri).execute(ctx)
    next(messages)
    while not slow.at_work.is_set():
        next(messages)
    messages.close()
    store = ctx.store("simfind")
    for _ in range(6000):
        if store.get("job:detect_objects")["state"] != "running":
            break
        time.sleep(0.1)
    assert store.get("job:detect_objects")["state"] == "done"
    images.reload()
    assert images.exists("objects").count() == len(images)


def test_a_delegated_job_notes_its_state_too(indexed, app):
    from fiftyone.operators.delegated import DelegatedOperationService

    service = DelegatedOperationService()
    for operation in service.list_operations():
        service.delete_operation(operation.id)
    answer = app(indexed, "compute_neighbors", {"k": 2}, request_delegation=True)
    assert "compute_neighbors" not in status(app, indexed), answer.text
    service.execute_queued_operations(limit=1)
    (operation,) = service.list_operations()
    assert operation.run_state == "completed"
    assert operation.result.result["pairs"] == 16
    job = status(app, indexed)["compute_neighbors"]
    assert (job["state"], job["delegated"]) == ("done", True)
