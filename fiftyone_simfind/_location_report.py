"""What a measurement of place and size says."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _tables
from fiftyone_simfind._measures import Classes
from fiftyone_simfind.numerics.location import Pairs

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Influence:
    """How near the matches lie, beside what a blind choice would give.

    Attributes:
        observed: mean distance of a query to its matches
        chance: mean distance to all objects of its class in other images
        ratio: of the two: 1 where there is no influence, below 1 where matches lie nearer than chance
        low: lower end of the ratio's 95 % interval
        high: upper end
    """

    observed: float
    chance: float
    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class LocationReport:
    """What place and size in the image have to do with what is found; ``print`` it, or :meth:`plot` it.

    Attributes:
        brain_key: name of the index
        label_attr: attribute that says which objects are alike
        k: how many matches were looked at
        queries: how many objects were searched for
        images: in how many images they are
        left_out: objects with a class for which there were fewer than ``2 * k`` others to choose from
        place: distances between the centres of boxes, in relative coordinates
        size: ``|log2|`` of the ratio of sizes, which are square roots of relative areas: 1 is twice or half as large
        label_ids: ``(queries,)`` of the objects
        classes: their classes
        pairs: the distances of each query
    """

    brain_key: str
    label_attr: str
    k: int
    queries: int
    images: int
    left_out: int
    place: Influence
    size: Influence
    label_ids: NDArray[np.str_] = field(repr=False)
    classes: Classes = field(repr=False)
    pairs: Pairs = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON types."""
        counts = {name: getattr(self, name) for name in ("queries", "images", "left_out")}
        options = {name: getattr(self, name) for name in ("brain_key", "label_attr", "k")}
        return {**options, **counts, "place": asdict(self.place), "size": asdict(self.size)}

    def to_dataframe(self) -> pd.DataFrame:
        """A table with a row for each query: its class, and its mean distances to its matches and to all."""
        import pandas as pd

        return pd.DataFrame(
            {
                "label_id": self.label_ids,
                self.label_attr: [self.classes.names[code] for code in self.classes.codes],
                "place": self.pairs.place.mean(axis=1),
                "place_chance": self.pairs.place_chance,
                "size": self.pairs.size.mean(axis=1),
                "size_chance": self.pairs.size_chance,
            }
        )

    def plot(self, path: str | Path | None = None) -> Any:
        """How far away matches lie, and how far all objects of their class do, in place and in size.

        Args:
            path: image file to write

        Returns:
            a matplotlib ``Figure``
        """
        from fiftyone_simfind._report_plots import plot_location

        return plot_location(self, path)

    def __str__(self) -> str:
        rows = [
            [name, f"{i.observed:.3f}", f"{i.chance:.3f}", f"{i.ratio:.3f}", f"{i.low:.3f} to {i.high:.3f}"]
            for name, i in (("place", self.place), ("size", self.size))
        ]
        head = ["distance in", f"to {self.k} nearest", "to all", "ratio", "95 % interval"]
        asked = (
            f'{self.queries:,} objects of {self.images:,} images, among those of the same "{self.label_attr}" in others'
        )
        left = f"; {self.left_out:,} with too few of these left out" if self.left_out else ""
        return f"{_tables.text([head, *rows])}\n{asked}{left}; a ratio of 1 is no influence"
