"""Train the showroom's small YOLO from nothing, on scenes that neither the demo nor the tests ever show.

    python tools/train_showroom.py --out fiftyone_simfind/showroom/showroom.pt

First it learns to find the categories, in crops and then in whole scenes. A detector that is to find red mugs and blue
ones alike forgets their colours on the way, so it then learns, while it goes on finding, to keep things apart in its
backbone by category, colour and pattern: again in crops. In the end only what follows the backbone is trained, on whole
scenes. ``--start weights.pt`` begins with the colours and patterns.

It learns from many catalogues and is measured on the catalogue and the scenes of seed 51, new to it.
"""

import argparse
import functools
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp(prefix="showroom-settings-"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
import torch.nn.functional as F
import ultralytics
from PIL import Image
from torchvision.ops import roi_align
from ultralytics import YOLO
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils import YAML

from fiftyone_simfind.showroom import CATEGORIES, COLORS, PATTERNS, WEIGHTS, Identity, catalogue, compose

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

# The backbone's layers that a search looks at: its last at stride 16, and its first two at stride 32.
SEARCHED = (6, 7, 8)

# How many layers the backbone has.
BACKBONE = 11

# How much it counts that these keep looks apart, beside that things are found.
LOOKS_GAIN = 2.0

# What it means to share a category, a colour or a pattern; and how near the likest things are to lie for it.
SHARING = (2.0, 3.0, 2.0)
TEMPERATURE = 0.15

# Things that a mosaic or a crop leaves smaller than this show no look, pixels.
MIN_SIDE = 10.0

# Category, colour and pattern are one number in the label files, which know nothing but classes.
KINDS = (len(CATEGORIES), len(COLORS), len(PATTERNS))

# The number of a category, colour and pattern, and the relative x, y, width and height of an object, from the top left.
Label = tuple[int, float, float, float, float]


def main() -> None:
    """Train, save and measure, as the command line says."""
    options = parse_options()
    with tempfile.TemporaryDirectory(prefix="showroom-") as folder:
        work = Path(options.work or folder)
        write_data(work, options)
        started = time.perf_counter()
        start = Path(options.start) if options.start else find_categories(work, options)
        seen = see_looks(work, start, options)
        settled = polish(work, seen, options.device, epochs=options.settle_epochs, frozen=BACKBONE)
        publish(settled, Path(options.out))
        minutes = (time.perf_counter() - started) / 60
        metrics = measure(Path(options.out), work, options.device)
    print(f"trained in {minutes:.0f} minutes: {Path(options.out).stat().st_size / 1e6:.2f} MB")
    print(f"held out, at 640 pixels: mAP50 {metrics.box.map50:.4f}, mAP50-95 {metrics.box.map:.4f}")


def parse_options() -> argparse.Namespace:
    """The options of the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--out", default=str(WEIGHTS), help="where the weights go")
    parser.add_argument("--start", help="weights that find the categories already; by default such are trained first")
    parser.add_argument("--scenes", type=int, default=1200, help="how many to learn from, mostly in crops")
    parser.add_argument("--epochs", type=int, default=24, help="how often to see them")
    parser.add_argument("--image-size", type=int, default=320, help="pixels, of the crops")
    parser.add_argument("--looks-epochs", type=int, default=8, help="how often to see them for their looks")
    parser.add_argument("--polish-scenes", type=int, default=600, help="how many whole scenes to see as well")
    parser.add_argument("--polish-epochs", type=int, default=4, help="how often to see those, for the categories")
    parser.add_argument("--settle-epochs", type=int, default=2, help="how often to see those in the end")
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
        image, labels = draw(HELD_OUT_SEED, index)
        save(work / "held-out", index, image, [(int(np.unravel_index(n, KINDS)[0]), *box) for n, *box in labels])
    numbers = {name: range(int(np.prod(KINDS))) for name in ("crops", "whole")}
    for folder, names in {**numbers, "held-out": CATEGORIES}.items():
        about = {"path": str(work.resolve()), "train": folder, "val": "held-out"}
        YAML.save(work / f"{folder}.yaml", {**about, "names": {i: str(name) for i, name in enumerate(names)}})


@functools.lru_cache
def things(seed: int) -> list[Identity]:
    """The catalogue of a seed, made once."""
    return catalogue(seed)


def draw(seed: int, index: int) -> tuple[Image.Image, list[Label]]:
    """A scene and its labels."""
    scene = compose(index, seed=seed, identities=things(seed))
    return scene.image, [(number(o.identity), *o.bounding_box) for o in scene.objects]


def number(thing: Identity) -> int:
    """Category, colour and pattern of a thing as one number."""
    kinds = CATEGORIES.index(thing.category), list(COLORS).index(thing.color), PATTERNS.index(thing.pattern)
    return int(np.ravel_multi_index(kinds, KINDS))


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
    for kind, x, y, w, h in labels:
        x0, x1 = np.clip([(x * width - left) / side, ((x + w) * width - left) / side], 0, 1)
        y0, y1 = np.clip([(y * height - top) / side, ((y + h) * height - top) / side], 0, 1)
        if (x1 - x0) * (y1 - y0) * side * side >= MIN_VISIBLE * w * h * width * height:
            kept.append((kind, float(x0), float(y0), float(x1 - x0), float(y1 - y0)))
    return image.crop((left, top, left + side, top + side)), kept


def save(folder: Path, index: int, image: Image.Image, labels: Sequence[Label]) -> None:
    """Write a picture and, beside it, its labels in YOLO's form: a number and centre, width, height."""
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / f"{index:04d}.jpg", quality=92)
    lines = [f"{c} {x + w / 2:.6f} {y + h / 2:.6f} {w:.6f} {h:.6f}\n" for c, x, y, w, h in labels]
    (folder / f"{index:04d}.txt").write_text("".join(lines))


