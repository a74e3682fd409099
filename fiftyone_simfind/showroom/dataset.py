"""The showroom as a FiftyOne dataset."""

import tempfile
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
        folder: where the images are written; default is a temporary folder
        persistent: keep the dataset after the session
        overwrite: replace a dataset of that name
        progress: True, False, None for FiftyOne's default, or a function that is given the progress bar

    Returns:
        a ``fiftyone.Dataset``
    """
    folder = folder or tempfile.mkdtemp(prefix="showroom-")
    dataset = fo.Dataset(name, persistent=persistent, overwrite=overwrite)
    with fo.ProgressBar(total=num_scenes, iters_str="scenes", progress=progress) as bar:
        samples = [_sample(*write(folder, 1, seed=seed, first=index)[0]) for index in bar(range(num_scenes))]
    dataset.add_samples(samples, dynamic=True, progress=False)
    dataset.compute_metadata(progress=False)
    return dataset


def _sample(path: Path, objects: list[PlacedObject]) -> fo.Sample:
    detections = [_detection(placed) for placed in objects]
    return fo.Sample(filepath=str(path), **{GROUND_TRUTH: fo.Detections(detections=detections)})


def _detection(placed: PlacedObject) -> fo.Detection:
    thing = placed.identity
    return fo.Detection(
        label=thing.category,
        bounding_box=list(placed.bounding_box),
        color=thing.color,
        pattern=thing.pattern,
        identity=thing.name,
    )
