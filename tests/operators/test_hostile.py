"""What nobody fills in by mistake: each is answered with a sentence and no stack trace, and nothing changes."""

import base64
import json
import pickle
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

import fiftyone_simfind as simfind

HTML = "<img src=x onerror=alert(1)>"
LONG = "x" * 100_000
ELSEWHERE = "f" * 24  # a label id that nothing has


@pytest.fixture(scope="module")
def dataset():
    """Toys with an index, a visualization, scores, and a field of other labels, all of which are to stay."""
    import fiftyone.brain as fob

    from fiftyone_simfind.testing import toy_dataset

    toys = toy_dataset()
    toys.clone_sample_field("objects", "truth")
    simfind.build_index(toys, "objects")
    simfind.sort_by_similarity(toys, toys.first().objects.detections[0], score_field="score")
    points = {sample_id: np.zeros(2) for sample_id in toys.values("id")}
    fob.compute_visualization(toys, points=points, brain_key="of_images", method="manual")
    yield toys
    toys.delete()


def state(dataset):
    """All of a dataset that anybody could have changed."""
    dataset.reload()
    fields = {
        path: (type(field).__name__, str(field.info)) for path, field in dataset.get_field_schema(flat=True).items()
    }
    samples = [json.dumps(sample.to_dict(), default=str, sort_keys=True) for sample in dataset]
    return fields, samples, dataset.list_brain_runs(), dataset.list_runs(), dataset.list_saved_views(), dataset.info


def ticked(dataset):
    """The request of somebody who has ticked the first patch."""
    patches = dataset.to_patches("objects")
    return {"view": patches, "selected": [patches.first().id]}


def search_in_panel(dataset, app, options):
    """What the server answers a browser whose panel has these options filled in."""
    query = {"ids": [dataset.first().objects.detections[0].id], "negatives": [], "brain_key": "simfind"}
    held = {"tab": "search", "search": {"query": query}, "options": options}
    return app(dataset, "object_search", {"__method__": "on_search", "panel_id": "panel", "panel_state": held})


class Opened:
    """Leaves a mark when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def png(width, height, rows=b""):
    """A PNG that says it is this large."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def photo(content):
    return {"photo": {"name": f"{HTML}.png", "type": "image/png", "content": base64.b64encode(content).decode()}}


SEARCHES = [
    ({"k": "many"}, "k must be a whole number from 1 to 10,000"),
    ({"k": 10**400}, "k must be a whole number"),
    ({"k": 1e308}, "k must be a whole number"),
    ({"k": -1}, "k must be a whole number"),
    ({"k": 0.5}, "k must be a whole number"),
    ({"k": True}, "k must be a whole number"),
    ({"k": {"$gt": 0}}, "k must be a whole number"),
    ({"min_score": float("nan")}, "min_score must be a number from -1 to 1"),
    ({"min_score": float("inf")}, "min_score must be a number from -1 to 1"),
    ({"scope": "sideways"}, "scope='sideways' must be one of"),
    ({"scope": ["all"]}, "must be one of"),
    ({"classes": "mug"}, "classes must be a list of names"),
    ({"classes": [1, {}]}, "classes must be a list of names"),
    ({"classes": ["mug"] * 5000}, "classes must be a list of names"),
    ({"brain_key": HTML}, "must be one of"),
    ({"brain_key": "of_images"}, "must be one of"),
    ({"brain_key": LONG}, "must be one of"),
    ({"emphasis": "__proto__"}, "must be one of"),
    ({"rerank": "../../../etc/passwd"}, "no model that is known by name"),
    ({"rerank": "resnet50:/etc/passwd"}, "no model that is known by name"),
    ({"rerank_depth": 0}, "rerank_depth must be a whole number"),
    ({"score_field": "label"}, "holds something else|label"),
    ({"score_field": "a.b"}, "must be letters, digits and underscores"),
    ({"score_field": "\u202ee\u0301"}, "must be letters, digits and underscores"),
    ({"score_field": LONG}, "must be a text of at most"),
    ({"one_per_image": "yes"}, "one_per_image must be true or false"),
    ({"device": "cuda:0; rm -rf /"}, "has no option 'device'"),
    ({"query_domain": [[1.0]]}, "has no option 'query_domain'"),
    ({HTML: 1}, "has no option"),
]

