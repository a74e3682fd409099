"""What ``download_images`` gets from servers of this machine that are busy, slow, broken or honest, and from files."""

import contextlib
import email.utils
import hashlib
import http.server
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind import FetchError, ManifestError, OptionError, _download, _fetch, _shelf
from fiftyone_simfind._turns import Job, Turns

ROOT = Path(__file__).resolve().parents[2]


def picture(number=0, kind="PNG"):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, number // 256, 90)).save(file, kind)
    return file.getvalue()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Shop(http.server.BaseHTTPRequestHandler):
    """Answers by what the path says: /photo/3, /busy/2/photo (twice 429), /html ..."""

    def do_GET(self):
        shop = self.server
        with shop.lock:
            shop.asked.append((time.monotonic(), self.path))
            shop.now += 1
            shop.most = max(shop.most, shop.now)
        self.is_answered = False
        with contextlib.suppress(ConnectionError):
            self.answer(*self.path.strip("/").split("/"))
        self.answered()

    def answered(self):
        """Not under way any more: who asked may have the whole answer as soon as it is sent, and ask again."""
        with self.server.lock:
            self.server.now -= not self.is_answered
        self.is_answered = True

    def answer(self, what, *more):
        if what == "photo":
            self.server.wait()
            self.reply(200, picture(int(more[0])))
        elif what in ("busy", "broken", "later") and self.tried() <= int(more[0]):
            status = 503 if what == "broken" else 429
            self.reply(status, b"", {"Retry-After": self.server.retry_after} if what == "later" else {})
        elif what in ("busy", "broken", "later"):
            self.reply(200, picture())
        elif what == "stall" and self.tried() <= int(more[0]):
            self.server.closing.wait(30)
        elif what == "stall":
            self.reply(200, picture())
        elif what == "short" and self.tried() == 1:
            self.reply(200, picture()[:20], {"Content-Length": "99"})
        elif what == "to":
            self.reply(302, b"", {"Location": "/" + "/".join(more)})
        elif what == "html":
            self.reply(200, b"<!DOCTYPE html><html>Please log in</html>")
        elif what == "short":
            self.reply(200, picture())
        else:
            self.reply(404, b"")

    def tried(self):
        return sum(path == self.path for _, path in self.server.asked)

    def reply(self, status, body, headers=()):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **dict(headers)}.items():
            self.send_header(name, value)
        self.answered()
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host="127.0.0.1"):
        self.asked, self.closing, self.lock = [], threading.Event(), threading.Lock()
        self.now = self.most = 0
        self.wait, self.retry_after = lambda: None, "1"  # for each photo; seconds that a busy host asks for
        super().__init__((host, 0), Shop)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, *_):
        """Whoever asked has gone away."""

    def url(self, path):
        return f"http://{self.server_address[0]}:{self.server_address[1]}/{path}"

    def paths(self):
        return [path for _, path in self.asked]

    def close(self):
        self.closing.set()
        self.shutdown()
        self.server_close()


@pytest.fixture
def shop():
    made = Server()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(_download, "FIRST_WAIT", 0.02)


@pytest.fixture
def download(shop, tmp_path):
    """Downloads paths of the shop, or entries, into one folder."""

    def download(*given, **options):
        entries = [one if isinstance(one, dict) else {"url": shop.url(one), "product": "mug"} for one in given]
        options = {"allowed_hosts": ["127.0.0.1"], "progress": False, **options}
        return simfind.download_images(entries, tmp_path / "photos", **options)

    return download


def test_each_entry_gets_its_own_file(download, tmp_path):
    report = download("photo/1", "photo/2", "photo/1")
    assert [Path(path).read_bytes() for path in report.paths] == [picture(1), picture(2), picture(1)]
    assert (report.downloaded, report.already_there, report.failures) == (2, 0, {})
    assert report.bytes == len(picture(1)) + len(picture(2))
    assert str(report).startswith("2 images downloaded (")
    assert sorted(os.listdir(tmp_path / "photos")) == sorted(Path(path).name for path in set(report.paths))


def test_a_second_call_asks_for_nothing(download, shop):
    first = download("photo/1", "photo/2")
    asked = len(shop.asked)
    again = download("photo/1", "photo/2")
    assert len(shop.asked) == asked
    assert (again.downloaded, again.already_there, again.paths) == (0, 2, first.paths)
    assert str(again).endswith("; 2 were there before")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_a_file_gets_the_suffix_of_what_it_is(download, tmp_path, kind):
    (tmp_path / "photo").write_bytes(picture(kind=kind))
    (path,) = download({"url": f"file://{tmp_path}/photo", "product": "mug"}).paths
    assert Path(path).suffix == _shelf.SUFFIXES[kind]


