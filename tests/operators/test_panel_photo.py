"""The panel's tab "Photo" without a browser: what it keeps, what it finds, and what it says to hostile input."""

import base64
import json
from io import BytesIO

import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind.showroom.scenes import compose


def give(panel, content, **more):
    """Give a photo to the panel, and tell what is wrong with it, if anything is."""
    if isinstance(content, bytes):
        content = "data:image/png;base64," + base64.b64encode(content).decode()
    panel.do("on_photo_given", content=content, **more)
    return panel.state["photo"].get("problem")


def key_of(panel):
    """What the server calls the photo that was given."""
    return panel.state["photo"].get("key")


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    from fiftyone_simfind.showroom.dataset import load

    dataset = load(3, folder=tmp_path_factory.mktemp("scenes"))
    simfind.detect(dataset, model="showroom.pt", progress=False)
    yield dataset
    dataset.delete()


@pytest.fixture
def scenes(originals):
    """A few showroom scenes with found objects and an index of them."""
    dataset = originals.clone()
    simfind.build_index(dataset, "objects")
    yield dataset
    dataset.delete()


@pytest.fixture
def panel(panel_of, scenes, settings):
    settings()
    return panel_of(scenes, "photo")


@pytest.fixture
def photo():
    return encoded(compose(9001).image)


def encoded(picture, kind="PNG"):
    file = BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def kept(dataset):
    from fiftyone.operators.store import ExecutionStore

    store = ExecutionStore.create("simfind", dataset._doc.id)
    return store, [key for key in store.list_keys() if key.startswith("photo:")]


def pictures(app, dataset, **params):
    return app(dataset, "object_pictures", params).results


def test_every_object_of_a_photo_and_the_whole_of_it_find_what_the_sdk_finds(panel, scenes, photo):
    assert give(panel, photo) is None
    candidates = simfind.detect_query(photo, samples=scenes)
    assert len(candidates) > 2
    for number, candidate in enumerate(candidates):
        panel.do("on_photo_pick", photo=key_of(panel), candidate=number)
        assert panel.found == simfind.search(scenes, candidate).ids
        assert panel.view("photo_part")["chosen"] == number


def test_the_whole_photo_has_a_class_only_among_whole_images(panel, panel_of, scenes, photo):
    give(panel, photo)
    panel.state["options"] = {"kinds": {"scope": "same_class"}}
    last = len(simfind.detect_query(photo, samples=scenes)) - 1
    panel.do("on_photo_pick", photo=key_of(panel), candidate=last)
    assert any("The whole photo has no class" in str(request) for request in panel.answer.requests)

    scenes.set_values("room", ["hall", "kitchen", "hall"], dynamic=True)
    simfind.whole_images(scenes, label_field="room")
    simfind.embed(scenes, "whole", model="showroom.pt")
    simfind.build_index(scenes, "whole", brain_key="rooms")
    panel = panel_of(scenes, "photo")
    panel.state["photo_form"] = {"brain_key": "rooms"}
    give(panel, photo)
    last = len(simfind.detect_query(photo, samples=scenes, brain_key="rooms")) - 1
    for scope, rooms in (("same_class", ["hall", "hall"]), ("other_classes", ["kitchen"])):
        panel.state["options"] = {"kinds": {"scope": scope}}
        panel.do("on_photo_pick", photo=key_of(panel), candidate=last)
        assert [match["label"] for match in panel.state["search"]["found"]] == rooms


def test_a_photo_is_kept_for_an_hour_beside_the_dataset_and_not_in_the_panels_state(panel, scenes, photo):
    scenes.reload()
    before = scenes.values("filepath"), list(scenes.get_field_schema(flat=True)), scenes.last_modified_at
    give(panel, photo)
    store, keys = kept(scenes)
    assert keys == [key_of(panel)]
    facts = store.get_metadata(key_of(panel))
    assert (facts["expires_at"] - facts["created_at"]).total_seconds() == pytest.approx(3600, abs=60)
    assert len(json.dumps(panel.state)) < 1000
    scenes.reload()
    assert (scenes.values("filepath"), list(scenes.get_field_schema(flat=True)), scenes.last_modified_at) == before


def test_the_browser_gets_a_picture_and_boxes_and_no_vectors(app, panel, scenes, photo):
    give(panel, photo)
    shown = pictures(app, scenes, photo=key_of(panel))
    candidates = simfind.detect_query(photo, samples=scenes)
    assert [found["label"] for found in shown["objects"]] == [candidate.label for candidate in candidates]
    assert {key for found in shown["objects"] for key in found} == {"label", "confidence", "bounding_box"}
    picture = Image.open(BytesIO(base64.b64decode(shown["image"].partition(",")[2])))
    assert (picture.format, picture.size) == ("JPEG", (640, 480))


