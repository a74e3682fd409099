"""Products that look alike: vectors saved once, cosine neighbours, and the table of them; what a query takes each way.

On photos of the showroom's things by default, or on your own, in a folder for each class or with a ``labels.csv``. A
second run finds what the first has saved, and does what is missing where photos or classes have changed::

    python examples/fashion.py ~/fashion --column articleType
"""

import time
from pathlib import Path

import common
import numpy as np

import fiftyone_simfind as simfind


def main() -> None:
    args = common.parse(parser)
    folder = args.data or common.shop(args.out.resolve() / "showroom")
    common.kinds(folder, "fashion.py", args.column)  # says what the folder lacks, before a network is loaded
    model = common.available(args.model, args.data)
    dataset = common.labelled(folder, args.column, f"fashion-{Path(model).name[-20:]}")
    simfind.whole_images(dataset, label_field="kind")
    print(f"Dataset {dataset.name}: {(saved := simfind.embed(dataset, 'whole', model=model))}")
    dataset.info["seconds"] = everything = dataset.info.get("seconds", 0.0) + saved.seconds
    dataset.save()
    if "simfind" not in dataset.list_brain_runs():
        simfind.build_index(dataset, "whole")
    print(simfind.refresh(dataset, model=model))
    is_new = saved.objects > 0 or not dataset.has_run("simfind_neighbors")
    table = simfind.compute_neighbors(dataset, k=5) if is_new else simfind.load_neighbors(dataset)
    table.to_csv(args.out / "fashion.csv")
    print(simfind.evaluate(dataset, k=(1, 5)))
    ids = dataset.take(args.queries, seed=51).values("whole.detections.id", unwind=True)
    times = [time.perf_counter()]
    searches = [simfind.search(dataset, i, k=5).ids for i in ids]
    times.append(time.perf_counter())
    same = "yes" if searches == [[near.label_id for near in table.of(i)] for i in ids] else "no"
    search, look = np.diff([*times, time.perf_counter()]) * 1000 / len(ids)
    print(f"A query among {len(dataset):,} images, mean of {len(ids)}; both find the same: {same}")
    when = "" if saved.images else " (measured at the first run)"
    print(f"{1000 * everything + search:12,.3f} ms  compute everything: all vectors, then a search{when}")
    print(f"{search:12,.3f} ms  saved vectors: a search")
    print(f"{look:12,.3f} ms  the table of neighbours: a look into it")
    simfind.plot_matches([simfind.search(dataset, i, k=5) for i in ids[:5]], args.out / "fashion.png")
    print(f"Written to {args.out}: fashion.csv, fashion.png")


if __name__ == "__main__":
    parser = common.parser(__doc__, "fashion", "a folder of photos with classes", "vgg16")
    parser.add_argument("--column", default="class", help="column of labels.csv (default: class)")
    parser.add_argument("--queries", type=int, default=200, help="how many are timed (default: 200)")
    common.run(main)
