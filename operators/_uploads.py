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


def remember(content: str) -> str:
    """Remember the text that holds a file for a while; gives its digest."""
    digest = hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()
    with _lock:
        _kept[digest] = content
        _kept.move_to_end(digest)
        while len(_kept) > MOST:
            _kept.popitem(last=False)
    return digest


def recall(digest: Any) -> str | None:
    """What was remembered, if it still is."""
    with _lock:
        return _kept.get(digest) if isinstance(digest, str) else None