def test_the_object_of_a_photo_is_pictured_beside_objects_of_the_dataset(app, panel, scenes, photo):
    give(panel, photo)
    panel.do("on_photo_pick", photo=key_of(panel), candidate=0)
    panel.do("on_search_more", id=panel.found[1])
    (first, second) = panel.view("query")["items"]
    assert (first["id"], second["id"]) == (f"{key_of(panel)}/0", panel.state["search"]["query"]["ids"][0])
    names = [first["id"], second["id"], f"{key_of(panel)}/99", "photo:none/0"]
    found = pictures(app, scenes, brain_key="simfind", ids=names)["pictures"]
    assert set(found) == {first["id"], second["id"]}
    assert all(picture.startswith("data:image/jpeg;base64,") for picture in found.values())


def test_a_match_is_searched_for_in_turn_without_the_photo(panel, scenes, photo):
    give(panel, photo)
    panel.do("on_photo_pick", photo=key_of(panel), candidate=0)
    match = panel.found[1]
    panel.do("on_search_again", id=match)
    assert panel.found == simfind.search(scenes, match).ids
    assert [item["id"] for item in panel.view("query")["items"]] == [match]
    assert (panel.view("photo_part")["photo"], panel.view("photo_part")["chosen"]) == (key_of(panel), None)
    panel.do("on_search_back")
    assert panel.view("photo_part")["chosen"] == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no photo arrived"),
        (5, "no photo arrived"),
        ({"content": "x"}, "no photo arrived"),
        ("", "no photo arrived"),
        ("data:image/png;base64,", "empty"),
        ("data:image/png;base64,%%%%", "did not arrive whole"),
        ("data:image/png;base64,äöü", "did not arrive whole"),
        ("/etc/passwd", "did not arrive whole"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "an SVG drawing"),
        (b"<!doctype html><script>alert(1)</script>", "a web page"),
        (b"%PDF-1.4", "a PDF"),
        (encoded(compose(9001).image)[:3000], "cut off or broken"),
    ],
    ids=lambda value: str(value)[:20] if not isinstance(value, bytes) else value[:8].decode("latin-1"),
)
def test_what_is_no_photo_is_refused_in_words_and_not_kept(panel, scenes, content, words):
    problem = give(panel, content)
    assert words in problem
    assert "Traceback" not in problem
    assert panel.view("photo_part")["problem"] == problem
    assert kept(scenes)[1] == []


def test_a_photo_with_more_bytes_than_allowed_is_refused(panel, scenes, settings, photo):
    settings(max_upload_mb=0.0625)
    assert "more than 0.0625 MB" in give(panel, photo)
    assert kept(scenes)[1] == []


def test_a_photo_with_more_pixels_than_allowed_is_refused(panel, settings):
    settings(max_megapixels=0.05)
    assert "320 x 240 pixels" in give(panel, encoded(Image.new("RGB", (320, 240))))
    assert give(panel, encoded(Image.new("RGB", (160, 120)))) is None


def test_a_good_photo_takes_the_problem_away(panel, photo):
    assert give(panel, "") is not None
    assert give(panel, photo) is None
    assert panel.view("photo_part")["problem"] is None


def test_a_photo_without_objects_offers_the_whole_of_it(panel, scenes):
    blank = encoded(Image.new("RGB", (320, 240), "white"))
    give(panel, blank)
    assert "Search for the whole photo" in panel.view("photo_part")["notes"][0]
    panel.do("on_photo_pick", photo=key_of(panel), candidate=0)
    (whole,) = simfind.detect_query(blank, samples=scenes)
    assert panel.found == simfind.search(scenes, whole).ids


def test_a_photo_that_was_scaled_down_is_said_to_be(panel, photo):
    give(panel, photo, before=[6400, 4800])
    assert panel.view("photo_part")["notes"] == ["Scaled down from 6,400 x 4,800 to 640 x 480 pixels to be sent"]
    for strange in ("6400", [1], [1, "2"], {"0": 1}, [None, None]):
        give(panel, photo, before=strange)
        assert panel.view("photo_part")["notes"] == []


@pytest.mark.parametrize("number", [-1, 99, "1", None, True, 1.5, [0], {"$gt": 0}])
def test_an_object_that_a_photo_does_not_have_is_refused_in_words(panel, photo, number):
    give(panel, photo)
    panel.do("on_photo_pick", photo=key_of(panel), candidate=number)
    assert "the photo has no object" in panel.answer.told()[0]
    assert "found" not in panel.state.get("search", {})


