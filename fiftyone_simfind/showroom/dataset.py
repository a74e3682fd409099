"""The showroom as a FiftyOne dataset."""

import json
import os
import zlib
from pathlib import Path
from typing import Any

import fiftyone as fo

from .scenes import PlacedObject, write

GROUND_TRUTH = "ground_truth"


def load(
    num_scenes: int = 60,
    *,
    seed: int = 51,
    name: str | None = None,
    folder: str | Path | None = None,
    persistent: bool = False,
    overwrite: bool = False,
    progress: Any = None,
) -> Any:
    """A dataset of showroom scenes, with what is in them in the field ``"ground_truth"``.

    Each ground-truth detection has its category as ``label``, and the attributes ``color``, ``pattern`` and
    ``identity``: the same identity recurs in other scenes at another size and angle and in another light.

    Args:
        num_scenes: how many scenes
        seed: other seeds give other scenes of other things
        name: name of the dataset
        folder: where the images are written; default is a folder of this seed in FiftyOne's folder for datasets, whose
            scenes are kept from call to call
        persistent: keep the dataset after the session
        overwrite: replace a dataset of that name
        progress: True, False, None for FiftyOne's default, or a function that is given the progress bar

    Returns:
        a ``fiftyone.Dataset``
    """
    scene = _kept if folder is None else _written
    folder = _default_folder(seed) if folder is None else Path(folder)
    dataset = fo.Dataset(name, persistent=persistent, overwrite=overwrite)
    with fo.ProgressBar(total=num_scenes, iters_str="scenes", progress=progress) as bar:
        samples = [_sample(*scene(folder, index, seed)) for index in bar(range(num_scenes))]
    dataset.add_samples(samples, dynamic=True, progress=False)
    dataset.compute_metadata(progress=False)
    return dataset


def _default_folder(seed: int) -> Path:
    """The folder of a seed; a release that paints other scenes has another one."""
    painters = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return Path(fo.config.default_dataset_dir) / "simfind-showroom" / f"{zlib.crc32(b''.join(painters)):08x}-{seed}"


def _kept(folder: Path, index: int, seed: int) -> tuple[Path, list[dict[str, Any]]]:
    """A scene and what is in it, as an earlier call left it where that was completed."""
    path = folder / f"scene-{index:04d}.jpg"
    facts = path.with_suffix(".json")
    if path.exists() and facts.exists():
        return path, json.loads(facts.read_text())
    path, objects = _written(folder, index, seed)
    unfinished = facts.with_suffix(f".{os.getpid()}.part")
    unfinished.write_text(json.dumps(objects))
    os.replace(unfinished, facts)
    return path, objects


def _written(folder: Path, index: int, seed: int) -> tuple[Path, list[dict[str, Any]]]:
    """A scene, written anew, and what is in it."""
    path, objects = write(folder, 1, seed=seed, first=index)[0]
    return path, [_facts(placed) for placed in objects]


def _sample(path: Path, objects: list[dict[str, Any]]) -> fo.Sample:
    detections = [fo.Detection(**facts) for facts in objects]
    return fo.Sample(filepath=str(path), **{GROUND_TRUTH: fo.Detections(detections=detections)})


def _facts(placed: PlacedObject) -> dict[str, Any]:
    thing = placed.identity
    return {
        "label": thing.category,
        "bounding_box": list(placed.bounding_box),
        "color": thing.color,
        "pattern": thing.pattern,
        "identity": thing.name,
    }
