"""Train the showroom's small YOLO from nothing, on scenes that neither the demo nor the tests ever show.

    python tools/train_showroom.py --out fiftyone_simfind/showroom/showroom.pt

It learns from many catalogues and is measured on the catalogue and the scenes of seed 51, new to it.
"""

import argparse
import functools
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp(prefix="showroom-settings-"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
import ultralytics
from PIL import Image
from ultralytics import YOLO
from ultralytics.utils import YAML

from fiftyone_simfind.showroom import CATEGORIES, WEIGHTS, Identity, catalogue, compose

HELD_OUT_SEED = 51
TRAIN_SEEDS = range(1000, 1030)

# Depth, width and the most channels: three quarters of the width of YOLO11n.
SCALE = [0.5, 0.1875, 1024]

# Of an object cut by the edge of a crop, the share that must remain for it to be labelled.
MIN_VISIBLE = 0.3

# Colour is left nearly as it is: who searches by the network's features searches for colour too.
COLOR = {"hsv_h": 0.004, "hsv_s": 0.12, "hsv_v": 0.25, "erasing": 0.0, "auto_augment": None}
GEOMETRY = {"degrees": 2.0, "translate": 0.1, "scale": 0.45, "fliplr": 0.5, "mosaic": 0.7, "close_mosaic": 6}
OPTIMIZER = {"optimizer": "AdamW", "lrf": 0.02, "cos_lr": True, "weight_decay": 0.01}
QUIET = {"amp": False, "val": False, "plots": False}
FIXED = {"seed": 51, "deterministic": True, "workers": 2, "cache": "ram"}

# The number of a category and the relative x, y, width and height of an object, from the top left.
Label = tuple[int, float, float, float, float]


def main() -> None:
    """Train, save and measure, as the command line says."""
    options = parse_options()
    with tempfile.TemporaryDirectory(prefix="showroom-") as folder:
        work = Path(options.work or folder)
        write_data(work, options)
        started = time.perf_counter()
        learned = learn(work, options)
        publish(polish(work, learned, options), Path(options.out))
        minutes = (time.perf_counter() - started) / 60
        metrics = measure(Path(options.out), work, options.device)
    print(f"trained in {minutes:.0f} minutes: {Path(options.out).stat().st_size / 1e6:.2f} MB")
    print(f"held out, at 640 pixels: mAP50 {metrics.box.map50:.4f}, mAP50-95 {metrics.box.map:.4f}")


def parse_options() -> argparse.Namespace:
    """The options of the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--out", default=str(WEIGHTS), help="where the weights go")
    parser.add_argument("--scenes", type=int, default=1200, help="how many to learn from, mostly in crops")
    parser.add_argument("--epochs", type=int, default=24, help="how often to see them")
    parser.add_argument("--image-size", type=int, default=320, help="pixels, of the crops")
    parser.add_argument("--polish-scenes", type=int, default=600, help="how many whole scenes to end with")
    parser.add_argument("--polish-epochs", type=int, default=4, help="how often to see those")
    parser.add_argument("--held-out", type=int, default=60, help="how many scenes to measure on")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--work", help="a folder for scenes and runs, kept; by default a temporary one")
    return parser.parse_args()


def write_data(work: Path, options: argparse.Namespace) -> None:
    """Write crops, whole scenes and held-out scenes, and a YAML file for either training."""
    for index in range(options.scenes):
        seed = TRAIN_SEEDS[index * len(TRAIN_SEEDS) // options.scenes]
        image, labels = draw(seed, index)
        if index % 4:
            image, labels = crop(image, labels, options.image_size, np.random.default_rng([seed, index, 5]))
        save(work / "crops", index, image, labels)
    for index in range(options.polish_scenes):
        seed = TRAIN_SEEDS[index * len(TRAIN_SEEDS) // options.polish_scenes]
        save(work / "whole", index, *draw(seed, options.scenes + index))
    for index in range(options.held_out):
        save(work / "held-out", index, *draw(HELD_OUT_SEED, index))
    for folder in ("crops", "whole"):
        about = {"path": str(work.resolve()), "train": folder, "val": "held-out"}
        YAML.save(work / f"{folder}.yaml", {**about, "names": dict(enumerate(CATEGORIES))})


@functools.lru_cache
def things(seed: int) -> list[Identity]:
    """The catalogue of a seed, made once."""
    return catalogue(seed)


def draw(seed: int, index: int) -> tuple[Image.Image, list[Label]]:
    """A scene and its labels."""
    scene = compose(index, seed=seed, identities=things(seed))
    return scene.image, [(CATEGORIES.index(o.identity.category), *o.bounding_box) for o in scene.objects]


def crop(
    image: Image.Image, labels: Sequence[Label], least: int, rng: np.random.Generator
) -> tuple[Image.Image, list[Label]]:
    """A square of a scene, ``least`` pixels wide or more, up to the whole height.

    So the network meets things as large as it will at 640 pixels, for a quarter of the work.
    """
    width, height = image.size
    side = int(rng.integers(least, height + 1))
    left, top = int(rng.integers(width - side + 1)), int(rng.integers(height - side + 1))
    kept: list[Label] = []
    for category, x, y, w, h in labels:
        x0, x1 = np.clip([(x * width - left) / side, ((x + w) * width - left) / side], 0, 1)
        y0, y1 = np.clip([(y * height - top) / side, ((y + h) * height - top) / side], 0, 1)
        if (x1 - x0) * (y1 - y0) * side * side >= MIN_VISIBLE * w * h * width * height:
            kept.append((category, float(x0), float(y0), float(x1 - x0), float(y1 - y0)))
    return image.crop((left, top, left + side, top + side)), kept


def save(folder: Path, index: int, image: Image.Image, labels: Sequence[Label]) -> None:
    """Write a picture and, beside it, its labels in YOLO's form: category and centre, width, height."""
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / f"{index:04d}.jpg", quality=92)
    lines = [f"{c} {x + w / 2:.6f} {y + h / 2:.6f} {w:.6f} {h:.6f}\n" for c, x, y, w, h in labels]
    (folder / f"{index:04d}.txt").write_text("".join(lines))


