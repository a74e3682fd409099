"""Lists of product photos: which address shows which product."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from fiftyone_simfind.errors import ManifestError

SHAPE = '[{"url": "https://...", "product": "..."}, ...]'
KNOWN = ("url", "product", "link", "sha256")
DIGEST = re.compile(r"[0-9a-f]{64}")
LOCAL = ("file", "")  # schemes of addresses that are files; none is a path


class Entry(NamedTuple):
    """A photo of a product.

    Attributes:
        url: where it is; a file's is absolute
        product: what it shows
        link: the product's page, for whoever looks at results
        sha256: of the file, in hexadecimal
    """

    url: str
    product: str
    link: str | None = None
    sha256: str | None = None

    @property
    def path(self) -> Path | None:
        """The file that the address names; None for one that is asked for."""
        return Path(unquote(urlsplit(self.url).path)) if self.url.startswith("file:") else None


def read(manifest: Any) -> list[Entry]:
    """The entries of a manifest.

    Args:
        manifest: path of a JSON file, or what such a file holds; files without a folder are beside it

    Raises:
        ManifestError: it cannot be read, or an entry is none
    """
    folder, name = Path.cwd(), "the manifest"
    if isinstance(manifest, (str, os.PathLike)):
        path = Path(manifest).expanduser()
        folder, name, manifest = path.resolve().parent, f'"{path}"', _json(path)
    if isinstance(manifest, dict):
        manifest = _by_product(manifest, name)
    if not isinstance(manifest, Sequence) or isinstance(manifest, (str, bytes)):
        raise ManifestError(f"{name} holds {_short(manifest)}; give {SHAPE}")
    if not manifest:
        raise ManifestError(f"{name} has no entries; give {SHAPE}")
    entries = [_entry(given, f"entry {number} of {name}", folder) for number, given in enumerate(manifest, start=1)]
    _refuse_two_digests(entries, name)
    return entries


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ManifestError(f'there is no file "{path}"; give the path of a JSON file: {SHAPE}') from None
    except OSError as error:
        raise ManifestError(f'"{path}" cannot be read: {error.strerror}') from None
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError, too
        raise ManifestError(f'"{path}" is no JSON: {error}; give {SHAPE}') from None


def _by_product(products: dict, name: str) -> list[dict]:
    """The entries of ``{"product": ["url", ...], ...}``."""
    if "url" in products:
        raise ManifestError(f"{name} is a single entry; put it into a list: {SHAPE}")
    for product, urls in products.items():
        if not isinstance(urls, list):
            raise ManifestError(f'product "{product}" of {name} has {_short(urls)}; give a list of addresses')
    return [{"url": url, "product": product} for product, urls in products.items() for url in urls]


def _entry(given: Any, name: str, folder: Path) -> Entry:
    if not isinstance(given, dict):
        raise ManifestError(f'{name} is {_short(given)}; give {{"url": "https://...", "product": "..."}}')
    unknown = sorted(str(key) for key in given if key not in KNOWN)
    if unknown:
        raise ManifestError(f"{name} has {unknown[0]!r}, which means nothing here; its keys are {', '.join(KNOWN)}")
    for key in KNOWN:
        value = given.get(key)
        if (value is not None or key in KNOWN[:2]) and (not isinstance(value, str) or not value.strip()):
            raise ManifestError(
                f'"{key}" of {name} is {_short(value)}; give text' + ", or leave it out" * (key in KNOWN[2:])
            )
    digest = given.get("sha256")
    if digest is not None and not DIGEST.fullmatch(digest.strip().lower()):
        raise ManifestError(f'"sha256" of {name} is {_short(digest)}; give 64 hexadecimal digits, or leave it out')
    url = _absolute(given["url"].strip(), name, folder)
    return Entry(url, given["product"].strip(), given.get("link"), digest and digest.strip().lower())


def _absolute(url: str, name: str, folder: Path) -> str:
    """An address; of a file, with its whole path."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ManifestError(f'"url" of {name} is {_short(url)}, which is no address') from None
    if parts.scheme not in LOCAL:
        return url
    if parts.netloc not in ("", "localhost"):
        raise ManifestError(f'"url" of {name} is {_short(url)}, a file of "{parts.netloc}"; give file:///path/to/file')
    path = unquote(parts.path) if parts.scheme else url
    return (folder / path).as_uri()


def _refuse_two_digests(entries: Sequence[Entry], name: str) -> None:
    first: dict[str, tuple[int, str]] = {}
    for number, entry in enumerate(entries, start=1):
        if entry.sha256 is not None:
            before, digest = first.setdefault(entry.url, (number, entry.sha256))
            if digest != entry.sha256:
                raise ManifestError(
                    f'entries {before} and {number} of {name} give two sha256 for "{entry.url}", {digest} and '
                    f"{entry.sha256}; give the right one"
                )


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
