"""Make the similarity backend ``"simfind"`` known to FiftyOne's Brain, without importing the Brain for it."""

from __future__ import annotations

import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

BRAIN = "fiftyone.brain"


def when_brain_is_imported() -> None:
    """Register the backend now if the Brain is there, or else as soon as somebody imports it."""
    brain = sys.modules.get(BRAIN)
    if hasattr(brain, "brain_config"):
        _register(brain)
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds the Brain as Python would, and is then no longer needed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != BRAIN:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Registering(spec.loader)
        return spec


class _Registering(Loader):
    """A loader that registers the backend after another one has loaded the Brain."""

    def __init__(self, loader: Any):
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _register(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _register(brain: Any) -> None:
    from fiftyone_simfind import backend

    backend.register(brain)
