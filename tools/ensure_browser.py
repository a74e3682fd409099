"""Print the path of a Chromium that the App tests can drive, and install one when there is none.

The tests of the App drive it in a real browser through Playwright. Playwright's own download needs its
download site and a set of system libraries, which many servers and containers lack, so this script also knows
other ways. It prints the path of the first browser that runs:

1. the one that ``SIMFIND_CHROMIUM`` names;
2. a Chromium or Chrome of this system;
3. one that this script unpacked earlier into the virtual environment, or one in Playwright's cache;
4. as root on Debian and its relatives: ``apt-get install chromium``;
5. Playwright's own download;
6. on Debian and its relatives without root: the distribution's packages, unpacked into the virtual
   environment.

Playwright's driver, a copy of Node.js, asks for ``libatomic.so.1``, which a bare system lacks as well. It
comes the same ways; when it had to be unpacked, ``PLAYWRIGHT_NODEJS_PATH`` has to name the file ``node/node``
of the virtual environment while the tests run.

With ``--find`` nothing is installed. If no browser is found, the script says what to install and exits with
status 1. Only the path goes to the standard output; progress goes to the standard error.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import _apt

COMMANDS = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser", "chrome")
APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
PLAYWRIGHT_PROGRAMS = (  # below Playwright's cache, the small headless build first
    "chromium_headless_shell-*/chrome-*/*headless*shell",
    "chromium-*/chrome-*/chrome",
    "chromium-*/chrome-*/*.app/Contents/MacOS/*",
)
PACKAGES = ("chromium", "fonts-liberation")  # without a font, pages are drawn without text
DRIVER_PACKAGES = ("libatomic1",)

# Unpacked programs look for libraries and fonts in the system's folders, but theirs are below this folder.
WRAPPER = """\
#!/bin/sh
# Written by tools/ensure_browser.py: {what}
here=$(dirname -- "$(readlink -f -- "$0")")
LD_LIBRARY_PATH="{library_path}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
FONTCONFIG_FILE="$here/fonts.conf"
export LD_LIBRARY_PATH FONTCONFIG_FILE
exec "{program}" "$@"
"""
FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir prefix="relative">root/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
  <alias><family>sans-serif</family><prefer><family>Liberation Sans</family></prefer></alias>
  <alias><family>Times New Roman</family><prefer><family>Liberation Serif</family></prefer></alias>
  <alias><family>serif</family><prefer><family>Liberation Serif</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>Liberation Mono</family></prefer></alias>
</fontconfig>
"""


class SetupError(Exception):
    """Says what is missing and what to do about it."""


