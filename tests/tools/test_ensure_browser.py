"""How the browser for the App tests is found or installed. Nothing here uses the network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import _apt
import ensure_browser
import pytest


def browser(path: Path, text: str = "echo Chromium 156.0.1") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def bare(tmp_path, monkeypatch) -> dict[str, str]:
    """A system without any browser, as an environment."""
    monkeypatch.setattr(ensure_browser, "APPLICATIONS", ())
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(sys, "platform", "linux")
    return {"PATH": str(tmp_path / "bin")}


@pytest.fixture
def installers(monkeypatch) -> list[str]:
    """The installers that were tried, none of which installs anything."""
    tried: list[str] = []
    monkeypatch.setattr(_apt, "install", lambda packages: tried.append("apt"))
    monkeypatch.setattr(ensure_browser, "download_with_playwright", lambda: tried.append("playwright"))
    monkeypatch.setattr(ensure_browser, "unpack_browser", lambda: tried.append("unpack"))
    return tried


def test_the_named_browser_comes_before_those_on_the_path(tmp_path, bare):
    browser(tmp_path / "bin" / "chromium")
    named = browser(tmp_path / "mine")
    assert ensure_browser.find({**bare, "SIMFIND_CHROMIUM": named}) == named


def test_a_named_browser_that_does_not_answer_is_an_error(tmp_path, bare, installers):
    with pytest.raises(ensure_browser.SetupError, match='SIMFIND_CHROMIUM is ".*/nowhere"'):
        ensure_browser.ensure_browser({**bare, "SIMFIND_CHROMIUM": str(tmp_path / "nowhere")})
    assert installers == []


def test_a_browser_on_the_path_that_does_not_answer_is_passed_over(tmp_path, bare):
    browser(tmp_path / "bin" / "chromium", "echo please install the snap >&2; exit 1")
    working = browser(tmp_path / "bin" / "google-chrome", "echo Google Chrome 150.0")
    assert ensure_browser.find(bare) == working


def test_an_unpacked_browser_is_found_again(tmp_path, bare, installers):
    unpacked = browser(tmp_path / "venv" / "chromium" / "chromium")
    assert ensure_browser.ensure_browser(bare) == unpacked
    assert installers == []


@pytest.mark.parametrize(
    "program",
    [
        "chromium_headless_shell-1255/chrome-headless-shell-linux64/chrome-headless-shell",
        "chromium_headless_shell-1150/chrome-linux/headless_shell",
        "chromium-1150/chrome-linux/chrome",
    ],
)
def test_a_browser_in_playwrights_cache_is_found(tmp_path, bare, program):
    cached = browser(tmp_path / "home" / ".cache" / "ms-playwright" / program)
    assert ensure_browser.find(bare) == cached


def test_playwrights_cache_may_be_named(tmp_path, bare):
    cached = browser(tmp_path / "cache" / "chromium-1" / "chrome-linux" / "chrome")
    assert ensure_browser.find({**bare, "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path / "cache")}) == cached


def test_installers_are_tried_until_one_helps(tmp_path, bare, installers, monkeypatch):
    helps = lambda: browser(tmp_path / "bin" / "chromium")  # noqa: E731
    monkeypatch.setattr(ensure_browser, "download_with_playwright", helps)
    assert ensure_browser.ensure_browser(bare) == str(tmp_path / "bin" / "chromium")
    assert installers == ["apt"]


def test_a_system_where_nothing_helps_is_told_what_to_install(bare, installers):
    with pytest.raises(ensure_browser.SetupError, match="Install Chromium.*SIMFIND_CHROMIUM"):
        ensure_browser.ensure_browser(bare)
    assert installers == ["apt", "playwright", "unpack"]


def test_only_the_path_goes_to_the_standard_output(tmp_path):
    named = browser(tmp_path / "mine")
    command = [sys.executable, ensure_browser.__file__, "--find"]
    environment = {**os.environ, "SIMFIND_CHROMIUM": named}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, f"{named}\n")


def test_a_browser_that_cannot_be_found_is_an_exit_status(tmp_path):
    command = [sys.executable, ensure_browser.__file__, "--find"]
    environment = {**os.environ, "SIMFIND_CHROMIUM": str(tmp_path / "nowhere")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (1, "")


def test_a_wrapped_program_sees_the_unpacked_libraries_and_fonts(tmp_path):
    (tmp_path / "root" / "usr" / "lib" / "some").mkdir(parents=True)
    (tmp_path / "root" / "usr" / "lib" / "some" / "libx.so.1").touch()
    browser(tmp_path / "root" / "program", 'echo "$LD_LIBRARY_PATH|$FONTCONFIG_FILE|$*"')
    ensure_browser.write_wrapper(tmp_path / "chromium", "$here/root/program")
    command = [str(tmp_path / "chromium"), "--headless", "a b"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert done.stdout == f"{tmp_path}/root/usr/lib/some|{tmp_path}/fonts.conf|--headless a b\n"


def test_an_unpacked_browser_that_draws_nothing_is_not_kept(tmp_path, bare, monkeypatch):
    (tmp_path / "venv").mkdir()

    def unpack(packages, root):
        browser(root / "usr" / "lib" / "chromium" / "chromium")
        return True

    monkeypatch.setattr(_apt, "unpack", unpack)
    ensure_browser.unpack_browser()
    assert list((tmp_path / "venv").iterdir()) == []


def test_apt_get_is_left_alone_without_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(_apt, "run", lambda command, **_: pytest.fail(f"ran {command}"))
    assert _apt.install(["chromium"]) is False


def test_a_command_that_takes_too_long_is_stopped_with_its_children(tmp_path):
    marker = tmp_path / "marker"
    command = ["sh", "-c", f"(sleep 1; touch '{marker}') & wait"]
    assert _apt.run(command, seconds=0.2) is False
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(["sh", "-c", f"until [ -e '{marker}' ]; do sleep 0.1; done"], timeout=1.5)


def test_a_command_that_does_not_exist_fails(tmp_path):
    assert _apt.run([str(tmp_path / "nothing")], seconds=5) is False
