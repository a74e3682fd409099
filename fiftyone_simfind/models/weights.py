"""YOLO weights from a path or a name, with errors that say what to do."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from fiftyone_simfind import showroom
from fiftyone_simfind.errors import ModelError


def find(model: str) -> str:
    """The weights file that a name or a path means; a name that is not here is left to ultralytics to download."""
    path = Path(model).expanduser()
    if path.is_file():
        return str(path)
    if path.name == model == showroom.WEIGHTS.name:
        return str(showroom.WEIGHTS)
    if path.name != model:
        raise ModelError(f'there are no weights at "{model}"; give the path of a YOLO weights file')
    return model


def load(model: str) -> tuple[Any, str]:
    """The ``ultralytics.YOLO`` of a weights file, and a name that tells its weights from all others.

    Weights are pickles, which can run code when they are loaded: load only files that you trust.

    Raises:
        ModelError: there is no such file, it cannot be downloaded, or it holds no weights
    """
    from ultralytics import YOLO

    _give_threads_back()
    try:
        yolo = YOLO(find(model))
    except ModelError:
        raise
    except Exception as error:  # ultralytics raises whatever its download or torch's unpickler raised
        raise ModelError(
            f'cannot load "{model}": {_reason(error)}. '
            f'Without internet, put the weights file into "{Path.cwd()}" or give its path'
        ) from None
    return yolo, f"{Path(model).name} {digest(yolo)}"


def require_detector(yolo: Any, name: str) -> None:
    """Raise unless a model finds objects.

    Raises:
        ModelError: it is a classifier, say
    """
    if yolo.task not in ("detect", "segment", "pose", "obb"):
        raise ModelError(f'"{name}" is a {yolo.task} model; give a detect, segment, pose or OBB model')


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip("❌ .")


def digest(yolo: Any) -> str:
    """Eight hex digits that tell these weights from others: of the file, or of the parameters where there is none."""
    sha = hashlib.sha256()
    path = Path(str(getattr(yolo, "ckpt_path", None) or ""))
    if path.is_file():
        sha.update(path.read_bytes())
    else:
        for tensor in yolo.model.state_dict().values():
            sha.update(tensor.cpu().numpy().tobytes())
    return sha.hexdigest()[:8]


def _give_threads_back() -> None:
    # Importing ultralytics sets OMP_NUM_THREADS=1 for this process and its children.
    if os.environ.get("OMP_NUM_THREADS") == "1":
        del os.environ["OMP_NUM_THREADS"]
