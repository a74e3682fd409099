"""Rooms that look alike: the five nearest of all rooms, of the same kind, and of other kinds.

On rooms of the showroom by default, or on a folder of your own with a folder for each kind, and a photo of a room::

    python examples/rooms.py ~/rooms --query photo.jpg
"""

import random

import common
import fiftyone as fo
import pandas as pd

import fiftyone_simfind as simfind
from fiftyone_simfind.showroom.rooms import write_rooms

SCOPES = {"all": "all rooms", "same_class": "same kind", "other_classes": "other kinds"}


def main() -> None:
    args = common.parse(parser)
    folder = args.data or args.out / "showroom"
    if args.data is None:
        write_rooms(folder, args.per_class)
        args.query = args.query or write_rooms(args.out / "outside", 1, first=args.per_class)[1]
    common.kinds(folder, "rooms.py")  # says what the folder lacks, before a network is loaded
    args.out.mkdir(parents=True, exist_ok=True)
    dataset = fo.Dataset.from_dir(str(folder), dataset_type=fo.types.ImageClassificationDirectoryTree)
    simfind.whole_images(dataset, label_field="ground_truth")
    print(simfind.embed(dataset, "whole", model=common.available(args.model, args.data)))
    simfind.build_index(dataset, "whole")
    test = dataset.select(random.Random(51).sample(dataset.values("id"), len(dataset) // 4))
    train = dataset.exclude(test.values("id"))
    rooms = dict(zip(test.values("whole.detections.id", unwind=True), test.values("ground_truth.label"), strict=True))
    found = {scope: {i: simfind.search(train, i, k=5, scope=scope) for i in rooms} for scope in SCOPES}
    voted = [found["all"][i].vote() == room for i, room in rooms.items()]
    same = [match.label == room for i, room in rooms.items() for match in found["all"][i]]
    print(f"{len(test)} test rooms, {len(train)} others: for {sum(voted) / len(voted):.1%} of them the vote of their")
    print(f"five nearest is right; of all these nearest, {sum(same) / len(same):.1%} are of the same kind")
    pairs = [(room, match.label) for i, room in rooms.items() for match in found["other_classes"][i]]
    shares = pd.crosstab(*zip(*pairs, strict=True), normalize="index", rownames=["kind"], colnames=["other kinds"])
    print(shares.round(2))
    simfind.plot_correspondence(shares, "share of the 5 nearest of other kinds", args.out / "correspondence.png")
    simfind.plot_matches([of[min(of)] for of in found.values()], args.out / "rooms.png", titles=[*SCOPES.values()])
    (args.out / "query.png").unlink(missing_ok=True)  # of an earlier run
    if args.query:
        *_, photo = simfind.detect_query(args.query, samples=dataset)  # the last is the whole photo
        found = {scope: simfind.search(dataset, photo, k=5, scope=scope) for scope in SCOPES}
        print(f"{args.query} is like: {found['all'].vote()}")
        for scope, name in SCOPES.items():
            print(f"{name:>13}: " + ", ".join(f"{match.label} {match.score:.3f}" for match in found[scope]))
        simfind.plot_matches(list(found.values()), args.out / "query.png", titles=[*SCOPES.values()])
    print(f"Written to {args.out}: {', '.join(sorted(path.name for path in args.out.glob('*.png')))}")


if __name__ == "__main__":
    parser = common.parser(__doc__, "rooms", "a folder with a folder for each kind of room", "resnet50")
    parser.add_argument("--query", help="a photo of a room; default is another room of the showroom")
    parser.add_argument("--per-class", type=int, default=40, help="showroom rooms of each kind (default: 40)")
    common.run(main)
