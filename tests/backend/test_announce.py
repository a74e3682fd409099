"""Brain and FiftyOne know of the backend wherever the package is imported, and importing it costs nothing."""

import subprocess
import sys

import pytest


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip().splitlines()[-1]


KNOWN = "import fiftyone.brain as fob; print('simfind' in fob.brain_config.similarity_backends)"


@pytest.mark.parametrize(
    "code",
    [
        f"import fiftyone_simfind; {KNOWN}",
        f"import fiftyone.brain; import fiftyone_simfind; {KNOWN}",
        f"import fiftyone; import fiftyone_simfind; {KNOWN}",
        f"import fiftyone_simfind.backend.config; {KNOWN}",
    ],
)
def test_the_backend_is_known_whatever_is_imported_first(code):
    assert run(code) == "True"


@pytest.mark.parametrize("first", ["fiftyone", "fiftyone_simfind"])
def test_clones_are_followed_whatever_is_imported_first(first):
    code = f"import {first}, fiftyone_simfind, fiftyone; "
    code += "print([f.__module__ for f in fiftyone.core.dataset._extras_cloners if 'simfind' in f.__module__])"
    assert run(code) == "['fiftyone_simfind.backend']"


def test_importing_the_package_does_not_import_the_brain():
    code = "import sys, fiftyone, fiftyone_simfind; print('fiftyone.brain' in sys.modules)"
    assert run(code) == "False"


def test_nothing_stays_in_the_way_of_other_imports():
    code = "import sys; before = list(sys.meta_path); import fiftyone_simfind, fiftyone.brain; "
    code += "print([f for f in sys.meta_path if type(f).__module__.startswith('fiftyone_simfind')] == [])"
    assert run(code) == "True"
