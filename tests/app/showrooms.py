"""Datasets of showroom scenes whose objects are known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import fiftyone_simfind as simfind
from fiftyone_simfind import showroom
from fiftyone_simfind.showroom.dataset import load
from fiftyone_simfind.showroom.quality import Thing, things

FIELD = "objects"
WEIGHTS = str(showroom.WEIGHTS)


@dataclass
class Showroom:
    """A dataset in which YOLO found objects, and what they are in truth.

    Attributes:
        dataset: the dataset
        things: what each found object is, by label id
        field: the field of the found objects
    """

    dataset: Any
    things: dict[str, Thing]
    field: str = FIELD

    @classmethod
    def make(cls, name: str, num_scenes: int) -> Showroom:
        dataset = load(num_scenes, name=name, persistent=True, overwrite=True)
        simfind.detect(dataset, label_field=FIELD, model=WEIGHTS, progress=False)
        simfind.build_index(dataset, FIELD)
        simfind.visualize(dataset, method="umap", verbose=False)
        return cls(dataset, things(dataset, FIELD))

    def common(self, label_ids: list[str], others: int = 4) -> str:
        """The largest of some objects that are the same thing as this many others in the dataset."""
        counts = Counter(self.things.values())
        patches = self.dataset.to_patches(self.field).values(["id", f"{self.field}.bounding_box"])
        found = dict(zip(*patches, strict=True))
        return max(
            (i for i in label_ids if i in self.things and counts[self.things[i]] > others),
            key=lambda i: found[i][2] * found[i][3],
        )

    def alike(self, query: str, found: list[str]) -> list[bool]:
        """Whether each of the found objects has the category and colour of the one searched for."""
        return [i in self.things and self.things[i][:2] == self.things[query][:2] for i in found]

    def lone(self) -> tuple[Any, Any]:
        """A sample and an object of it, whose centre no other object covers, so that a click picks it."""
        for sample in self.dataset:
            boxes = [found.bounding_box for found in sample[self.field].detections]
            for found in sample[self.field].detections:
                x, y, width, height = found.bounding_box
                if sum(_covers(box, x + width / 2, y + height / 2) for box in boxes) == 1:
                    return sample, found
        raise LookupError("every object's centre is covered by another one")


def _covers(box: list[float], x: float, y: float) -> bool:
    return box[0] <= x <= box[0] + box[2] and box[1] <= y <= box[1] + box[3]
