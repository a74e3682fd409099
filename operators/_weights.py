"""Which models may be named in a form.

Weights are pickles, which can run code when they are loaded, and the App may be open to others than those who run its
server. So a form takes the models that are known by name, and files in the folders that the setting
``weights_folders`` lists. A script can load what it likes with or without an operator, and is not asked.
"""

from __future__ import annotations

import json
import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import fiftyone.zoo as foz

import fiftyone_simfind as simfind

from . import _settings

OWN = "showroom.pt"
TORCHVISION = ("convnext_tiny", "efficientnet_b0", "mobilenet_v2", "resnet18", "resnet50", "vgg16")
ZOO = "zoo:"
HERE = "on this machine"
# What ultralytics has published, which it downloads where it is not there yet.
RELEASED = re.compile(
    r"(yolov3(-spp|-tiny)?u|yolov5[nsmlx]6?u|yolov8[nsmlx](-(cls|obb|oiv7|pose|seg|world|worldv2))?|yolov8x-pose-p6"
    r"|yolov9[tsmce](-seg)?|yolov10[nsmblx]|yolo(11|12|26)[nsmlx](-(cls|obb|pose|seg))?)\.pt"
)
SUGGESTED = [f"yolo11{size}.pt" for size in "nsmlx"] + [OWN]


def allowed(model: Any) -> str:
    """A model's name, or the real path of its weights, when a form may ask for it.

    Raises:
        OptionError: it may not, or the settings cannot be read
    """
    if not isinstance(model, str) or not model or len(model) > 1000 or "\0" in model:
        raise simfind.OptionError(f"model={_short(model)} is no name of a model; give one such as {SUGGESTED[0]}")
    kind, colon, rest = model.partition(":")
    if model == OWN or model in TORCHVISION or RELEASED.fullmatch(model):
        return model
    if model.startswith(ZOO) and rest in foz.list_zoo_models():
        return model
    if colon and kind in TORCHVISION:
        return f"{kind}:{_in_folders(rest, model)}"
    return _in_folders(model, model)


def recorded(ctx: Any, path: str) -> dict[str, str]:
    """The ``model`` that a vector field says made its vectors, for an SDK verb to load; empty leaves it to the verb.

    What a field says can be edited in the App, and so is no better than what is typed into a form.

    Raises:
        OptionError: a form may not ask for it
    """
    if not asked_in_the_app(ctx):
        return {}
    field = ctx.dataset.get_field(path)
    if field is None:
        raise simfind.OptionError(
            f'"{path}" is no field of dataset "{ctx.dataset.name}", so it is not known which model made its vectors'
        )
    facts = (field.info or {}).get("simfind") or {}
    if facts.get("weights") is None:
        return {}
    return {"model": allowed(facts["weights"])}


def for_photo(ctx: Any, path: str) -> dict[str, Any]:
    """What ``simfind.detect_query`` may load for an index: the model of its vectors, and what found its objects.

    The latter looks for objects where the former finds none; if a form may not ask for it, nothing does.

    Args:
        ctx: of the request
        path: where the vectors of the index lie

    Raises:
        OptionError: a form may not ask for the model, or the settings cannot be read
    """
    if not asked_in_the_app(ctx):
        return {}
    try:
        finder = recorded(ctx, path.rpartition(".detections.")[0]).get("model", False)
    except simfind.OptionError:
        finder = False
    return {**recorded(ctx, path), "detector": finder}


def candidates(ctx: Any, brain_key: str, path: str, pixels: Any) -> list[simfind.Candidate]:
    """What can be searched for in a photo; nothing but the whole of it where what would find its objects is gone.

    Args:
        ctx: of the request
        brain_key: name of the index
        path: where its vectors lie
        pixels: of the photo, as ``simfind.read_image`` gives them

    Raises:
        OptionError: a form may not ask for the model, or the settings cannot be read
        ModelError: it cannot be loaded
    """
    models = for_photo(ctx, path)
    look = partial(simfind.detect_query, pixels, samples=ctx.dataset, brain_key=brain_key)
    try:
        return look(**models)
    except simfind.ModelError:
        if not models.get("detector"):
            raise
        return look(**{**models, "detector": False})


def asked_in_the_app(ctx: Any) -> bool:
    """Whether a request came through the server, now or when it was put on the queue, and not from a script."""
    return "operator_uri" in ctx.request_params


def _in_folders(path: str, model: str) -> str:
    """The real path of a file, links resolved, that lies in one of the folders."""
    folders = [os.path.realpath(os.path.expanduser(folder)) for folder in _settings.load().weights_folders]
    folders.append(os.path.join(os.path.dirname(os.path.realpath(simfind.__file__)), "showroom"))
    for folder in folders:
        real = os.path.realpath(os.path.join(folder, path))  # of an absolute path, that
        if Path(real).is_relative_to(folder) and os.path.isfile(real):
            return real
    raise simfind.OptionError(
        f"model={_short(model)} is no model that is known by name, such as {SUGGESTED[0]}, resnet50 or "
        "zoo:clip-vit-base32-torch, and no file in the folders for weights. Weights can run code when they are loaded, "
        "so whoever runs the server has to name their folder, in the setting "
        f'"weights_folders" of {_settings.PLUGIN} (see docs/plugin.md)'
    )


def _short(model: Any) -> str:
    shown = repr(model)
    return shown if len(shown) <= 100 else f"{shown[:97]}..."


def offered(*, finds_objects: bool) -> dict[str, str]:
    """Models to choose from, by what each is shown as: YOLO's, those in the folders, and networks that look at crops.

    Of each it says whether it is on this machine; of YOLO's, those that are come first.

    Args:
        finds_objects: without the last, which find no objects
    """
    released = sorted((name for name in SUGGESTED if name != OWN), key=lambda name: not _is_here(name))
    models = {name: f"{name} ({where(name)})" for name in released}
    models[OWN] = f"{OWN} (demo, {HERE})"
    for folder in map(os.path.expanduser, _settings.load().weights_folders):
        found = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        models |= {os.path.join(folder, name): f"{name} ({HERE})" for name in found if name.endswith(".pt")}
    return models if finds_objects else models | {name: f"{name}, of crops ({where(name)})" for name in TORCHVISION}


def where(name: str) -> str:
    """Whether a model that is known by name is on this machine, in words."""
    return HERE if name == OWN or _is_here(name) else "downloaded first"


def _is_here(name: str) -> bool:
    """Whether a model lies where ultralytics or torchvision looks for it before it is downloaded."""
    if name in TORCHVISION:
        caches = Path(os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch")
        kept = caches.expanduser() / "hub" / "checkpoints"
        return any(file for kind in ("-", "_rwightman-") for file in kept.glob(f"{name}{kind}*.pth"))
    return any((folder / name).is_file() for folder in (Path(), _ultralytics_folder()))


def _ultralytics_folder() -> Path:
    """Where ultralytics keeps weights, from its file of settings: it takes seconds to import."""
    base = os.environ.get("YOLO_CONFIG_DIR") or os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    try:
        return Path(json.loads((Path(base).expanduser() / "Ultralytics" / "settings.json").read_text())["weights_dir"])
    except (OSError, ValueError, KeyError, TypeError):
        return Path("weights")
