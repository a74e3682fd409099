"""Uploaded files that a form was given, for the operator that the form has look at them.

A form is asked for again with everything that is filled in, so that it need not send a file back to the browser; what
is remembered here is named by its digest.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import Any

MOST = 8

_kept: OrderedDict[str, str] = OrderedDict()
_lock = threading.Lock()


def digest(content: str) -> str:
    """What names the text that holds a file."""
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()


def remember(content: str) -> str:
    """Remember the text that holds a file, which is not too large, for a while; gives its digest."""
    name = digest(content)
    with _lock:
        _kept[name] = content
        _kept.move_to_end(name)
        while len(_kept) > MOST:
            _kept.popitem(last=False)
    return name


def recall(name: Any) -> str | None:
    """What was remembered by its digest, if it still is."""
    with _lock:
        return _kept.get(name) if isinstance(name, str) else None
