"""``examples/product_search.py`` on the showroom, and on a manifest that a server has."""

import functools
import http.server
import json
import re
import threading

import pytest
from PIL import Image

from fiftyone_simfind.showroom import catalogue
from fiftyone_simfind.showroom.products import photo, write_products

THINGS = catalogue()[::40]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A shop's server with three photos of each of three products, and one of them that is in no manifest."""
    folder = tmp_path_factory.mktemp("shop")
    write_products(folder, 3, identities=THINGS, size=96)
    photo(THINGS[1], 9, size=96).save(folder / "query.jpg")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Say nothing."""

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
    made.folder, made.address = folder, f"http://127.0.0.1:{made.server_address[1]}"
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(scope="module")
def manifest(server, tmp_path_factory):
    entries = json.loads((server.folder / "manifest.json").read_text())
    path = tmp_path_factory.mktemp("mine") / "manifest.json"
    asked = [{**entry, "url": f"{server.address}/{entry['url'].removeprefix('file:')}"} for entry in entries]
    path.write_text(json.dumps(asked))
    return path


@pytest.fixture(scope="module")
def asked(run_example, mobilenet, manifest, server, out):
    """What the example printed, with a manifest and a photo of a server."""
    options = ["--query", f"{server.address}/query.jpg", "--host", "127.0.0.1", "--model", mobilenet, "--out", out]
    done = run_example("product_search", manifest, *options)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_photos_are_downloaded(asked, out):
    assert "9 images downloaded" in asked
    assert len(list((out / "photos").glob("*.jpg"))) == 9


def test_recall_is_printed_for_all_and_by_product_after_the_answer(asked, server):
    assert asked.index(f"query: {server.address}/query.jpg") < asked.index("recall@k")
    assert re.search(r"^ +recall@k( +\d\.\d{3}){3}", asked, re.MULTILINE)
    for thing in THINGS:
        assert re.search(rf"^{thing.name} +3( +\d\.\d+){{3}}$", asked, re.MULTILINE)


def test_the_response_has_score_product_and_link_of_each_photo(asked, out):
    response = json.loads((out / "response.json").read_text())
    scores = [found["score"] for found in response]
    assert scores == sorted(scores, reverse=True)
    assert len({found["photo"] for found in response}) == len(response) == 9
    for found in response:
        assert found["url"].endswith(".jpg")
        assert found["link"] == f"https://example.com/products/{found['product'].replace(' ', '-')}"
        assert f"{found['score']:.3f}  {found['product']}"[:-1] in asked


def test_the_picture_shows_query_and_matches(asked, out):
    with Image.open(out / "product_search.png") as picture:
        assert picture.width > 1400


def test_the_showroom_has_products_of_its_own(run_example, mobilenet, tmp_path):
    done = run_example("product_search", "--model", mobilenet, "--out", tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "280 images downloaded" in done.stdout
    assert len(json.loads((tmp_path / "response.json").read_text())) == 10
    assert (tmp_path / "query.jpg").exists()


def test_without_a_query_a_photo_of_the_list_is_left_out(run_example, mobilenet, server, tmp_path):
    done = run_example("product_search", server.folder / "manifest.json", "--model", mobilenet, "--out", tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    query = re.search(r"^query: (.*)$", done.stdout, re.MULTILINE)[1]
    response = json.loads((tmp_path / "response.json").read_text())
    assert query.startswith(str(tmp_path / "photos"))
    assert len(response) == 8
    assert query not in {found["photo"] for found in response}
    assert "8 queries among 8 objects" in done.stdout


def test_a_manifest_that_is_none_is_told_in_a_line(run_example, tmp_path):
    (tmp_path / "shop.json").write_text("[{}]")
    done = run_example("product_search", tmp_path / "shop.json", "--out", tmp_path)
    assert done.returncode == 1
    assert "entry 1" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_run_downloads_nothing_and_asks_a_server_that_is_configured(
    asked, run_example, mobilenet, manifest, server, out
):
    """There is no server here: what is told is that it, or its package, is not there."""
    options = ["--query", server.folder / "query.jpg", "--model", mobilenet, "--out", out]
    address = {"FIFTYONE_BRAIN_SIMILARITY_ELASTICSEARCH_HOSTS": "http://127.0.0.1:9"}
    done = run_example("product_search", manifest, *options, **address)
    assert "0 images downloaded" in done.stdout
    assert "9 were there before" in done.stdout
    assert done.returncode != 0
    assert "elasticsearch" in done.stderr.lower()