def answers(program: Path | str, expected: str = "Chrom") -> bool:
    """Whether a program starts: it exists, and so do all its libraries."""
    try:
        done = subprocess.run([str(program), "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and expected in done.stdout


def draws(browser: Path | str) -> bool:
    """Whether a browser opens a page."""
    page = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "data:text/html,<p>simfind</p>"]
    with tempfile.TemporaryDirectory(prefix="chromium-check-") as profile:
        command = [str(browser), f"--user-data-dir={profile}", *page]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        except (OSError, subprocess.TimeoutExpired):
            return False
    return "<p>simfind</p>" in done.stdout


def unpacked(name: str) -> Path:
    """Where an installation without root puts a program: in a folder of its own in the environment."""
    return Path(sys.prefix) / name / name


def playwright_browsers(environment: Mapping[str, str]) -> Iterator[Path]:
    """The Chromium programs in Playwright's cache, the latest of each kind first."""
    cache = "Library/Caches" if sys.platform == "darwin" else ".cache"
    named = environment.get("PLAYWRIGHT_BROWSERS_PATH", "")
    folder = Path(named) if named not in {"", "0"} else Path.home() / cache / "ms-playwright"
    for pattern in PLAYWRIGHT_PROGRAMS:
        yield from sorted(folder.glob(pattern), reverse=True)


def candidates(environment: Mapping[str, str]) -> Iterator[Path | str]:
    """Every place where a browser may be, best first."""
    yield from (found for name in COMMANDS if (found := shutil.which(name, path=environment.get("PATH"))))
    yield from APPLICATIONS
    yield unpacked("chromium")
    yield from playwright_browsers(environment)


def find(environment: Mapping[str, str]) -> str | None:
    """The path of the first browser that answers, or None."""
    named = environment.get("SIMFIND_CHROMIUM")
    if named and not answers(named):
        raise SetupError(f'SIMFIND_CHROMIUM is "{named}", which does not answer --version as Chromium does.')
    return named or next((str(browser) for browser in candidates(environment) if answers(browser)), None)


def download_with_playwright() -> None:
    """Install Playwright's own build from its download site."""
    _apt.say("asking Playwright to download its own build of Chromium (about 110 MB)")
    command = [sys.executable, "-m", "playwright", "install", "chromium", "--only-shell"]
    environment = {"PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "10000"}  # milliseconds
    if unpacked("node").exists():
        environment["PLAYWRIGHT_NODEJS_PATH"] = str(unpacked("node"))
    if not _apt.run(command, seconds=600, environment=environment, output=subprocess.DEVNULL):
        _apt.say("Playwright could not download it, or it does not run here")


def unpack_browser() -> None:
    """Unpack the distribution's Chromium into the virtual environment, complete or not at all."""
    with tempfile.TemporaryDirectory(prefix=".chromium-", dir=sys.prefix) as name:
        scratch = Path(name) / "chromium"
        if not _apt.unpack(PACKAGES, scratch / "root"):
            return
        write_wrapper(scratch / "chromium", "$here/root/usr/lib/chromium/chromium")
        if draws(scratch / "chromium"):
            shutil.rmtree(unpacked("chromium").parent, ignore_errors=True)
            scratch.replace(unpacked("chromium").parent)
        else:
            _apt.say("the unpacked Chromium does not open a page")


def write_wrapper(path: Path, program: str) -> None:
    """Write a script that starts a program with the libraries and fonts that lie unpacked beside it."""
    folders = [f"$here/root/{folder}" for folder in _apt.library_folders(path.parent / "root")]
    what = f"{path.name}, with the libraries that this system lacks."
    path.with_name("fonts.conf").write_text(FONTS)
    path.write_text(WRAPPER.format(what=what, library_path=":".join(folders), program=program))
    path.chmod(0o755)


def ensure_browser(environment: Mapping[str, str]) -> str:
    """The path of a browser that answers, installed if need be."""
    installers: list[Callable[[], object]] = [
        lambda: _apt.install(PACKAGES),
        download_with_playwright,
        unpack_browser,
    ]
    found = find(environment)
    while found is None and installers:
        installers.pop(0)()
        found = find(environment)
    if found is None:
        raise SetupError(
            "No Chromium was found, and none could be installed. Install Chromium or Google Chrome (on "
            'Debian: "apt-get install chromium"), or set SIMFIND_CHROMIUM to the path of one.'
        )
    return found


def ensure_driver() -> None:
    """Make sure that Playwright's copy of Node.js starts, if Playwright is installed."""
    spec = importlib.util.find_spec("playwright")
    node = Path(next(iter(spec.submodule_search_locations or []))) / "driver" / "node" if spec else None
    wrapper = unpacked("node")
    if node is None or not node.exists() or answers(node, "v") or answers(wrapper, "v"):
        return
    if _apt.install(DRIVER_PACKAGES) and answers(node, "v"):
        return
    if _apt.unpack(DRIVER_PACKAGES, wrapper.with_name("root")):
        write_wrapper(wrapper, str(node))
    if not answers(wrapper, "v"):
        raise SetupError(f"{node} does not start. It needs libatomic.so.1 (on Debian: libatomic1).")


def main() -> int:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--find", action="store_true", help="only look for a browser, install nothing")
    arguments = parser.parse_args()
    try:
        if not arguments.find:
            ensure_driver()
        found = find(os.environ) if arguments.find else ensure_browser(os.environ)
        if found is None:
            raise SetupError('No Chromium was found. Run "python tools/ensure_browser.py" to install one.')
    except SetupError as error:
        print(f"browser: {error}", file=sys.stderr)
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
