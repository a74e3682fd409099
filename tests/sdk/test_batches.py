import threading
import time
from typing import NamedTuple

import numpy as np
import pytest

from fiftyone_simfind._batches import AT_FAULT, Batches
from fiftyone_simfind._types import EmbedReport
from fiftyone_simfind.models.engines.base import cores


class Item(NamedTuple):
    filepath: str


class Model:
    """Counts the threads that are in it."""

    def __init__(self, streams=1, batch_size=4):
        self.streams, self.batch_size = streams, batch_size
        self.now, self.most, self.lock = 0, 0, threading.Lock()
        self.batches: list[list] = []

    def work(self, items, images):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.batches.append(images)
        time.sleep(0.01)
        with self.lock:
            self.now -= 1
        return [[image] for image in images]


def run(model, items, *, work=None, read=str, report=None, **options):
    written: list = []
    batches = Batches(read, num_workers=2, progress=False, **options).of(model)
    report = report or EmbedReport("some")
    batches.run(items, len(items), work or model.work, written.extend, report)
    return written, report


def items(count):
    return [Item(f"{number}.jpg") for number in range(count)]


@pytest.mark.parametrize("streams", [1, 3])
def test_every_image_gets_its_own_result_once(streams):
    written, _ = run(Model(streams), items(50))
    assert sorted(written) == sorted((item, [item.filepath]) for item in items(50))


def test_a_model_is_called_by_as_many_threads_as_it_asks_for():
    model = Model(streams=3, batch_size=1)
    run(model, items(60))
    assert model.most == 3


def test_a_model_that_asks_for_nothing_is_called_by_the_caller_alone():
    model, caller = Model(), threading.get_ident()
    threads = set()
    run(model, items(20), work=lambda some, images: threads.add(threading.get_ident()) or [[0]] * len(images))
    assert threads == {caller}


@pytest.mark.parametrize("streams", [1, 2])
def test_the_cores_are_shared_out_and_given_back(streams):
    import torch

    before, seen = torch.get_num_threads(), set()
    torch.set_num_threads(1)  # as ultralytics does on two cores
    try:
        look = lambda some, images: seen.add(torch.get_num_threads()) or [[0]] * len(images)  # noqa: E731
        run(Model(streams), items(20), work=look)
        assert seen == {max(cores() // streams, 1)}
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_the_batch_size_is_the_models_unless_one_is_given():
    model = Model(batch_size=4)
    run(model, items(10))
    assert [len(batch) for batch in model.batches] == [4, 4, 2]
    run(model := Model(batch_size=4), items(10), batch_size=5)
    assert [len(batch) for batch in model.batches] == [5, 5]


def test_what_is_prepared_shares_a_batch_with_others_of_its_shape():
    class Preparing(Model):
        def prepare(self, image):
            return np.zeros((2, int(image[:-4]) % 3))

    model = Preparing(batch_size=4)
    written, _ = run(model, items(40))
    assert len(written) == 40
    full = [batch for batch in model.batches if len(batch) == 4]
    assert len(full) >= 8
    assert all(len({image.shape for image in batch}) == 1 for batch in model.batches)


def test_images_wait_for_others_of_their_shape_only_so_long():
    """Of a thousand shapes, no more than a few batches' worth of images is in memory."""
    alive, most = [0], [0]

    class Shaped(Model):
        def prepare(self, image):
            alive[0] += 1
            most[0] = max(most[0], alive[0])
            return np.zeros((1, int(image[:-4])))

        def work(self, some, images):
            alive[0] -= len(images)
            return [[0]] * len(images)

    written, _ = run(Shaped(batch_size=4), items(300))
    assert len(written) == 300
    assert most[0] < 50


def test_no_more_than_a_few_batches_are_read_ahead():
    read, done = [0], [0]
    gap = []

    def reading(path):
        read[0] += 1
        return path

    def work(some, images):
        gap.append(read[0] - done[0])
        done[0] += len(images)
        return [[0]] * len(images)

    run(Model(streams=2, batch_size=2), items(400), read=reading, work=work)
    assert max(gap) < 60


def test_progress_is_told_as_soon_as_an_image_is_done():
    """Not when as many have been read as may wait."""
    told, read, first = [], [0], threading.Event()

    def reading(path):
        read[0] += 1
        if read[0] == 4:
            first.wait(60)
        time.sleep(0.05)
        return path

    def work(some, images):
        found = model.work(some, images)
        first.set()
        return found

    model = Model(streams=2, batch_size=1)
    batches = Batches(reading, num_workers=0, progress=lambda bar: told.append((bar.iteration, read[0]))).of(model)
    batches.run(items(12), 12, work, lambda done: None, EmbedReport("some"))
    assert next(read for done, read in told if done) < 6


def test_an_image_that_fails_is_named_and_the_others_are_done():
    def work(some, images):
        if "7.jpg" in images:
            raise ValueError("seven")
        return [[0]] * len(images)

    written, report = run(Model(streams=2), items(20), work=work)
    assert report.failures == {"7.jpg": "ValueError: seven"}
    assert len(written) == 19


@pytest.mark.parametrize(("streams", "batch_size"), [(1, 1), (3, 1), (2, 4)])
def test_a_model_that_fails_on_all_images_is_at_fault(streams, batch_size):
    calls = [0]

    def work(some, images):
        calls[0] += 1
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        run(Model(streams, batch_size), items(1000), work=work)
    assert calls[0] < 20 * AT_FAULT


def test_a_model_that_fails_on_the_few_images_there_are_is_at_fault():
    with pytest.raises(ZeroDivisionError):
        run(Model(batch_size=1), items(2), work=lambda some, images: 1 / 0)


def test_what_was_done_before_a_failure_is_written():
    def work(some, images):
        if int(images[0][:-4]) >= 20:
            raise RuntimeError("broken")
        return [[0]] * len(images)

    written: list = []
    batches = Batches(str, 2, num_workers=0, skip_failures=False, progress=False).of(Model(streams=2))
    with pytest.raises(RuntimeError, match="broken"):
        batches.run(items(100), 100, work, written.extend, EmbedReport("some"))
    assert {item.filepath for item, _ in written} == {item.filepath for item in items(20)}


def test_progress_tells_images_and_objects_a_second():
    bars = []
    batches = Batches(str, 2, num_workers=0, progress=lambda bar: bars.append((bar.iteration, bar._suffix)))
    model = Model(batch_size=2)
    batches.of(model).run(items(6), 6, model.work, lambda done: None, EmbedReport("some"))
    assert [done for done, _ in bars if done][-1] == 6
    assert bars[-1][1].endswith(" objects/s")
