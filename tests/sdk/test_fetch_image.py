"""What ``fetch_image`` fetches, and what it refuses, from servers of this machine."""

import contextlib
import http.server
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

import fiftyone_simfind as simfind
from fiftyone_simfind import FetchError, ImageError, OptionError, _fetch

PHOTO = b"\x89PNG\r\n\x1a\n and so on" * 100
SHORT = 0.5  # seconds


class Pages(http.server.BaseHTTPRequestHandler):
    """Answers by what the path says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        name = self.path.partition("?")[0].strip("/").partition("/")[0]
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            getattr(self, f"answer_{name}", self.answer_nothing)()

    def reply(self, status=200, body=PHOTO, **headers):
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def answer_photo(self):
        self.reply()

    def answer_nothing(self):
        self.reply(404, b"secret of an inner server")

    def answer_to(self):
        """/to/302/where"""
        _, _, status, where = self.path.split("/", 3)
        self.reply(int(status), b"", Location=where)

    def answer_nowhere(self):
        self.reply(302, b"")

    def answer_loop(self):
        self.reply(302, b"", Location="/loop")

    def answer_count(self):
        left = int(self.path.rpartition("/")[2])
        self.reply(302, b"", Location=f"/count/{left - 1}" if left > 1 else "/photo")

    def answer_endless(self):
        self.reply(200, b"", Content_Length=None, Connection="close")
        while True:
            self.wfile.write(bytes(2**16))

    def answer_chunks(self):
        self.reply(200, b"", Content_Length=None, Transfer_Encoding="chunked")
        for part in (PHOTO[:100], PHOTO[100:]):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def answer_endlesschunks(self):
        self.reply(200, b"", Content_Length=None, Transfer_Encoding="chunked")
        while True:
            self.wfile.write(b"10000\r\n" + bytes(2**16) + b"\r\n")

    def answer_announced(self):
        self.reply(200, b"", Content_Length=str(10**12))

    def answer_short(self):
        self.reply(200, PHOTO[:50], Content_Length="100", Connection="close")
        self.close_connection = True

    def answer_slowbody(self):
        self.reply(200, b"", Content_Length="1000")
        self.drip(b"x")

    def answer_slowend(self):
        self.reply(200, b"", Content_Length="1000", Connection="close")
        self.drip(b"x")

    def answer_slowhead(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self.drip(b"x")

    def answer_silent(self):
        self.server.closing.wait(60)

    def answer_continue(self):
        self.drip(b"HTTP/1.1 100 Continue\r\n\r\n")

    def drip(self, drop):
        while not self.server.closing.wait(0.02):
            self.wfile.write(drop)
            self.wfile.flush()

    def answer_gzip(self):
        self.reply(200, PHOTO, Content_Encoding="gzip")

    def answer_garbage(self):
        self.wfile.write(b"220 mail.example ESMTP\r\n")
        self.close_connection = True

    def answer_many(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n")

    def log_message(self, *_):
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, family=socket.AF_INET, host="127.0.0.1"):
        self.address_family = family
        self.asked, self.closing = [], threading.Event()
        super().__init__((host, 0), Pages)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, *_):
        """Whoever asked has gone away."""

    @property
    def port(self):
        return self.server_address[1]

    def close(self):
        self.closing.set()
        self.shutdown()
        self.server_close()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@pytest.fixture
def other():
    made = Server()
    yield made
    made.close()


@pytest.fixture
def fetch(server):
    """Fetches from the server, which is allowed."""
    host = f"127.0.0.1:{server.port}"

    def fetch(path, **options):
        return simfind.fetch_image(f"http://{host}{path}", **{"allowed_hosts": [host], **options})

    return fetch


@pytest.fixture
def names(monkeypatch):
    """Names that stand for addresses; what was looked up is in ``names.asked``."""

    class Names(dict):
        asked: list = []

    names, real = Names(), socket.getaddrinfo
    names.asked = []

    def lookup(host, port, *args, **options):
        if host not in names:
            return real(host, port, *args, **options)
        names.asked.append(host)
        found = names[host]() if callable(names[host]) else names[host]
        return [item for address in found for item in real(address, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return names


def test_a_photo_is_fetched(fetch, server):
    assert fetch("/photo?size=large") == PHOTO
    ((path, headers),) = server.asked
    assert path == "/photo?size=large"
    assert headers["Host"] == f"127.0.0.1:{server.port}"
    assert headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in headers
    assert "Authorization" not in headers


def test_a_file_in_chunks_is_put_together(fetch):
    assert fetch("/chunks") == PHOTO


def test_letters_of_all_languages_may_be_in_a_path(fetch, server):
    with pytest.raises(FetchError, match="answers 404"):
        fetch("/bücher/größe%20?q=ä")
    assert server.asked[0][0] == "/b%C3%BCcher/gr%C3%B6%C3%9Fe%20?q=%C3%A4"


@pytest.mark.parametrize("allowed", ["127.0.0.1", ["127.0.0.1"], [" 127.0.0.1 "], ("x.test", "127.0.0.1")])
def test_a_host_can_be_allowed_with_all_its_ports(server, allowed):
    assert simfind.fetch_image(f"http://127.0.0.1:{server.port}/photo", allowed_hosts=allowed) == PHOTO


@pytest.mark.parametrize("allowed", [(), ["localhost"], ["127.0.0.1:1"], ["27.0.0.1"], ["*"], [""]])
def test_this_machine_is_refused_unless_it_is_allowed(server, allowed):
    with pytest.raises(FetchError, match='"127.0.0.1" is not on the public internet'):
        simfind.fetch_image(f"http://127.0.0.1:{server.port}/photo", allowed_hosts=allowed)
    assert server.asked == []


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "①②⑦.⓪.⓪.①",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:8.8.8.8]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fc00::1]",
        "[ff02::1]",
        "10.0.0.1",
        "172.16.5.5",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
    ],
)
def test_no_way_to_write_an_inner_address_gets_there(server, host, monkeypatch):
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("it was asked"))
    with pytest.raises(FetchError, match="is not on the public internet|cannot be found|names no host|is no address"):
        simfind.fetch_image(f"http://{host}:{server.port}/photo")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("64:ff9b::808:808", True),
        ("64:ff9b::a00:1", False),
        ("64:ff9b:1::808:808", False),
        ("fec0::1", False),
        ("fe80::1%eth0", False),
        ("2001:0:53aa:64c::", False),
    ],
)
def test_an_address_is_public_or_not(address, public):
    assert _fetch.is_public(address) is public


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", 'begins with "file:"'),
        ("ftp://example.com/a.jpg", 'begins with "ftp:"'),
        ("data:image/png;base64,AAAA", 'begins with "data:"'),
        ("gopher://127.0.0.1:6379/_FLUSHALL", 'begins with "gopher:"'),
        ("javascript:alert(1)", 'begins with "javascript:"'),
        ("jar:http://example.com!/a", 'begins with "jar:"'),
        ("//example.com/a.jpg", 'begins with ":"'),
        ("example.com/a.jpg", 'begins with ":"'),
        ("/etc/passwd", 'begins with ":"'),
        ("http://user@example.com/", "holds a user name or a password"),
        ("http://user:pass@example.com/", "holds a user name or a password"),
        ("http://@example.com/", "holds a user name or a password"),
        ("http://example.com@127.0.0.1/", "holds a user name or a password"),
        ("http://exa mple.com/", "signs that an address cannot have"),
        ("http://example.com/\r\nX-Injected: 1", "signs that an address cannot have"),
        ("http://example.com\\@127.0.0.1/", "signs that an address cannot have"),
        ("http://example.com/\0", "signs that an address cannot have"),
        ("http://", "names no host"),
        ("http:///photo.jpg", "names no host"),
        ("http://127.0.0.1%2f@example.com", "holds a user name or a password"),
        ("http://%31%32%37.0.0.1/", "names no host"),
        ("http://[fe80::1%25eth0]/", "names no host|is no address"),
        ("http://example.com:0/", "names no host"),
        ("http://example.com:99999/", "is no address"),
        ("http://example.com:abc/", "is no address"),
        ("http://[::1/", "is no address"),
        ("http://" + "a" * 64 + "ä.test/", "is no address"),
        ("http://x.test/" + "a" * 5000, "has 5,014 characters"),
        ("", "there is no address"),
        ("  ", "there is no address"),
        (None, "there is no address"),
        (b"http://example.com", "there is no address"),
    ],
)
def test_an_address_that_is_none_is_refused(url, reason, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("it was looked up"))
    with pytest.raises(FetchError, match=reason) as caught:
        simfind.fetch_image(url)
    assert isinstance(caught.value, ValueError)
    assert "pass" not in str(caught.value).replace("a password", "").replace("/etc/passwd", "")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1"])
def test_a_name_that_stands_for_an_inner_address_is_refused(names, address):
    names["photos.test"] = [address]
    with pytest.raises(FetchError, match='"photos.test" is not on the public internet') as caught:
        simfind.fetch_image("http://photos.test/photo.jpg")
    assert address not in str(caught.value)  # nobody learns what the inner network looks like


def test_a_name_that_stands_for_an_inner_address_among_others_is_refused(names, monkeypatch):
    names["photos.test"] = ["8.8.8.8", "127.0.0.1"]
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("it was asked"))
    with pytest.raises(FetchError, match="is not on the public internet"):
        simfind.fetch_image("http://photos.test/photo.jpg")


def test_the_address_that_was_checked_is_the_one_that_is_asked(names, monkeypatch):
    """A name that stands for an inner address when it is looked up again gains nothing."""
    answers = iter([["8.8.8.8"], ["127.0.0.1"], ["127.0.0.1"]])
    names["rebind.test"] = lambda: next(answers)
    asked = []

    def connect(address, timeout):
        asked.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(FetchError, match="cannot be fetched: Connection refused"):
        simfind.fetch_image("http://rebind.test/photo.jpg")
    assert asked == [("8.8.8.8", 80)]
    assert names.asked == ["rebind.test"]


def test_a_name_that_nobody_knows_is_named(monkeypatch):
    def lookup(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(FetchError, match='"nobody.test" cannot be found'):
        simfind.fetch_image("https://nobody.test/photo.jpg")


def test_an_allowed_name_is_asked_by_its_name(server, names):
    names["photos.test"] = ["127.0.0.1"]
    url, allowed = f"http://PHOTOS.test:{server.port}/photo", [f"photos.TEST:{server.port}"]
    assert simfind.fetch_image(url, allowed_hosts=allowed) == PHOTO
    assert server.asked[0][1]["Host"] == f"photos.test:{server.port}"


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6")
def test_an_address_of_version_6_can_be_allowed():
    try:
        server = Server(socket.AF_INET6, "::1")
    except OSError:
        pytest.skip("there is no IPv6")
    url = f"http://[::1]:{server.port}/photo"
    assert simfind.fetch_image(url, allowed_hosts=[f"[::1]:{server.port}"]) == PHOTO
    assert simfind.fetch_image(url, allowed_hosts=["::1"]) == PHOTO
    with pytest.raises(FetchError, match="is not on the public internet"):
        simfind.fetch_image(url)
    server.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(fetch, server, status):
    assert fetch(f"/to/{status}//photo") == PHOTO
    assert [path for path, _ in server.asked] == [f"/to/{status}//photo", "/photo"]


def test_a_redirect_to_another_port_of_this_machine_is_refused(fetch, other):
    with pytest.raises(FetchError, match="is not on the public internet"):
        fetch(f"/to/302/http://127.0.0.1:{other.port}/photo")
    assert other.asked == []


def test_a_redirect_to_an_allowed_port_is_followed(fetch, server, other):
    allowed = [f"127.0.0.1:{server.port}", f"127.0.0.1:{other.port}"]
    assert fetch(f"/to/302/http://127.0.0.1:{other.port}/photo", allowed_hosts=allowed) == PHOTO


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("file:///etc/passwd", 'begins with "file:"'),
        ("http://user:pw@127.0.0.1/", "a user name"),
        ("http://169.254.169.254/latest/meta-data/", "is not on the public internet"),
        ("//[::1]/photo", "is not on the public internet"),
        ("http://2130706433/", "is not on the public internet"),
        ("ftp://example.com/", 'begins with "ftp:"'),
    ],
)
def test_a_redirect_is_checked_like_an_address(fetch, where, reason):
    with pytest.raises(FetchError, match=reason):
        fetch(f"/to/302/{where}")


def test_five_redirects_are_followed_and_six_are_not(fetch, server):
    assert fetch("/count/5") == PHOTO
    with pytest.raises(FetchError, match="more than 5 redirects"):
        fetch("/count/6")


def test_a_loop_of_redirects_ends(fetch, server):
    with pytest.raises(FetchError, match="more than 5 redirects"):
        fetch("/loop")
    assert len(server.asked) == 6


def test_a_redirect_to_nowhere_is_told(fetch):
    with pytest.raises(FetchError, match="leads on to nowhere"):
        fetch("/nowhere")


@pytest.mark.parametrize("path", ["/endless", "/endlesschunks", "/announced", "/photo"])
def test_a_file_that_is_too_large_is_given_up(fetch, path):
    with pytest.raises(FetchError, match="which is the most allowed"):
        fetch(path, max_bytes=len(PHOTO) - 1)


def test_a_file_of_just_the_size_that_is_allowed_is_taken(fetch):
    assert fetch("/photo", max_bytes=len(PHOTO)) == fetch("/chunks", max_bytes=len(PHOTO)) == PHOTO


@pytest.mark.parametrize("path", ["/silent", "/slowbody", "/slowend", "/slowhead", "/continue"])
def test_all_of_it_has_to_be_done_in_time(fetch, path):
    before = threading.active_count()
    with pytest.raises(FetchError, match=r"took more than 0\.5 s; try again"):
        fetch(path, timeout=SHORT)
    for thread in threading.enumerate():
        if thread.name == "simfind-fetch":
            thread.join(30)
            assert not thread.is_alive()
    assert threading.active_count() <= before + 1  # the server's own


def test_a_name_that_is_looked_up_slowly_is_given_up(monkeypatch):
    done = threading.Event()

    def lookup(*_, **__):
        done.wait(30)
        raise socket.gaierror(-3, "Temporary failure")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(FetchError, match="took more than"):
        simfind.fetch_image("http://slow.test/", timeout=0.1)
    done.set()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/missing", "answers 404"),
        ("/short", "sent less than it announced"),
        ("/gzip", "sends a compressed file"),
        ("/garbage", "cannot be fetched"),
        ("/many", "cannot be fetched"),
    ],
)
def test_an_answer_that_is_no_file_is_told(fetch, path, reason):
    with pytest.raises(FetchError, match=reason) as caught:
        fetch(path)
    assert "secret" not in str(caught.value)


def test_a_port_where_nobody_listens_is_told():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(FetchError, match="cannot be fetched: Connection refused"):
        simfind.fetch_image(f"http://{host}/", allowed_hosts=[host])


def test_a_page_is_fetched_and_is_then_no_image(fetch, monkeypatch):
    monkeypatch.setattr(Pages, "answer_photo", lambda page: page.reply(body=b"<!DOCTYPE html><html></html>"))
    with pytest.raises(ImageError, match="is a web page"):
        simfind.read_image(fetch("/photo"))


def test_a_proxy_of_the_environment_is_not_asked(fetch, other, monkeypatch):
    """It would look up the name itself."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{other.port}")
    assert fetch("/photo") == PHOTO
    assert other.asked == []


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": -1}, {"timeout": float("nan")}, {"max_bytes": 0}])
def test_an_option_out_of_range_is_refused(fetch, options):
    with pytest.raises(OptionError, match="must be"):
        fetch("/photo", **options)