IN_THE_PANEL = [
    ({"k": 10_000}, "k must be a whole number from 1 to 200, and is 10000"),
    ({"first": {"k": 10**400}}, "k must be a whole number"),
    ({"k": -1}, "k must be a whole number"),
    ({"k": 0.5}, "k must be a whole number"),
    ({"k": True}, "k must be a whole number"),
    ({"k": {"$gt": 0}}, r"has no option '\$gt'"),
    ({"min_score": float("nan")}, "min_score must be a number from -1 to 1"),
    ({"min_score": "0"}, "min_score must be a number from -1 to 1"),
    ({"scope": "sideways"}, "scope='sideways' must be one of"),
    ({"emphasis": "__proto__"}, "must be one of"),
    ({"classes": "mug"}, "classes must be a list of names"),
    ({"classes": ["mug"] * 5000}, "classes must be a list of names"),
    ({"reverse": "yes"}, "reverse must be true or false"),
    ({"rerank": "resnet50"}, "has no option 'rerank'"),
    ({"query_domain": [[1.0]]}, "has no option 'query_domain'"),
    ({HTML: 1}, "has no option"),
]

OTHERS = [
    ("detect_objects", {"model": "~/.ssh/id_rsa"}, "no model that is known by name"),
    ("detect_objects", {"model": "../../etc/passwd"}, "no model that is known by name"),
    ("detect_objects", {"model": "/etc/passwd\0.pt"}, "no name of a model"),
    ("detect_objects", {"model": "https://evil.example/x.pt"}, "no model that is known by name"),
    ("detect_objects", {"model": {"$ne": ""}}, "no name of a model"),
    ("detect_objects", {"model": "zoo:../../x"}, "no model that is known by name"),
    ("detect_objects", {"model": LONG}, "no name of a model"),
    ("detect_objects", {"label_field": HTML}, "must be letters, digits and underscores"),
    ("detect_objects", {"label_field": "../truth"}, "must be letters, digits and underscores"),
    (
        "detect_objects",
        {"label_field": "truth", "overwrite": True},
        "replaces the 8 objects in “truth”, which Simfind did",
    ),
    ("detect_objects", {"label_field": "truth", "overwrite": True, "confirm": "yes"}, "Tick “Yes, do so”"),
    ("detect_objects", {"confidence_thresh": float("nan")}, "confidence_thresh must be a number"),
    ("detect_objects", {"image_size": 10**9}, "image_size must be a whole number"),
    ("detect_objects", {"batch_size": -5}, "batch_size must be a whole number"),
    ("detect_objects", {"classes": {"a": 1}}, "classes must be a list"),
    ("embed_objects", {}, "patches_field is missing"),
    ("embed_objects", {"patches_field": "filepath"}, "must be one of"),
    ("embed_objects", {"patches_field": "objects", "overwrite": True}, "replaces the vectors in “embedding”"),
    ("embed_objects", {"patches_field": "objects", "model": "evil.pt"}, "no model that is known by name"),
    ("build_index", {"patches_field": "nowhere"}, "must be one of"),
    ("build_index", {"patches_field": "objects", "brain_key": "../x"}, "must be letters, digits and underscores"),
    ("build_index", {"patches_field": "objects", "brain_key": "simfind"}, "already has a brain run “simfind”"),
    ("build_index", {"patches_field": "objects", "overwrite": True}, "replaces the similarity run “simfind”"),
    (
        "build_index",
        {"patches_field": "objects", "brain_key": "of_images", "overwrite": True, "confirm": True},
        "a brain run of another kind called “of_images”",
    ),
    ("build_index", {"patches_field": "objects", "brain_key": "x", "backend": HTML}, "must be one of"),
    ("refresh_index", {"brain_key": "nowhere"}, "must be one of"),
    ("refresh_index", {"model": "/proc/self/environ"}, "no model that is known by name"),
    ("delete_index", {"brain_key": "simfind"}, "Tick “Yes, do so”"),
    ("delete_index", {"confirm": True}, "brain_key is missing"),
    ("delete_index", {"brain_key": "of_images", "confirm": True}, "must be one of"),
    ("clear_scores", {"patches_field": "objects", "score_field": "score"}, "Tick “Yes, do so”"),
    ("clear_scores", {"patches_field": "objects", "score_field": "confidence", "confirm": True}, "must be one of"),
    ("visualize_objects", {"method": "os.system"}, "must be one of"),
    ("visualize_objects", {"viz_key": "simfind", "overwrite": True, "confirm": True}, "a brain run of another kind"),
    ("visualize_objects", {"seed": -1}, "seed must be a whole number"),
    ("compute_neighbors", {"neighbors_field": "label"}, "holds something else than neighbours"),
    ("compute_neighbors", {"k": 10**9}, "k must be a whole number"),
    ("evaluate_retrieval", {"k": "1, 2, x"}, "k must be whole numbers"),
    ("evaluate_retrieval", {"k": [10**9]}, "k must be whole numbers"),
    ("evaluate_retrieval", {"k": [1.5]}, "k must be whole numbers"),
    ("evaluate_retrieval", {"k": {"a": 1}}, "k must be whole numbers"),
    ("evaluate_retrieval", {"label_attr": "__class__"}, "must be one of"),
    ("evaluate_retrieval", {"queries": float("inf")}, "queries must be a whole number"),
    ("cancel_job", {"operator": "../../x"}, "must be one of"),
    ("cancel_job", {}, "operator is missing"),
    ("object_pictures", {"ids": 5}, "ids must be a list of ids, and is 5"),
    ("object_pictures", {"ids": [{"$ne": ""}]}, "ids must be a list of ids"),
    ("object_pictures", {"ids": [ELSEWHERE], "brain_key": ["a"]}, "brain_key must be a text"),
]

