"""What went wrong, as a sentence for a person who looks at the App."""

from __future__ import annotations

import logging
import re
from typing import Any

import fiftyone_simfind as simfind

LONGEST = 600  # characters
# What an error of the SDK tells a programmer to call, and where it is in the App.
IN_THE_APP = {
    "build_index": "Simfind: build index",
    "compute_neighbors": "Simfind: compute neighbors",
    "delete_index": "Simfind: delete index",
    "detect": "Simfind: detect objects",
    "embed": "Simfind: embed objects",
    "evaluate": "Simfind: evaluate retrieval",
    "refresh": "Simfind: refresh index",
    "visualize": "Simfind: visualize objects",
}
CALL = re.compile(r"simfind\.(\w+)\((?:[^()]|\([^()]*\))*\)")

logger = logging.getLogger(__name__)


def in_words(error: BaseException) -> str:
    """One sentence on an error, with what to do in the App in place of what to call in Python."""
    if isinstance(error, simfind.SimfindError):
        text = CALL.sub(lambda call: _in_the_app(call), str(error)).replace("overwrite=True", "“Overwrite”")
    else:
        logger.error("An operator of simfind failed", exc_info=error)
        text = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]} (more is in the server's log)"
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _in_the_app(call: Any) -> str:
    label = IN_THE_APP.get(call.group(1))
    return f"“{label}”" if label else call.group()