@pytest.mark.parametrize("key", ["photo:" + 32 * "0", "job:detect_objects", "", None, 5, {"$ne": 1}, ["photo"]])
def test_a_photo_that_is_not_kept_is_asked_for_again(app, panel, scenes, key):
    panel.do("on_photo_pick", photo=key, candidate=0)
    assert panel.answer.told() == ["This photo is no longer kept. Give it again"]
    if key:
        assert pictures(app, scenes, photo=key) == {"photo": key, "gone": True}


def test_a_photo_of_another_dataset_is_not_there(panel_of, panel, photo, indexed):
    give(panel, photo)
    other = panel_of(indexed, "photo")
    other.do("on_photo_pick", photo=key_of(panel), candidate=0)
    assert other.answer.told() == ["This photo is no longer kept. Give it again"]


def test_a_photo_is_given_again_when_its_index_was_made_anew(panel, scenes, photo):
    give(panel, photo)
    simfind.build_index(scenes, "objects", overwrite=True)
    panel.do("on_photo_pick", photo=key_of(panel), candidate=0)
    assert panel.answer.told() == ["The index was made anew since this photo was looked at. Give the photo again"]


def test_a_photo_outlives_objects_that_are_added_to_the_index(panel, scenes, photo):
    give(panel, photo)
    added = scenes.first()
    added["objects"].detections.append(added["objects"].detections[0].copy())
    added.save()
    assert simfind.refresh(scenes).indexed == scenes.count("objects.detections")
    panel.do("on_photo_pick", photo=key_of(panel), candidate=0)
    assert panel.found == simfind.search(scenes, simfind.detect_query(photo, samples=scenes)[0]).ids


def test_addresses_are_not_asked_unless_the_settings_allow_them(panel, monkeypatch):
    monkeypatch.setattr(simfind, "fetch_image", lambda *args, **options: pytest.fail("it was asked"))
    panel.do("on_photo_url", url="http://example.com/photo.png")
    assert "allow_urls" in panel.state["photo"]["problem"]
    assert "allow_urls" in panel.view("photo_part")["no_urls"]


def test_an_address_is_asked_as_the_settings_say(panel, scenes, settings, monkeypatch, photo):
    asked = []
    monkeypatch.setattr(simfind, "fetch_image", lambda url, **options: asked.append((url, options)) or photo)
    settings(allow_urls=True, url_hosts=["photos.lan"], max_upload_mb=3)
    panel.do("on_photo_url", url=" http://photos.lan/photo.png ")
    assert asked == [("http://photos.lan/photo.png", {"max_bytes": 3 * 2**20, "allowed_hosts": ("photos.lan",)})]
    assert kept(scenes)[1] == [key_of(panel)]
    assert panel.view("photo_part")["no_urls"] is None


@pytest.mark.parametrize("url", [None, "", 5, "file:///etc/passwd", "http://127.0.0.1/", "http://169.254.169.254/x"])
def test_an_address_that_may_not_be_asked_is_refused_in_words(panel, scenes, settings, url):
    settings(allow_urls=True)
    panel.do("on_photo_url", url=url)
    assert panel.state["photo"]["problem"]
    assert "Traceback" not in panel.state["photo"]["problem"]
    assert kept(scenes)[1] == []


def test_weights_that_forms_may_not_load_are_not_loaded_for_a_photo_either(panel, scenes, tmp_path, photo):
    weights = tmp_path / "own.pt"
    weights.write_bytes(b"a pickle")
    field = scenes.get_field("objects.detections.embedding")
    field.info = {**field.info, "simfind": {**field.info["simfind"], "weights": str(weights)}}
    field.save()
    assert "weights_folders" in give(panel, photo)


def test_nor_are_they_for_an_index_in_a_vector_database(panel_of, scenes, tmp_path, photo):
    pytest.importorskip("lancedb")
    simfind.build_index(scenes, "objects", backend="lancedb", uri=str(tmp_path / "vectors"), overwrite=True)
    weights = tmp_path / "own.pt"
    weights.write_bytes(b"a pickle")
    field = scenes.get_field("objects.detections.embedding")
    field.info = {**field.info, "simfind": {**field.info["simfind"], "weights": str(weights)}}
    field.save()
    assert "weights_folders" in give(panel_of(scenes, "photo"), photo)


def test_a_detector_that_is_gone_leaves_the_whole_photo(panel_of, scenes, settings, tmp_path, photo):
    import torch
    from torchvision.models import mobilenet_v2

    torch.save(mobilenet_v2().state_dict(), tmp_path / "own.pth")
    (tmp_path / "gone.pt").write_bytes(b"no weights any more")
    settings(weights_folders=[str(tmp_path)])
    crops = f"mobilenet_v2:{tmp_path / 'own.pth'}"
    simfind.embed(scenes, "objects", model=crops, embeddings_field="crop", engine="torch", progress=False)
    simfind.build_index(scenes, "objects", embeddings_field="crop", overwrite=True)
    field = scenes.get_field("objects")
    field.info = {**field.info, "simfind": {**field.info["simfind"], "weights": str(tmp_path / "gone.pt")}}
    field.save()
    panel = panel_of(scenes, "photo")
    assert give(panel, photo) is None
    assert len(panel.view("photo_part")["notes"]) == 1  # that nothing was found in it


