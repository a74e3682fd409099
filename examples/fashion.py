"""Products that look alike: vectors saved once, cosine neighbours, and the table of them; what a query takes each way.

On photos of the showroom's things by default, or on your own, in a folder for each class or with a ``labels.csv``. A
second run finds the vectors, the index and the table that the first one has saved::

    python examples/fashion.py ~/fashion --column articleType
"""

from __future__ import annotations

import time
from pathlib import Path

import common
import pandas as pd

import fiftyone_simfind as simfind
from fiftyone_simfind.showroom.products import write_products


def main() -> None:
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    folder, model = (args.data or showroom(args.out / "shop")).expanduser().resolve(), common.available(args.model)
    dataset = common.labelled(folder, args.column, f"fashion-{Path(model).name[-20:]}")
    simfind.whole_images(dataset, label_field="kind")
    print(saved := simfind.embed(dataset, "whole", model=model))
    dataset.info["seconds"] = everything = dataset.info.get("seconds", 0.0) + saved.seconds
    dataset.save()
    if "simfind" not in dataset.list_brain_runs():
        simfind.build_index(dataset, "whole")
        simfind.compute_neighbors(dataset, k=5).to_csv(args.out / "fashion.csv")
    table = simfind.load_neighbors(dataset)
    print(simfind.evaluate(dataset, k=(1, 5)))
    ids = dataset.take(args.queries, seed=51).values("whole.detections.id", unwind=True)
    started = time.perf_counter()
    searches = [simfind.search(dataset, i, k=5).ids for i in ids]
    half = time.perf_counter()
    looks = [[near.label_id for near in table.of(i)] for i in ids]
    taken, looked = half - started, time.perf_counter() - half
    print(f"A query among {len(dataset):,} images, mean of {len(ids)}; {searches == looks = }")
    print(f"{1000 * (everything + taken / len(ids)):12,.3f} ms  compute everything: all vectors, then a search")
    print(f"{1000 * taken / len(ids):12,.3f} ms  saved vectors: a search")
    print(f"{1000 * looked / len(ids):12,.3f} ms  the table of neighbours: a look into it")
    simfind.plot_matches([simfind.search(dataset, i, k=5) for i in ids[:5]], args.out / "fashion.png")


def showroom(folder: Path) -> Path:
    """Photos of the showroom's things; the class is what a thing is, as in armchair-01."""
    products = pd.read_json(write_products(folder))
    rows = {"file": products["url"].str.removeprefix("file:"), "class": products["product"].str[:-3]}
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    return folder


if __name__ == "__main__":
    parser = common.parser(__doc__, "fashion", "a folder of photos with classes", "vgg16")
    parser.add_argument("--column", default="class", help="column of labels.csv that is the class (default: class)")
    parser.add_argument("--queries", type=int, default=200, help="how many are timed (default: 200)")
    main()