PHOTOS = [
    ({}, "no photo is given"),
    ({"photo": []}, "no photo is given"),
    ({"photo": ["a"]}, "must be an uploaded file"),
    ({"photo": "/etc/passwd"}, "did not arrive whole|no image|text file"),
    ({"photo": "data:image/png;base64,%%%"}, "did not arrive whole"),
    ({"photo": "photo:" + "0" * 32}, "no longer kept"),
    (photo(b""), "no photo arrived"),
    (photo(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"), "SVG"),
    (photo(b"<!doctype html><script>alert(1)</script>"), "web page"),
    (photo(b"#!/bin/sh\nrm -rf /"), "text file"),
    (photo(b"\xff\xd8\xff" + b"\0" * 100), "broken|cut off"),
    (photo(png(50_000, 50_000)), "pixels"),
    (photo(png(64, 64)), "broken|cut off"),
    (photo(b"\0" * (3 * 2**20)), "more than 2 MB"),
    ({**photo(png(1, 1)), "candidate": -1}, "candidate must be a number from 0 on"),
    ({**photo(png(1, 1)), "candidate": "../0"}, "candidate must be a number from 0 on"),
    ({"url": "http://127.0.0.1:27017/"}, "allow_urls"),
]

ADDRESSES = [
    "http://127.0.0.1/x.png",
    "http://localhost:5151/media?filepath=/etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::1]/x.png",
    "http://[::ffff:127.0.0.1]/x.png",
    "http://0x7f000001/x.png",
    "http://user:secret@127.0.0.1/x.png",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    "ftp://127.0.0.1/x.png",
    "javascript:alert(1)",
    "not an address",
    "http://" + "x" * 5000,
]


def require_sentence(answer, message):
    """The user saw one sentence, and nothing of the server's insides."""
    assert answer.status == 200
    assert "Traceback" not in answer.text
    assert 'File \\"' not in answer.text
    assert answer.error is None or re.search(message, answer.error)
    (told,) = answer.told("error")
    assert re.search(message, told), told
    assert len(told) < 700
    assert "set_view" not in answer.asked()


def require_refused_form(answer, message):
    status, text = answer
    assert status == 200
    assert "Traceback" not in text
    assert '"invalid": true' in text or '"invalid":true' in text
    assert re.search(message, text)


@pytest.mark.parametrize(("params", "message"), SEARCHES, ids=[str(params)[:40] for params, _ in SEARCHES])
def test_a_search_with(dataset, app, params, message):
    before = state(dataset)
    require_sentence(app(dataset, "sort_by_similarity", params, **ticked(dataset)), message)
    assert state(dataset) == before


@pytest.mark.parametrize(("options", "message"), IN_THE_PANEL, ids=[str(given)[:40] for given, _ in IN_THE_PANEL])
def test_a_search_of_the_panel_with(dataset, app, options, message):
    before = state(dataset)
    require_sentence(search_in_panel(dataset, app, options), message)
    assert state(dataset) == before


def test_the_panel_loads_no_file_that_a_browser_names(dataset, app, tmp_path):
    marker, weights = tmp_path / "marker", tmp_path / "weights.pt"
    weights.write_bytes(pickle.dumps(Opened(marker)))
    answer = search_in_panel(dataset, app, {"rerank": str(weights)})
    assert not marker.exists()
    require_sentence(answer, "has no option 'rerank'")


@pytest.mark.parametrize("method", ["on_show_in_grid", "on_search_export"])
@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({}, "nothing is shown yet"),
        ({"found": [{}], "where": {"field": "objects", "view": None}}, "."),
        ({"found": "all", "where": {"field": "objects", "view": None}}, "."),
        ({"found": [{"id": "x"}], "where": []}, "nothing is shown yet"),
    ],
)
def test_matches_that_a_browser_makes_up(dataset, app, method, held, message):
    before = state(dataset)
    held = {"tab": "search", "search": held}
    asked = {"__method__": method, "panel_id": "panel", "panel_state": held}
    require_sentence(app(dataset, "object_search", asked), message)
    assert state(dataset) == before


