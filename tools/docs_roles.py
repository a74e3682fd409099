"""Docstrings as mkdocstrings shows them: the roles of Sphinx that they use become links, and ``::`` a colon."""

from __future__ import annotations

import re
from typing import Any

import griffe

PACKAGE = "fiftyone_simfind"
ROLE = re.compile(r":(?:func|class|meth|data|mod|attr):`~?([\w.]+)`")
LITERAL = re.compile(r"::$", re.MULTILINE)


class Roles(griffe.Extension):
    """Rewrites every docstring of the package when it is read."""

    def __init__(self) -> None:
        super().__init__()
        self._public = set(public_names())

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Rewrite the docstring of a module, class or function."""
        if obj.docstring is not None:
            obj.docstring.value = self.rewritten(obj.docstring.value)

    def rewritten(self, text: str) -> str:
        """A docstring in Markdown."""
        return LITERAL.sub(":", ROLE.sub(self._link, text))

    def _link(self, role: re.Match[str]) -> str:
        name = role.group(1).removeprefix(f"{PACKAGE}.")
        shown = f"`{name.rpartition('.')[2] if name.startswith('_') else name}`"
        head = name.partition(".")[0]
        return f"[{shown}][{PACKAGE}.{name}]" if head in self._public else shown


def public_names() -> list[str]:
    """Those of the package that have a place in the reference."""
    import fiftyone_simfind

    return [name for name in fiftyone_simfind.__all__ if name != "__version__"]
