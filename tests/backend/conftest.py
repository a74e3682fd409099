# FiftyOne must not be imported here at the top: pytest loads this file before the environment is set.
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

IMAGES, OBJECTS, DIM = 30, 7, 16


@pytest.fixture
def crowd(tmp_path):
    """210 objects of three classes with random vectors of different lengths; every seventh image is empty."""
    import fiftyone as fo

    rng = np.random.default_rng(51)
    dataset = fo.Dataset()
    samples = []
    for image in range(IMAGES):
        objects = [
            fo.Detection(
                label="abc"[int(rng.integers(3))],
                bounding_box=[*rng.uniform(0, 0.5, 2), 0.3, 0.3],
                embedding=rng.standard_normal(DIM).astype(np.float32) * np.float32(rng.uniform(0.5, 2)),
            )
            for _ in range(OBJECTS if image % 7 else 0)
        ]
        samples.append(fo.Sample(filepath=str(tmp_path / f"{image}.png"), things=fo.Detections(detections=objects)))
    dataset.add_samples(samples, dynamic=True, progress=False)
    yield dataset
    dataset.delete()


class Elsewhere:
    """Other processes; see ``elsewhere.py``."""

    def __init__(self):
        script = Path(__file__).with_name("elsewhere.py")
        self._parent = subprocess.Popen(
            [sys.executable, script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(script.parents[2])},
        )
        assert self._hear() == "here"

    def _hear(self):
        line = self._parent.stdout.readline()
        assert line, f"the other process ended with {self._parent.wait()}"
        return json.loads(line)

    def start(self, job, dataset, **options):
        self._parent.stdin.write(json.dumps({"job": job, "dataset": dataset.name, **options}) + "\n")
        self._parent.stdin.flush()
        self._number = self._hear()

    def hears(self, what):
        assert self._hear() == what

    def end(self):
        """What the job says last."""
        said = self._hear()
        assert self._hear() == {"ended": 0}
        self._forget()
        return said

    def run(self, job, dataset, **options):
        self.start(job, dataset, **options)
        return self.end()

    def kill_after(self, seconds):
        """Whether the job was still at work then."""
        select.select([self._parent.stdout], [], [], seconds)
        os.kill(self._number, signal.SIGKILL)
        said = [self._hear()]
        while "ended" not in said[-1]:
            said.append(self._hear())
        self._forget()
        return said[-1] == {"ended": signal.SIGKILL}

    def _forget(self):
        self._parent.stdin.write("\n")
        self._parent.stdin.flush()

    def close(self):
        self._parent.stdin.close()
        self._parent.wait()


@pytest.fixture(scope="session")
def elsewhere():
    other = Elsewhere()
    yield other
    other.close()