def find_categories(work: Path, options: argparse.Namespace) -> Path:
    """Train from nothing to find the categories; get the path of the last checkpoint."""
    return polish(work, learn(work, options), options.device, epochs=options.polish_epochs)


def learn(work: Path, options: argparse.Namespace) -> Path:
    """Train from random weights, on crops and mosaics of them; get the path of the last checkpoint."""
    packaged = Path(ultralytics.__file__).parent / "cfg" / "models" / "11" / "yolo11.yaml"
    architecture = work / "showroom-yolo11n.yaml"
    YAML.save(architecture, {**YAML.load(packaged), "nc": len(CATEGORIES), "scales": {"n": SCALE}})
    size = {"epochs": options.epochs, "imgsz": options.image_size, "batch": 16}
    pace = {**OPTIMIZER, "lr0": 0.003, "warmup_epochs": 1.5, "pretrained": False}
    model = YOLO(str(architecture), task="detect")
    return fit(model, work, "crops", options.device, **size, **pace, **GEOMETRY)


def see_looks(work: Path, found: Path, options: argparse.Namespace) -> Path:
    """Train what finds things to keep apart their looks too, on crops; get the path of the last checkpoint."""
    size = {"epochs": options.looks_epochs, "imgsz": options.image_size, "batch": 16}
    pace = {**OPTIMIZER, "lr0": 0.0015, "warmup_epochs": 0.5}
    calm = {**GEOMETRY, "mosaic": 0.5, "close_mosaic": 2}
    return fit(YOLO(str(found)), work, "crops", options.device, looks=True, **size, **pace, **calm)


def polish(work: Path, learned: Path, device: str, *, epochs: int, frozen: int = 0) -> Path:
    """Train a little more, slowly, on whole scenes as large as they will be; get the last checkpoint.

    Crops teach the network to find parts of things; here it learns that a thing is found once, as a whole. The first
    ``frozen`` layers stay as they are.
    """
    size = {"epochs": epochs, "imgsz": 640, "rect": True, "batch": 8}
    pace = {**OPTIMIZER, "lr0": 0.001, "warmup_epochs": 0.0, "freeze": frozen}
    calm = {**GEOMETRY, "mosaic": 0.0, "scale": 0.15, "translate": 0.04}
    return fit(YOLO(str(learned)), work, "whole", device, **size, **pace, **calm)


def fit(model: YOLO, work: Path, data: str, device: str, *, looks: bool = False, **settings: Any) -> Path:
    """Train on the pictures of a folder; get the path of the last checkpoint."""
    model.add_callback("on_pretrain_routine_end", use_channels_last)
    name = f"{data}-looks" if looks else data
    run = {"project": str(work / "runs"), "name": name, "exist_ok": True, "device": device}
    trainer = LooksTrainer if looks else CategoryTrainer
    model.train(trainer=trainer, data=str(work / f"{data}.yaml"), **run, **FIXED, **QUIET, **COLOR, **settings)
    return work / "runs" / name / "weights" / "last.pt"


