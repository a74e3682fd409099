"""Images from the internet, fetched so that nobody can use this machine to look into the network that it stands in.

Whoever may give an address could give one that only this machine can reach (OWASP, "Server Side Request Forgery
Prevention"). So names are resolved here, the addresses that they stand for are checked, and one of these very addresses
is connected to: a name that stands for another one a moment later gains nothing. Every redirect goes the same way.
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from fiftyone_simfind._photos import MAX_BYTES
from fiftyone_simfind.errors import FetchError, OptionError

PORTS = {"http": 80, "https": 443}
REDIRECTS = (301, 302, 303, 307, 308)
BUSY = (408, 425, 429)  # what a server says that may have time later, besides 500 and more
MAX_REDIRECTS = 5
MAX_LENGTH = 2000  # characters of an address
AS_THEY_ARE = "/%:=&?~+!$,;'@()*[]-._"  # signs of a path that mean something
CHUNK = 2**16
HEADERS = {
    "User-Agent": "fiftyone-simfind",
    "Accept": "image/*",
    "Accept-Encoding": "identity",  # nothing is decompressed here
    "Connection": "close",
}
TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # IPv4 as networks of IPv6 alone see it (RFC 6052)
# Ways to write inner addresses that Python, or an older one, takes for public: IPv4 translated in one network alone
# (RFC 8215), IPv4 as it was written once (RFC 4291), and inner networks of old (RFC 3879).
ODD = [ipaddress.ip_network(network) for network in ("64:ff9b:1::/48", "::/96", "fec0::/10")]
INSIDE = {"168.63.129.16"}  # looks public, and is a host's own service in its cloud


class Target(NamedTuple):
    """What to ask for, and whom."""

    url: str
    scheme: str
    host: str
    port: int
    path: str


def fetch_image(
    url: str, *, max_bytes: int = MAX_BYTES, timeout: float = 10, allowed_hosts: Collection[str] = ()
) -> bytes:
    """The file at an address of the public internet, for :func:`read_image` and :func:`detect_query`.

    Only ``http`` and ``https`` are spoken, and only with addresses that anybody can reach: none of this machine, of its
    network, or reserved, whatever they are written like and whatever name or redirect leads to them. What comes is not
    looked at; :func:`read_image` does that::

        content = simfind.fetch_image("https://example.com/photo.jpg")
        candidates = simfind.detect_query(content, samples=dataset)

    Args:
        url: the address
        max_bytes: give up on larger files
        timeout: seconds that all of it may take
        allowed_hosts: ``"host"`` or ``"host:port"`` that may be asked wherever they are, such as a photo server of your
            own; an IPv6 address is written ``"[::1]:8080"``

    Returns:
        the file

    Raises:
        FetchError: it may not or cannot be fetched; the message may be shown to whoever gave the address, and ``again``
            says whether another try may succeed
        OptionError: an option is out of range
    """
    if not isinstance(max_bytes, int) or max_bytes < 1:
        raise OptionError(f"max_bytes={max_bytes!r} must be a whole number of at least 1")
    if not 0 < timeout <= threading.TIMEOUT_MAX:
        raise OptionError(f"timeout={timeout!r} must be more than 0 seconds")
    fetch = _Fetch(max_bytes, timeout, allowed_hosts, _late(url, timeout))
    # A thread of its own, since nothing else bounds the time that looking up a name or a slow answer takes.
    thread = threading.Thread(target=fetch.run, args=(url,), name="simfind-fetch", daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        fetch.stop()
        raise FetchError(_late(url, timeout), again=True)
    if fetch.error is not None:
        raise fetch.error
    return fetch.content


def parse(url: str) -> Target:
    """What an address means.

    Raises:
        FetchError: it is none that is taken
    """
    if not isinstance(url, str) or not url.strip():
        raise FetchError("there is no address; give one that begins with https://")
    url = url.strip()
    if len(url) > MAX_LENGTH:
        raise FetchError(f"the address has {len(url):,} characters, and {MAX_LENGTH:,} are allowed")
    if any(ord(sign) <= 32 or ord(sign) == 127 or sign == "\\" for sign in url):
        raise FetchError(f"{_shown(url)} holds signs that an address cannot have")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except ValueError:  # UnicodeError is one
        raise FetchError(f"{_shown(url)} is no address") from None
    if parts.scheme not in PORTS:
        raise FetchError(f'{_shown(url)} begins with "{parts.scheme[:20]}:"; give an address with https:// or http://')
    if "@" in parts.netloc:
        raise FetchError("the address holds a user name or a password; give one without")
    if not host or "%" in host or port == 0:
        raise FetchError(f"{_shown(url)} names no host that can be asked")
    path = quote((parts.path or "/") + (parts.query and f"?{parts.query}"), safe=AS_THEY_ARE)
    return Target(url, parts.scheme, host, port or PORTS[parts.scheme], path)


def is_public(address: str) -> bool:
    """Whether an IP address is one that the whole internet can reach, and no other way to write one that is not."""
    found: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found in TRANSLATED:
            found = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        elif found.ipv4_mapped or found.sixtofour or found.teredo or any(found in network for network in ODD):
            return False
    inside = found.is_private or found.is_loopback or found.is_link_local or found.is_unspecified
    return found.is_global and not (inside or found.is_multicast or found.is_reserved or str(found) in INSIDE)


def _late(url: object, timeout: float) -> str:
    return f"{_shown(url)} took more than {timeout:g} s; try again, or give the file itself"


def _shown(url: object) -> str:
    text = str(url)
    return f'"{text[:100]}{"..." if len(text) > 100 else ""}"'


def _refusal(url: str, response: http.client.HTTPResponse) -> FetchError:
    """What to say of an answer that is no file."""
    message = f"{_shown(url)} answers {response.status} {response.reason[:50]}".rstrip()
    again = response.status in BUSY or response.status >= 500
    return FetchError(message, again=again, retry_after=_seconds(response.getheader("Retry-After")) if again else None)


def _seconds(retry_after: str | None) -> float | None:
    """What a header ``Retry-After`` asks for: seconds, or until a date (RFC 9110, section 10.2.3)."""
    told = (retry_after or "").strip()
    if told.isascii() and told.isdecimal():
        return float(told)
    try:
        return max(email.utils.parsedate_to_datetime(told).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return None


class _Fetch:
    """One fetch: what it has come to, and what to stop when it takes too long."""

    def __init__(self, max_bytes: int, timeout: float, allowed_hosts: Collection[str], late: str):
        self.content = b""
        self.error: FetchError | None = None
        self._max_bytes = max_bytes
        self._deadline, self._late = time.monotonic() + timeout, late
        names = [allowed_hosts] if isinstance(allowed_hosts, str) else allowed_hosts
        self._allowed = {name.strip().lower() for name in names}
        self._connection: _Connection | None = None
        self._response: http.client.HTTPResponse | None = None

    def run(self, url: str) -> None:
        """Fetch a file, and keep it or the reason why not."""
        try:
            self.content = self._follow(url)
        except FetchError as error:
            self.error = error
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason or "no TLS"
            broke_off = isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
            self.error = FetchError(f"{_shown(url)} cannot be trusted to be what it says: {reason}", again=broke_off)
        except (OSError, http.client.HTTPException, ValueError) as error:
            told = getattr(error, "strerror", None) or type(error).__name__
            late = isinstance(error, TimeoutError) and error.errno is None  # ours, and not that of the other side
            message = self._late if late else f"{_shown(url)} cannot be fetched: {told}"
            self.error = FetchError(message, again=isinstance(error, (OSError, http.client.IncompleteRead)))
        finally:
            self._close()

    def stop(self) -> None:
        """Have whatever the connection waits for end."""
        sock = getattr(self._connection, "held", None)
        if sock is not None:
            with contextlib.suppress(OSError):  # it has ended already
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # that of TLS would answer first

    def _close(self) -> None:
        self.stop()
        if self._connection is not None:
            self._connection.close()
        if self._response is not None:  # which holds the socket, too
            self._response.close()

    def _follow(self, url: str) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            target = parse(url)
            response = self._ask(target)
            if response.status not in REDIRECTS:
                return self._read(target, response)
            location = response.getheader("Location")
            if not location:
                raise FetchError(f"{_shown(url)} leads on to nowhere")
            url = urljoin(target.url, location)
            self._close()
        raise FetchError(
            f"{_shown(url)} is where more than {MAX_REDIRECTS} redirects have led to; give the last address"
        )

    def _ask(self, target: Target) -> http.client.HTTPResponse:
        failed: OSError | None = None
        for address in self._addresses(target):
            self._connection = _Connection(target, address, self._remaining())
            try:
                self._connection.connect()
            except ssl.SSLError:
                raise
            except OSError as error:
                failed = error
                continue
            self._connection.request("GET", target.path, headers=HEADERS)
            self._response = self._connection.getresponse()
            return self._response
        raise failed or FetchError(f'"{target.host}" cannot be found')

    def _addresses(self, target: Target) -> list[str]:
        """The addresses that a host stands for, all of them checked."""
        try:
            found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            later = getattr(error, "errno", None) == socket.EAI_AGAIN  # whoever knows the names cannot be asked now
            raise FetchError(f'"{target.host}" cannot be found', again=later) from None
        addresses = list(dict.fromkeys(str(place[4][0]) for place in found))
        host = f"[{target.host}]" if ":" in target.host else target.host
        allowed = {target.host, host, f"{host}:{target.port}"} & self._allowed
        if not allowed and not all(is_public(address) for address in addresses):
            raise FetchError(
                f'"{target.host}" is not on the public internet, and is not asked; whoever runs this machine can allow '
                f'"{host}:{target.port}"'
            )
        return addresses

    def _read(self, target: Target, response: http.client.HTTPResponse) -> bytes:
        if response.status != 200:
            raise _refusal(target.url, response)
        if (response.getheader("Content-Encoding") or "identity").strip().lower() != "identity":
            raise FetchError(f"{_shown(target.url)} sends a compressed file, which was not asked for")
        announced, content = response.length, bytearray()
        while len(content) <= self._max_bytes and (announced or 0) <= self._max_bytes:
            self._remaining()
            chunk = response.read(CHUNK)
            if not chunk:
                if announced is not None and len(content) < announced:
                    raise FetchError(f"{_shown(target.url)} sent less than it announced; try again", again=True)
                return bytes(content)
            content += chunk
        raise FetchError(
            f"{_shown(target.url)} has more than {self._max_bytes / 2**20:,.4g} MB, which is the most allowed"
        )

    def _remaining(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise FetchError(self._late, again=True)
        return left


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked, which speaks to it as to the host."""

    def __init__(self, target: Target, address: str, timeout: float):
        super().__init__(target.host, target.port, timeout=timeout)
        self.default_port = PORTS[target.scheme]  # what "Host:" need not name
        self._target, self._address = target, address

    def connect(self) -> None:
        """Connect, and make sure that it is the host where TLS can tell."""
        self.sock = socket.create_connection((self._address, self._target.port), self.timeout)
        if self._target.scheme == "https":
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self._target.host)
        self.held = self.sock  # a response that closes the connection takes the other name from it and reads on