def test_what_fails_for_a_while_is_tried_again(download, shop):
    report = download("busy/2/a", "broken/1/b", "short/c", "stall/1/d", timeout=3)
    assert (report.downloaded, report.failures) == (4, {})
    assert Counter(shop.paths()) == {"/busy/2/a": 3, "/broken/1/b": 2, "/short/c": 2, "/stall/1/d": 2}


def test_waits_grow_and_differ(download, shop, monkeypatch):
    monkeypatch.setattr(_download, "FIRST_WAIT", 0.2)
    shares = iter([0.75, 1.25])
    monkeypatch.setattr(_download.random, "uniform", lambda low, high: low <= (share := next(shares)) <= high and share)
    waits, done = [], Turns.done
    monkeypatch.setattr(Turns, "done", lambda *given, **how: waits.append(how.get("again_in")) or done(*given, **how))
    download("busy/2/a")
    assert waits == [pytest.approx(0.2 * 0.75), pytest.approx(0.4 * 1.25), None]
    first, second, third = (when for when, _ in shop.asked)
    assert second - first >= waits[0]
    assert third - second >= waits[1]


def test_what_always_fails_is_given_up(download, shop):
    report = download("busy/9/a", "photo/1", retries=2)
    assert shop.paths().count("/busy/9/a") == 3
    ((url, reason),) = report.failures.items()
    assert url == shop.url("busy/9/a")
    assert "answers 429 Too Many Requests (3 times)" in reason
    assert report.paths[0] is None
    assert report.downloaded == 1
    assert f"1 failed, the first is {url}: " in str(report)


def test_what_cannot_get_better_is_not_tried_again(download, shop):
    report = download("missing", "html", "to/missing")
    assert Counter(shop.paths()) == {"/missing": 2, "/html": 1, "/to/missing": 1}
    reasons = list(report.failures.values())
    assert sum("answers 404" in reason for reason in reasons) == 2
    assert sum("the image is a web page" in reason for reason in reasons) == 1


def test_redirects_are_followed(download):
    (path,) = download("to/photo/7").paths
    assert Path(path).read_bytes() == picture(7)


def test_a_host_is_left_alone_for_as_long_as_it_asks(download, shop):
    report = download("later/1/a", "photo/1", "photo/2", concurrency=1)
    assert report.downloaded == 3
    (first, _), *others = shop.asked
    assert all(when - first >= 1.0 for when, _ in others)


