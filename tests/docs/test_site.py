"""The site of the documents: it builds without a warning, and its reference has every public name."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import fiftyone_simfind as simfind

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = [name for name in simfind.__all__ if name != "__version__"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built as ``make docs`` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Fetched(HTMLParser):
    """What a page has the browser fetch."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.found += [given[name] for name in ("src", "srcset") if given.get(name)]
        if tag == "link" and given.get("rel") in ("stylesheet", "preload", "icon", "modulepreload"):
            self.found.append(given["href"])


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_in_the_reference(site, name):
    pages = [page.read_text(encoding="utf-8") for page in (site / "api").glob("*.html")]
    assert sum(f'id="fiftyone_simfind.{name}"' in page for page in pages) == 1


def test_the_reference_shows_no_roles_of_another_markup(site):
    for page in (site / "api").glob("*.html"):
        assert not re.search(r":(?:func|class|meth|data|mod|attr):", page.read_text(encoding="utf-8")), page.name


def test_the_pages_fetch_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        parser = Fetched()
        parser.feed(page.read_text(encoding="utf-8"))
        assert not [url for url in parser.found if re.match(r"(?:https?:)?//", url)], page.name


def test_every_page_of_the_folder_is_in_the_menu(site):
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        assert str(page.relative_to(ROOT / "docs")) in menu