def learn(work: Path, options: argparse.Namespace) -> Path:
    """Train from random weights, on crops and mosaics of them; get the path of the last checkpoint."""
    packaged = Path(ultralytics.__file__).parent / "cfg" / "models" / "11" / "yolo11.yaml"
    architecture = work / "showroom-yolo11n.yaml"
    YAML.save(architecture, {**YAML.load(packaged), "nc": len(CATEGORIES), "scales": {"n": SCALE}})
    size = {"epochs": options.epochs, "imgsz": options.image_size, "batch": 16}
    pace = {**OPTIMIZER, "lr0": 0.003, "warmup_epochs": 1.5, "pretrained": False}
    model = YOLO(str(architecture), task="detect")
    return fit(model, work, "crops", options.device, **size, **pace, **GEOMETRY)


def polish(work: Path, learned: Path, options: argparse.Namespace) -> Path:
    """Train a little more, slowly, on whole scenes as large as they will be; get the last checkpoint.

    Crops teach the network to find parts of things; here it learns that a thing is found once, as a whole.
    """
    size = {"epochs": options.polish_epochs, "imgsz": 640, "rect": True, "batch": 8}
    pace = {**OPTIMIZER, "lr0": 0.001, "warmup_epochs": 0.0}
    calm = {**GEOMETRY, "mosaic": 0.0, "scale": 0.15, "translate": 0.04}
    return fit(YOLO(str(learned)), work, "whole", options.device, **size, **pace, **calm)


def fit(model: YOLO, work: Path, data: str, device: str, **settings: Any) -> Path:
    """Train on the pictures of a folder; get the path of the last checkpoint."""
    model.add_callback("on_pretrain_routine_end", use_channels_last)
    run = {"project": str(work / "runs"), "name": data, "exist_ok": True, "device": device}
    model.train(data=str(work / f"{data}.yaml"), **run, **FIXED, **QUIET, **COLOR, **settings)
    return work / "runs" / data / "weights" / "last.pt"


def use_channels_last(trainer: Any) -> None:
    """Keep pictures with their channels last: a CPU convolves faster so."""
    trainer.model.to(memory_format=torch.channels_last)


def publish(trained: Path, out: Path) -> None:
    """Save what inference needs, in half precision, and nothing of the machine that it was trained on."""
    checkpoint = torch.load(trained, map_location="cpu", weights_only=False)
    model = (checkpoint.get("ema") or checkpoint["model"]).to(memory_format=torch.contiguous_format).half()
    model.args = {"task": "detect", "imgsz": 640, "model": "showroom.yaml", "data": "showroom.yaml"}
    model.yaml["yaml_file"] = "showroom-yolo11n.yaml"
    model.criterion = None
    model.__dict__.pop("pt_path", None)
    for parameter in model.parameters():
        parameter.requires_grad = False
    out.parent.mkdir(parents=True, exist_ok=True)
    about = {"version": ultralytics.__version__, "license": "AGPL-3.0 (https://ultralytics.com/license)"}
    torch.save({"epoch": -1, "model": model, "ema": None, "train_args": model.args, **about}, out)


def measure(weights: Path, work: Path, device: str) -> Any:
    """The metrics of ultralytics on the held-out scenes, at the size at which the weights are used."""
    run = {"project": str(work / "runs"), "name": "held-out", "exist_ok": True, "plots": False}
    return YOLO(str(weights)).val(data=str(work / "whole.yaml"), imgsz=640, batch=8, device=device, **run)


if __name__ == "__main__":
    main()