def test_a_detector_that_forms_may_not_load_finds_nothing_in_a_photo(panel, scenes, tmp_path, photo, monkeypatch):
    asked = []
    real = simfind.detect_query
    monkeypatch.setattr(
        simfind, "detect_query", lambda image, **options: asked.append(options) or real(image, **options)
    )
    give(panel, photo)
    field = scenes.get_field("objects")
    field.info = {**field.info, "simfind": {**field.info["simfind"], "weights": str(tmp_path / "evil.pt")}}
    field.save()
    give(panel, photo)
    assert asked[0]["detector"].endswith("showroom.pt")
    assert asked[1]["detector"] is False


def test_the_objects_of_a_photo_are_offered_for_an_index_of_crops_too(panel_of, scenes, settings, tmp_path, photo):
    """They are found by the detector that found the dataset's."""
    import torch
    from torchvision.models import mobilenet_v2

    torch.save(mobilenet_v2().state_dict(), tmp_path / "own.pth")
    settings(weights_folders=[str(tmp_path)])
    crops = f"mobilenet_v2:{tmp_path / 'own.pth'}"
    simfind.embed(scenes, "objects", model=crops, embeddings_field="crop", engine="torch", progress=False)
    simfind.build_index(scenes, "objects", embeddings_field="crop", overwrite=True)
    panel = panel_of(scenes, "photo")
    assert give(panel, photo) is None
    assert panel.view("photo_part")["notes"] == []
    candidates = simfind.detect_query(photo, samples=scenes)
    assert len(candidates) > 2
    panel.do("on_photo_pick", photo=key_of(panel), candidate=1)
    assert panel.found == simfind.search(scenes, candidates[1]).ids


def test_an_error_of_the_model_is_one_sentence(panel, monkeypatch, photo):
    def fail(*args, **options):
        raise RuntimeError("CUDA out of memory\nand more")

    monkeypatch.setattr(simfind, "detect_query", fail)
    assert give(panel, photo) == "RuntimeError: CUDA out of memory (more is in the server's log)"


def test_the_whole_photo_has_no_class_to_keep_to(panel, photo, scenes):
    panel.state["options"] = {"kinds": {"scope": "same_class"}}
    give(panel, photo)
    panel.do("on_photo_pick", photo=key_of(panel), candidate=len(simfind.detect_query(photo, samples=scenes)) - 1)
    assert panel.answer.told() == ["The whole photo has no class. Choose “any class” under “Class of the matches”"]


def test_search_without_an_object_says_how_to_pick_one(panel, photo):
    give(panel, photo)
    panel.do("on_photo_search")
    assert panel.answer.told() == ["Click one of the numbered boxes, or “Whole photo”"]


def test_another_index_asks_the_browser_for_the_photo_again(panel, scenes, photo):
    simfind.build_index(scenes, "objects", brain_key="second")
    give(panel, photo)
    before = key_of(panel)
    panel.state["photo_form"] = {"brain_key": "second"}
    panel.do("on_photo_index")
    assert (key_of(panel), panel.view("photo_part")["again"]) == (None, before)
    give(panel, photo)
    assert panel.state["photo"]["brain_key"] == "second"


def test_the_index_of_the_search_is_the_one_that_a_photo_is_for(panel, scenes, photo):
    simfind.build_index(scenes, "objects", brain_key="second")
    panel.state["search"] = {"query": {"ids": ["x"], "brain_key": "second"}}
    give(panel, photo)
    assert panel.state["photo"]["brain_key"] == "second"


def test_without_an_index_the_tab_says_what_to_do(panel_of, toys, settings, photo):
    settings()
    panel = panel_of(toys, "photo")
    problem = give(panel, photo)
    assert "“Set up” makes one" in problem
    assert "“Set up” makes one" in panel.view("none")["label"]


def test_settings_that_cannot_be_read_are_said_to_be(panel, settings):
    settings(max_upload_mb=-1)
    panel.do("on_tab")
    assert "max_upload_mb" in panel.view("settings")["label"]


def test_the_map_is_drawn_without_a_photo_that_was_looked_at_for_an_index_before(panel, scenes, photo):
    simfind.visualize(scenes, method="pca")
    give(panel, photo)
    panel.do("on_photo_pick", photo=key_of(panel), candidate=0)
    simfind.build_index(scenes, "objects", overwrite=True)
    panel.do("on_tab", tab="map")
    assert "map_plot" in panel.shown