@pytest.fixture
def secure(server, tmp_path, names):
    """The server with TLS, as ``photos.test``, and the certificate that it shows."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=photos.test "
        "-addext subjectAltName=DNS:photos.test -keyout key.pem -out cert.pem"
    )
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    names["photos.test"] = names["evil.test"] = ["127.0.0.1"]
    return tmp_path / "cert.pem"


def test_tls_is_spoken_with_the_host_by_its_name(server, secure, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(secure))
    url = f"https://photos.test:{server.port}/photo"
    assert simfind.fetch_image(url, allowed_hosts=["photos.test"]) == PHOTO


def test_a_certificate_of_another_name_is_refused(server, secure, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(secure))
    with pytest.raises(FetchError, match="cannot be trusted to be what it says: Hostname mismatch"):
        simfind.fetch_image(f"https://evil.test:{server.port}/photo", allowed_hosts=["evil.test"])
    assert server.asked == []


def test_a_certificate_that_nobody_vouches_for_is_refused(server, secure):
    with pytest.raises(FetchError, match="cannot be trusted to be what it says: self.signed certificate"):
        simfind.fetch_image(f"https://photos.test:{server.port}/photo", allowed_hosts=["photos.test"])


def test_a_slow_answer_through_tls_is_given_up(server, secure, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(secure))
    with pytest.raises(FetchError, match="took more than"):
        simfind.fetch_image(f"https://photos.test:{server.port}/slowbody", allowed_hosts=["photos.test"], timeout=SHORT)


def test_a_server_that_speaks_no_tls_is_told(fetch, server):
    with pytest.raises(FetchError, match="cannot be trusted|cannot be fetched"):
        simfind.fetch_image(f"https://127.0.0.1:{server.port}/photo", allowed_hosts=["127.0.0.1"], timeout=5)
