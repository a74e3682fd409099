# FiftyOne must not be imported here at the top: pytest loads this file before the environment is set.
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def run_example():
    """Runs an example as a user would; gives its end, what it printed and what it complained about."""

    def run(name, *arguments, **environment):
        command = [sys.executable, f"examples/{name}.py", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)

    return run


@pytest.fixture(scope="session")
def mobilenet(tmp_path_factory):
    """The name of a MobileNetV2 that has learned nothing: where the published weights cannot be had."""
    import torch
    from torchvision.models import mobilenet_v2

    torch.manual_seed(51)
    path = tmp_path_factory.mktemp("weights") / "mobilenet_v2.pth"
    torch.save(mobilenet_v2().state_dict(), path)
    return f"mobilenet_v2:{path}"