@pytest.mark.parametrize(
    ("name", "params", "message"), OTHERS, ids=[f"{name}-{str(params)[:40]}" for name, params, _ in OTHERS]
)
def test_an_operator_with(dataset, app, app_form, name, params, message):
    before = state(dataset)
    require_sentence(app(dataset, name, params), message)
    status, text = app_form(dataset, name, params)
    assert (status, "Traceback" in text) == (200, False)
    assert state(dataset) == before


@pytest.mark.parametrize(("params", "message"), PHOTOS, ids=[str(params)[:40] for params, _ in PHOTOS])
def test_a_photo_that_is(dataset, app, settings, params, message):
    settings(max_upload_mb=2)
    before = state(dataset)
    require_sentence(app(dataset, "search_by_photo", params), message)
    assert state(dataset) == before


@pytest.mark.skipif(not hasattr(simfind, "fetch_image"), reason="there is nothing to fetch with")
@pytest.mark.parametrize("url", ADDRESSES, ids=[url[:40] for url in ADDRESSES])
def test_an_address_like(dataset, app, settings, url):
    settings(allow_urls=True)
    before = state(dataset)
    require_sentence(app(dataset, "search_by_photo", {"url": url}), ".")
    assert state(dataset) == before


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"selected_labels": [{"label_id": ELSEWHERE, "sample_id": ELSEWHERE, "field": "objects"}]}, "is the id of no"),
        ({"selected_labels": [{"label_id": "$where", "sample_id": "1", "field": "objects"}]}, "is the id of no"),
        ({"selected_labels": [{"label_id": {"$ne": 1}, "sample_id": "1", "field": "objects"}]}, "."),
        ({"selected_labels": [{"label_id": ELSEWHERE, "sample_id": "1", "field": HTML}]}, "lie in “<img"),
        ({"selected_labels": [{}]}, "."),
        ({"selected_labels": "objects"}, "."),
        ({"selected": ["zzz"]}, "whole image is selected"),
        ({"view_name": "no such view"}, "."),
        ({"filters": {"_CLASS": HTML}}, "."),
    ],
)
def test_a_selection_like(dataset, app, request_, message):
    before = state(dataset)
    require_sentence(app(dataset, "sort_by_similarity", {"k": 3}, **request_), message)
    assert state(dataset) == before


@pytest.mark.parametrize("name", ["detect_objects", "sort_by_similarity", "search_by_photo"])
def test_a_dataset_that_does_not_exist(app, app_form, name):
    require_sentence(app("no such dataset", name), "no such dataset")
    status, text = app_form("no such dataset", name)
    assert (status, "Traceback" in text) == (200, False)


def test_settings_that_cannot_be_read(dataset, app, app_form, tmp_path, monkeypatch):
    (tmp_path / "app_config.json").write_text("{not json")
    monkeypatch.setenv("FIFTYONE_APP_CONFIG_PATH", str(tmp_path / "app_config.json"))
    require_sentence(app(dataset, "search_by_photo", photo(png(1, 1))), "settings of this plugin cannot be read")
    require_refused_form(app_form(dataset, "search_by_photo"), "settings of this plugin cannot be read")


def test_a_script_hears_the_error_itself(dataset, execute):
    with pytest.raises(Exception, match="k must be a whole number"):
        execute(dataset, "compute_neighbors", params={"k": "many"})
