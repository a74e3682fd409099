"""How the OpenCV that needs no display is made the one that is imported. Nothing here uses the network."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import ensure_cv2
import pytest

HEADLESS = "  GUI:                           NONE\n    VTK support:                 NO\n"
WINDOWED = "  GUI:                           QT5\n    QT:                          YES (ver 5.15.19 )\n"
BROKEN = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory\n"


@pytest.mark.parametrize(("information", "expected"), [(HEADLESS, True), (WINDOWED, False), (BROKEN, False)])
def test_opencv_says_whether_it_is_headless(information, expected):
    assert ensure_cv2.is_headless(information) is expected


def test_the_headless_package_is_written_last():
    assert ensure_cv2.installations("4.14.0.94", "4.14.0.94") == ["opencv-python-headless==4.14.0.94"]


def test_both_packages_are_brought_to_the_headless_version_first():
    levelled = ["opencv-python==4.14.0.94", "opencv-python-headless==4.14.0.94"]
    assert ensure_cv2.installations("4.14.0.94", "5.0.0.93") == levelled


def test_a_missing_headless_package_is_reported_with_its_cure():
    with pytest.raises(ensure_cv2.SetupError, match='headless is not installed.*"pip install fiftyone"'):
        ensure_cv2.installations(None, "4.14.0.94")


def test_nothing_is_installed_when_opencv_is_headless_already(monkeypatch):
    monkeypatch.setattr(ensure_cv2, "build_information", lambda: HEADLESS)
    monkeypatch.setattr(ensure_cv2, "install", lambda requirement: pytest.fail(f"installed {requirement}"))
    assert ensure_cv2.ensure_cv2().endswith("already installed")


def test_a_windowed_opencv_is_replaced(monkeypatch):
    installed: list[str] = []
    monkeypatch.setattr(ensure_cv2, "build_information", lambda: HEADLESS if installed else BROKEN)
    monkeypatch.setattr(ensure_cv2, "installed_version", lambda package: "4.14.0.94")
    monkeypatch.setattr(ensure_cv2, "install", installed.append)
    assert ensure_cv2.ensure_cv2() == "OpenCV 4.14.0.94 without a display, installed"
    assert installed == ["opencv-python-headless==4.14.0.94"]


def test_an_installation_that_did_not_help_is_an_error(monkeypatch):
    monkeypatch.setattr(ensure_cv2, "build_information", lambda: WINDOWED)
    monkeypatch.setattr(ensure_cv2, "installed_version", lambda package: "4.14.0.94")
    monkeypatch.setattr(ensure_cv2, "install", lambda requirement: None)
    with pytest.raises(ensure_cv2.SetupError, match="(?s)is not what gets imported.*QT5"):
        ensure_cv2.ensure_cv2()


def test_the_installed_opencv_asks_for_no_window_libraries():
    spec = importlib.util.find_spec("cv2")
    assert spec is not None
    assert spec.origin is not None
    (extension,) = [path for path in Path(spec.origin).parent.glob("cv2*") if path.suffix in {".so", ".pyd"}]
    assert re.findall(rb"\0(lib(?:GL|Qt)[^\0]*\.so[^\0]*)", extension.read_bytes()) == []