def test_a_host_that_asks_for_too_long_is_asked_for_nothing_more(download, shop):
    shop.retry_after = "3600"
    report = download("later/1/a", "photo/1", "photo/2", concurrency=1)
    assert shop.paths() == ["/later/1/a"]
    assert len(report.failures) == 3
    assert all("left alone for 3,600 s; call again then" in reason for reason in report.failures.values())


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("0", 0.0), (" 7 ", 7.0), ("-1", None), ("soon", None), ("", None), (None, None), ("9" * 400, float("inf"))]
    + [("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("Wed, 21 Oct 99999 07:28:00 GMT", None)],
)
def test_what_a_host_asks_for_is_read(told, seconds):
    assert _fetch._seconds(told) == seconds


def test_a_host_may_name_the_time_itself():
    told = email.utils.formatdate(time.time() + 3600, usegmt=True)
    assert 3000 < _fetch._seconds(told) <= 3600


def test_an_error_says_whether_another_try_may_help(shop):
    for path, again in (("missing", False), ("busy/1/x", True)):
        with pytest.raises(FetchError, match="answers") as caught:
            simfind.fetch_image(shop.url(path), allowed_hosts=["127.0.0.1"])
        assert (caught.value.again, caught.value.retry_after) == (again, None)
    with pytest.raises(FetchError, match="is not on the public internet") as caught:
        simfind.fetch_image(shop.url("photo/1"))
    assert not caught.value.again


def test_one_host_is_never_asked_for_more_than_two_at_once(download, shop):
    shop.wait = threading.Barrier(2, timeout=60).wait  # a photo comes when two are under way
    report = download(*(f"photo/{number}" for number in range(12)), concurrency=8)
    assert report.downloaded == 12
    assert shop.most == 2


def test_several_hosts_are_asked_beside_each_other(download, shop):
    other = Server("127.0.0.2")
    shop.wait = other.wait = threading.Barrier(4, timeout=60).wait  # a photo comes when four are under way
    urls = [where.url(f"photo/{number}") for where in (shop, other) for number in range(6)]
    report = download(*({"url": u, "product": "mug"} for u in urls), allowed_hosts=["127.0.0.1", "127.0.0.2"])
    other.close()
    assert report.downloaded == 12
    assert (shop.most, other.most) == (2, 2)


def test_no_more_are_under_way_than_allowed(download, shop):
    shop.wait = lambda: time.sleep(0.05)
    download(*(f"photo/{number}" for number in range(4)), concurrency=1)
    assert shop.most == 1


def test_a_host_that_is_not_public_has_to_be_allowed(download, shop):
    report = download("photo/1", allowed_hosts=())
    assert "is not on the public internet" in report.failures[shop.url("photo/1")]
    assert shop.asked == []


def test_another_file_than_the_manifest_says_is_refused(download, shop, tmp_path):
    wrong = {"url": shop.url("photo/1"), "product": "mug", "sha256": sha256(picture(2))}
    (reason,) = download(wrong).failures.values()
    assert reason == f"its sha256 is {sha256(picture(1))}, and the manifest says {sha256(picture(2))}"
    assert os.listdir(tmp_path / "photos") == []


def test_a_file_that_was_there_and_is_another_one_is_fetched_again(download, shop):
    entry = {"url": shop.url("photo/1"), "product": "mug", "sha256": sha256(picture(1)).upper()}
    (path,) = download(entry).paths
    Path(path).write_bytes(picture(9))
    report = download(entry)
    assert (report.downloaded, report.already_there) == (1, 0)
    assert Path(path).read_bytes() == picture(1)


def test_files_are_found_beside_the_manifest(tmp_path):
    (tmp_path / "shop" / "my photos").mkdir(parents=True)
    (tmp_path / "shop" / "my photos" / "a.png").write_bytes(picture(1))
    (tmp_path / "b.png").write_bytes(picture(2))
    urls = ["file:my%20photos/a.png", "my photos/a.png", (tmp_path / "b.png").as_uri(), "../b.png"]
    manifest = tmp_path / "shop" / "manifest.json"
    manifest.write_text(json.dumps({"mug": urls[:2], "vase": urls[2:]}), encoding="utf-8-sig")
    report = simfind.download_images(manifest, tmp_path / "out", progress=False)
    assert [entry.product for entry in report.entries] == ["mug", "mug", "vase", "vase"]
    assert [Path(path).read_bytes() for path in report.paths] == [picture(1)] * 2 + [picture(2)] * 2


def test_a_file_that_is_none_is_told(download, tmp_path):
    (tmp_path / "large.png").write_bytes(b"\x89PNG" + bytes(21 * 2**20))
    files = [{"url": (tmp_path / name).as_uri(), "product": "mug"} for name in ("none.png", "large.png", "")]
    reasons = list(download(*files).failures.values())
    assert any("there is no file" in reason for reason in reasons)
    assert any("has more than 20 MB" in reason for reason in reasons)
    assert any("is a folder, and no image file" in reason for reason in reasons)


def test_a_dataset_has_what_the_manifest_says(download, shop):
    entries = [{"url": shop.url(f"photo/{n}"), "product": p, "link": link} for n, p, link in
               ((1, "mug", "https://example.com/mug"), (2, "vase", None))]  # fmt: skip
    report = download(*entries, {"url": shop.url("missing"), "product": "sofa"})
    dataset = report.to_dataset()
    assert list(dataset.values(["filepath", "product.label", "url", "link"])) == [
        report.paths[:2],
        ["mug", "vase"],
        [entry["url"] for entry in entries],
        ["https://example.com/mug", None],
    ]
    dataset.delete()


def test_a_dataset_of_nothing_is_refused(download):
    with pytest.raises(ManifestError, match="nothing to make a dataset of: 0 images downloaded .* 1 failed"):
        download("missing").to_dataset()


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ([], "has no entries; give"),
        ("none.json", 'there is no file "none.json"'),
        (7, "the manifest holds 7; give"),
        (["a.png"], "entry 1 of the manifest is 'a.png'; give"),
        ([{"url": "a.png", "product": "mug"}, {"url": "b.png"}], '"product" of entry 2 of the manifest is None'),
        ([{"url": 7, "product": "mug"}], '"url" of entry 1 of the manifest is 7; give text'),
        ([{"url": " ", "product": "mug"}], "\"url\" of entry 1 of the manifest is ' '; give text"),
        ([{"url": "a", "product": "mug", "link": 1}], '"link" of entry 1 .* is 1; give text, or leave it out'),
        ([{"url": "a", "product": "mug", "price": 1}], "entry 1 of the manifest has 'price', which means nothing"),
        ([{"url": "a", "product": "mug", "sha256": "ab"}], "is 'ab'; give 64 hexadecimal digits"),
        ([{"url": "file://server/a", "product": "mug"}], 'a file of "server"; give file:///path'),
        ([{"url": "http://[::1/", "product": "mug"}], "which is no address"),
        ({"mug": "a.png"}, "product \"mug\" of the manifest has 'a.png'; give a list"),
        ({"mug": [1]}, '"url" of entry 1 of the manifest is 1'),
        ({"url": "a.png", "product": "mug"}, "is a single entry; put it into a list"),
        (
            [{"url": "a", "product": "mug", "sha256": "a" * 64}, {"url": "a", "product": "mug", "sha256": "b" * 64}],
            "entries 1 and 2 of the manifest give two sha256",
        ),
    ],
)
def test_a_manifest_that_is_none_is_refused_before_anything_is_done(manifest, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ManifestError, match=message):
        simfind.download_images(manifest, "photos", progress=False)
    assert not Path("photos").exists()