class CategoryTrainer(DetectionTrainer):
    """Trains to find the categories; colours and patterns it leaves in ``batch["kinds"]``."""

    network = DetectionModel

    def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> DetectionModel:
        model = self.network(cfg, nc=len(CATEGORIES), verbose=verbose)
        if weights:
            model.load(weights)
        return model

    def set_model_attributes(self) -> None:
        super().set_model_attributes()
        self.model.nc, self.model.names = len(CATEGORIES), dict(enumerate(CATEGORIES))

    def preprocess_batch(self, batch: dict) -> dict:
        batch = super().preprocess_batch(batch)
        numbers = batch["cls"].flatten().long().cpu().numpy()
        batch["kinds"] = torch.from_numpy(np.stack(np.unravel_index(numbers, KINDS), axis=1)).to(batch["cls"].device)
        batch["cls"] = batch["kinds"][:, :1].to(batch["cls"].dtype)
        return batch


class LooksModel(DetectionModel):
    """A detector that also loses where its backbone does not keep apart what things look like."""

    def loss(self, batch: dict, preds: Any = None) -> tuple[torch.Tensor, Any]:
        with searched(self) as seen:
            found, items = super().loss(batch, preds)
        if not self.training:
            return found, items
        kinds, vectors = described(batch, seen)
        mixed = torch.stack([confusion(one, kinds) for one in vectors]).mean()
        return torch.cat([found, LOOKS_GAIN * len(batch["img"]) * mixed[None]]), items


class LooksTrainer(CategoryTrainer):
    """Trains to find the categories, and to keep apart categories, colours and patterns."""

    network = LooksModel


@contextmanager
def searched(model: DetectionModel) -> Iterator[list[torch.Tensor]]:
    """Keep the maps that a search looks at while the context lasts."""
    seen: list[torch.Tensor] = []
    hooks = [model.model[layer].register_forward_hook(lambda _, __, out: seen.append(out)) for layer in SEARCHED]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def described(batch: dict, seen: Sequence[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Category, colour and pattern ``(n, 3)`` of the things in a batch, and vectors ``(n, c)`` of them.

    The vectors are the means of each map over the middle of a thing's box, and the deviations of the first map.
    """
    height, width = batch["img"].shape[2:]
    boxes = batch["bboxes"] * torch.tensor([width, height, width, height], device=batch["bboxes"].device)
    large = boxes[:, 2:].amin(dim=1) >= MIN_SIDE
    corners = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], dim=1)
    rois = torch.cat([batch["batch_idx"].to(corners).view(-1, 1), corners], dim=1)[large]
    cells = [roi_align(m, rois, 5, m.shape[3] / width, 2, aligned=True)[:, :, 1:-1, 1:-1].flatten(2) for m in seen]
    deviations = (cells[0].var(dim=2) + 1e-6).sqrt()
    return batch["kinds"][large], [*(found.mean(dim=2) for found in cells), deviations]


def confusion(vectors: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
    """How little the nearest things by some vectors are those with the most in common.

    The divergence of two distributions over the other things, the mean over all things: by the cosine of the centred
    vectors, and by the category, colour and pattern that they share (as in P. Khosla et al., "Supervised contrastive
    learning", 2020, but with degrees).
    """
    unit = F.normalize(vectors - vectors.mean(dim=0), dim=1)
    shared = ((kinds[:, None] == kinds[None]) * torch.tensor(SHARING, device=kinds.device)).sum(dim=2)
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    found = (unit @ unit.T / TEMPERATURE).masked_fill(itself, -1e4).log_softmax(dim=1)
    return F.kl_div(found, shared.masked_fill(itself, -1e4).softmax(dim=1), reduction="batchmean")


def use_channels_last(trainer: Any) -> None:
    """Keep pictures with their channels last: a CPU convolves faster so."""
    trainer.model.to(memory_format=torch.channels_last)


def publish(trained: Path, out: Path) -> None:
    """Save what inference needs, in half precision, and nothing of the machine that it was trained on."""
    checkpoint = torch.load(trained, map_location="cpu", weights_only=False)
    model = (checkpoint.get("ema") or checkpoint["model"]).to(memory_format=torch.contiguous_format).half()
    model.__class__ = DetectionModel  # which needs nothing of this script
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
    return YOLO(str(weights)).val(data=str(work / "held-out.yaml"), imgsz=640, batch=8, device=device, **run)


if __name__ == "__main__":
    main()
