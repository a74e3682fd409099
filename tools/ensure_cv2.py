"""Make ``import cv2`` work on a server without a display.

ultralytics depends on ``opencv-python`` and FiftyOne on ``opencv-python-headless``. Both packages own the
same folder, ``cv2``, and whichever was installed last is the one that gets imported. ``opencv-python``
carries a window toolkit that needs the system's ``libGL.so.1``, which a bare server or container lacks;
nothing here opens a window. pip cannot be told that one package stands in for the other.

This script makes the headless one win: it brings both to one version, so that no file of another version is
left over, and then writes the headless package's files last. Both stay installed, so ``pip check`` is
content. It does nothing when the installed ``cv2`` already is the headless one, and needs only the standard
library and pip.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

HEADLESS, WINDOWED = "opencv-python-headless", "opencv-python"


class SetupError(Exception):
    """Says what is missing and what to do about it."""


def build_information() -> str:
    """What OpenCV says about how it was built, or the error of importing it, asked in a fresh process."""
    code = "import cv2; print(cv2.getBuildInformation())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else done.stderr


def is_headless(information: str) -> bool:
    """Whether the build information is that of an OpenCV without a window toolkit."""
    return re.search(r"^\s*GUI:\s*NONE\s*$", information, re.MULTILINE) is not None


def installed_version(package: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def installations(headless: str | None, windowed: str | None) -> list[str]:
    """The requirements to install, one after the other, so that the headless files end up on top."""
    if headless is None:
        raise SetupError(f'{HEADLESS} is not installed. Run "pip install fiftyone" first.')
    levelled = [f"{WINDOWED}=={headless}"] if windowed not in {None, headless} else []
    return [*levelled, f"{HEADLESS}=={headless}"]


def install(requirement: str) -> None:
    """Write the files of one package again, whatever is there, and leave its dependencies alone."""
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--force-reinstall", "--quiet"]
    done = subprocess.run([*command, "--disable-pip-version-check", requirement], stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise SetupError(f"pip could not install {requirement}.")


def ensure_cv2() -> str:
    """Make sure that the headless OpenCV is the one that gets imported, and say which one it is."""
    if is_headless(build_information()):
        return f"OpenCV {installed_version(HEADLESS)} without a display, already installed"
    for requirement in installations(installed_version(HEADLESS), installed_version(WINDOWED)):
        install(requirement)
    information = build_information()
    if not is_headless(information):
        raise SetupError(f"{HEADLESS} was installed, but is not what gets imported:\n{information.strip()}")
    return f"OpenCV {installed_version(HEADLESS)} without a display, installed"


def main() -> int:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.parse_args()
    try:
        print(f"cv2: {ensure_cv2()}")
    except SetupError as error:
        print(f"cv2: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
