"""Make ourselves known to FiftyOne and its Brain, without importing them for it."""

from __future__ import annotations

import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# Our function that a module is to be given to, and a name that it has once it has been imported.
TOLD = {
    "fiftyone.brain": ("register", "brain_config"),
    "fiftyone.core.dataset": ("follow_clones", "register_extras_cloner"),
}


def when_they_are_imported() -> None:
    """Tell each module of the backend ``"simfind"`` now if it is there, or else as soon as somebody imports it."""
    for name, (what, sign) in TOLD.items():
        module = sys.modules.get(name)
        if hasattr(module, sign):
            _tell(what, module)
        elif not any(isinstance(finder, _Finder) and finder.name == name for finder in sys.meta_path):
            sys.meta_path.insert(0, _Finder(name, what))


class _Finder(MetaPathFinder):
    """Finds a module as Python would, and is then no longer needed."""

    def __init__(self, name: str, what: str):
        self.name, self._what = name, what

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Telling(spec.loader, self._what)
        return spec


class _Telling(Loader):
    """A loader that gives a module to a function of ours after another one has loaded it."""

    def __init__(self, loader: Any, what: str):
        self._loader, self._what = loader, what

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _tell(self._what, module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _tell(what: str, module: Any) -> None:
    from fiftyone_simfind import backend

    getattr(backend, what)(module)