@pytest.mark.parametrize("content", [b"[", b"\xff\xfe\x00", b"[" * 100_000])
def test_a_file_that_is_no_json_is_told(tmp_path, content):
    (tmp_path / "m.json").write_bytes(content)
    with pytest.raises(ManifestError, match=r'm\.json" is no JSON: '):
        simfind.download_images(tmp_path / "m.json", tmp_path / "photos")


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"retries": -1}, {"timeout": 0}, {"concurrency": 1.5}])
def test_an_option_out_of_range_is_refused(download, options):
    with pytest.raises(OptionError, match=f"{next(iter(options))}=.* must be"):
        download("photo/1", **options)


def test_a_folder_that_cannot_be_written_is_an_error(download, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_shelf.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        download("photo/1", "photo/2")


def test_what_a_killed_run_had_begun_is_removed_after_a_while(download, tmp_path):
    (tmp_path / "photos").mkdir()
    old, new, of_others = f"{'a' * 24}.1.part", f"{'b' * 24}.1.part", "film.mkv.part"
    for name, age in ((old, 7200), (new, 60), (of_others, 7200)):
        (tmp_path / "photos" / name).write_bytes(b"half")
        os.utime(tmp_path / "photos" / name, (time.time() - age,) * 2)
    download("photo/1")
    assert {name for name in os.listdir(tmp_path / "photos") if name.endswith(".part")} == {new, of_others}


def test_a_download_that_was_killed_goes_on_where_it_was(shop, tmp_path):
    gate = threading.Semaphore(10)  # photos that come; two more are under way when the run is killed
    shop.wait = gate.acquire
    urls = [shop.url(f"photo/{number}") for number in range(40)]
    (tmp_path / "m.json").write_text(json.dumps({"mug": urls}))
    code = (
        f"import fiftyone_simfind as s; s.download_images({str(tmp_path / 'm.json')!r}, {str(tmp_path / 'photos')!r},"
        "allowed_hosts=['127.0.0.1'], progress=False)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as child:
        while len(shop.asked) < 12 and child.poll() is None:
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
    shop.wait = lambda: None
    gate.release(2)
    there = len(list((tmp_path / "photos").glob("*.png")))
    assert there == 10
    asked = len(shop.asked)
    options = {"allowed_hosts": ["127.0.0.1"], "progress": False}
    report = simfind.download_images(tmp_path / "m.json", tmp_path / "photos", **options)
    assert (report.already_there, report.downloaded) == (there, 40 - there)
    assert len(shop.asked) - asked == 40 - there
    assert [Path(path).read_bytes() for path in report.paths] == [picture(number) for number in range(40)]


def test_nobody_waits_for_jobs_that_were_stopped():
    turns = Turns([Job("a", "x"), Job("b", "x"), Job("c", "x")])
    jobs = [turns.take(), turns.take()]
    found = []
    waiting = threading.Thread(target=lambda: found.append(turns.take()))
    waiting.start()
    turns.stop()
    waiting.join(5)
    assert [job.url for job in jobs] == ["a", "b"]
    assert found == [None]
