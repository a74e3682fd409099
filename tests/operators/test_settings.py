"""What the settings of whoever runs the server allow, and that nothing else is allowed."""

import hashlib
import http.server
import re
import threading
from io import BytesIO

import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind import showroom

SECRET = "weights that run code"


def message_of(app, dataset, name, params):
    (told,) = app(dataset, name, params).told("error")
    return told


@pytest.fixture
def folder(tmp_path):
    """A folder with weights, and a link in it that leads out of it."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "good.pt").write_bytes(showroom.WEIGHTS.read_bytes())
    (tmp_path / "evil.pt").write_text(SECRET)
    (folder / "link.pt").symlink_to(tmp_path / "evil.pt")
    return folder


@pytest.fixture
def loaded(monkeypatch):
    """The models that are asked for; none is loaded."""
    from fiftyone_simfind import testing
    from fiftyone_simfind.models import registry

    asked = []

    def load(model, *how):
        asked.append(model)
        return testing.FakeDetector()

    monkeypatch.setattr(registry, "_load_named", load)
    return asked


@pytest.mark.parametrize(
    "model", ["yolo11n.pt", "yolov8x-seg.pt", "yolo26m-pose.pt", "showroom.pt", "resnet50", "zoo:clip-vit-base32-torch"]
)
def test_a_model_that_is_known_by_name_may_be_asked_for(toys, app, settings, loaded, model):
    settings()
    assert app(toys, "detect_objects", {"model": model, "label_field": "found"}).told("success")
    assert loaded == [model]


def test_a_file_in_the_working_folder_may_not(toys, app, settings, loaded, tmp_path, monkeypatch):
    settings()
    (tmp_path / "mine.pt").write_text(SECRET)
    monkeypatch.chdir(tmp_path)
    assert "weights_folders" in message_of(app, toys, "detect_objects", {"model": "mine.pt"})
    assert loaded == []


@pytest.mark.parametrize("path", ["{}/good.pt", "good.pt", "{}/../weights/good.pt"])
def test_a_file_in_a_configured_folder_may(toys, app, settings, loaded, folder, path):
    settings(weights_folders=[str(folder)])
    app(toys, "detect_objects", {"model": path.format(folder), "label_field": "found"})
    assert loaded == [str((folder / "good.pt").resolve())]


@pytest.mark.parametrize(
    "path", ["{}/link.pt", "link.pt", "{}/../evil.pt", "../evil.pt", "{}", "{}/none.pt", "{}x/a.pt"]
)
def test_a_file_outside_of_it_may_not(toys, app, settings, loaded, folder, path):
    settings(weights_folders=[str(folder)])
    told = message_of(app, toys, "detect_objects", {"model": path.format(folder)})
    assert "no file in the folders for weights" in told
    assert loaded == []


def test_whether_a_file_outside_exists_is_not_told(toys, app, settings, folder):
    settings(weights_folders=[str(folder)])
    answers = {
        message_of(app, toys, "detect_objects", {"model": model}).replace(model, "X")
        for model in ("/etc/passwd", "/etc/none")
    }
    assert len(answers) == 1


def test_a_change_of_the_settings_counts_at_once(toys, app, settings, loaded, folder):
    settings()
    assert message_of(app, toys, "detect_objects", {"model": "good.pt"})
    settings(weights_folders=[str(folder)])
    assert app(toys, "detect_objects", {"model": "good.pt", "label_field": "found"}).told("success")


def test_a_script_may_load_what_it_likes(toys, execute, settings, loaded, tmp_path):
    settings()
    (tmp_path / "mine.pt").write_text(SECRET)
    execute(toys, "detect_objects", params={"model": str(tmp_path / "mine.pt"), "label_field": "found"})
    assert loaded == [str(tmp_path / "mine.pt")]


def test_weights_on_the_queue_are_checked_again_when_they_come_from_the_app(toys, app, settings, loaded, folder):
    from fiftyone.operators.delegated import DelegatedOperationService

    service = DelegatedOperationService()
    for operation in service.list_operations():
        service.delete_operation(operation.id)
    settings(weights_folders=[str(folder)])
    app(toys, "detect_objects", {"model": "good.pt"}, request_delegation=True)
    settings()
    service.execute_queued_operations(limit=1)
    (operation,) = service.list_operations()
    assert operation.run_state == "failed"
    assert "weights_folders" in operation.result.error
    assert loaded == []


def test_recorded_weights_are_checked_like_those_of_a_form(scenes, app, settings, upload):
    settings()
    field = scenes.get_field("objects.detections.embedding")
    field.info = {"simfind": {**field.info["simfind"], "weights": "/tmp/evil.pt"}}
    field.save()
    assert "weights_folders" in message_of(app, scenes, "refresh_index", {})
    photo = {"photo": upload(Image.new("RGB", (64, 64)))}
    assert "weights_folders" in message_of(app, scenes, "search_by_photo", photo)


def test_the_names_are_those_of_ultralytics_and_of_the_sdk():
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES

    from fiftyone_simfind.models.classifiers import HEADS
    from operators import _weights

    kinds = re.compile(r"yolo(v?\d+)[a-z]+\d?(-(tiny|spp)?u?)?(-(cls|obb|pose|pose-p6|seg|oiv7|world|worldv2))?u?\.pt")
    published = {name for name in GITHUB_ASSETS_NAMES if kinds.fullmatch(name)}
    assert len(published) > 80
    assert {name for name in published if not _weights.RELEASED.fullmatch(name)} == set()
    assert set(_weights.TORCHVISION) == set(HEADS)
    assert showroom.WEIGHTS.name == _weights.OWN


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"allow_urls": "yes"}, '"allow_urls".* must be true or false'),
        ({"max_upload_mb": 0}, '"max_upload_mb".* must be a number above 0'),
        ({"max_upload_mb": True}, '"max_upload_mb".* must be a number above 0'),
        ({"url_hosts": "a"}, '"url_hosts".* must be a list of strings'),
        ({"weights_folders": [1]}, '"weights_folders".* must be a list of strings'),
    ],
)
def test_a_wrong_setting_is_named(toys, settings, given, message):
    from operators import _settings

    settings(**given)
    with pytest.raises(simfind.OptionError, match=message):
        _settings.load()


def test_without_settings_as_little_as_possible_is_allowed(tmp_path, monkeypatch):
    from operators import _settings

    monkeypatch.setenv("FIFTYONE_APP_CONFIG_PATH", str(tmp_path / "none.json"))
    found = _settings.load()
    assert (found.allow_urls, found.url_hosts, found.weights_folders) == (False, (), ())
    assert found.max_bytes == 20 * 2**20


def test_a_dataset_cannot_allow_anything(indexed, app, settings):
    settings()
    indexed.info["plugins"] = {"@simfind/objects": {"allow_urls": True}}
    indexed.app_config.plugins["@simfind/objects"] = {"allow_urls": True}
    indexed.save()
    assert "allow_urls" in message_of(app, indexed, "search_by_photo", {"url": "http://127.0.0.1/x.png"})


# --- photos ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def site():
    """A server on this machine with one picture, and an address that redirects to it."""
    picture = BytesIO()
    Image.new("RGB", (64, 64), "red").save(picture, "PNG")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", f"http://localhost:{server.server_port}/picture.png")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(picture.getvalue())))
            self.end_headers()
            self.wfile.write(picture.getvalue())

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_photo_that_is_too_large_is_told_of_in_the_form_and_not_remembered(indexed, app, form_of, settings, upload):
    settings(max_upload_mb=1)
    photo = upload(b"0" * 2**20)
    assert "photo" in form_of(indexed, "search_by_photo", photo=photo)
    given = {"upload": hashlib.sha256(photo["content"].encode()).hexdigest(), "brain_key": "simfind"}
    assert "no longer kept" not in app(indexed, "find_in_photo", given).results["error"]
    photo = upload(b"1" * (2**20 + 3))
    form = form_of(indexed, "search_by_photo", photo=photo)
    assert form["photo"].error_message == "the photo has more than 1 MB, which is the most that is allowed"
    given["upload"] = hashlib.sha256(photo["content"].encode()).hexdigest()
    assert "no longer kept" in app(indexed, "find_in_photo", given).results["error"]


def test_an_address_is_refused_until_it_is_allowed_and_private_ones_until_their_host_is(scenes, app, settings, site):
    params = {"url": f"http://{site}/picture.png", "candidate": "whole"}
    settings()
    assert "allow_urls" in message_of(app, scenes, "search_by_photo", params)
    settings(allow_urls=True)
    assert "not on the public internet" in message_of(app, scenes, "search_by_photo", params)
    settings(allow_urls=True, url_hosts=[site])
    assert "set_view" in app(scenes, "search_by_photo", params).asked()


def test_a_redirect_to_an_address_that_is_not_allowed_is_refused(scenes, app, settings, site):
    settings(allow_urls=True, url_hosts=[site])
    assert "not on the public internet" in message_of(app, scenes, "search_by_photo", {"url": f"http://{site}/moved"})
