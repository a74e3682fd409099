"""Shoes like those in a photo: a detector finds them, a network looks at their crops, the best photo comes first.

On the showroom's sneakers by default, or on a folder of photos with a detector of the Open Images classes::

    python examples/shoes.py
    python examples/shoes.py ~/photos --model yolov8n-oiv7.pt --classes Footwear --photo https://example.com/shoe.jpg
"""

from __future__ import annotations

import json
import sys

import common
import fiftyone as fo

import fiftyone_simfind as simfind
from fiftyone_simfind import showroom
from fiftyone_simfind.showroom.dataset import load


def main() -> None:
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    photos = str(args.data.expanduser()) if args.data else None
    dataset = fo.Dataset.from_images_dir(photos, recursive=True) if photos else load(args.scenes)
    sure = {"confidence_thresh": args.confidence}
    print(simfind.detect(dataset, model=args.model, classes=args.classes, **sure))
    print(simfind.embed(dataset, "objects", model=common.available(args.crops), embeddings_field="crop"))
    simfind.build_index(dataset, "objects", embeddings_field="crop", brain_key="crops")

    photo = args.photo or showroom.write(args.out / "query", 1, first=SHOES)[0][0]  # a scene that is not in the index
    image = common.photo(photo, args.host)
    *shoes, _ = simfind.detect_query(image, samples=dataset, brain_key="crops", **sure)  # the last is the whole photo
    if not shoes:
        sys.exit(f"No {' or '.join(args.classes)} in the photo; give one in which it is larger")
    results = [simfind.search(dataset, shoe, brain_key="crops", k=args.k, one_per_image=True) for shoe in shoes]
    simfind.plot_matches(results, args.out / "shoes.png")
    best: dict[str, float] = {}
    for match in (match for found in results for match in found):
        best[match.filepath] = max(round(match.score, 4), best.get(match.filepath, -1.0))
    products = sorted(best.items(), key=lambda item: -item[1])[: args.k]
    for path, score in products:
        print(f"{score:.3f}  {path}")
    (args.out / "shoes.json").write_text(json.dumps([{"photo": p, "score": s} for p, s in products], indent=2))
    print(f"{len(shoes)} found in the photo; {args.out / 'shoes.json'}, {args.out / 'shoes.png'}")


if __name__ == "__main__":
    SHOES = 501  # a scene with sneakers
    parser = common.parser(__doc__, "shoes", "a folder of photos", "showroom.pt")
    parser.add_argument("--classes", nargs="+", default=["sneaker"], help="the detector's classes to keep (sneaker)")
    parser.add_argument("--confidence", type=float, default=0.25, help="leave out boxes less sure (default: 0.25)")
    parser.add_argument("--crops", default="resnet50", help="the network that looks at crops (default: resnet50)")
    parser.add_argument("--photo", help="a photo or its address; default is another scene of the showroom")
    parser.add_argument("--host", action="append", default=[], help="a host that is not public and may be asked")
    parser.add_argument("--scenes", type=int, default=80, help="number of showroom scenes (default: 80)")
    parser.add_argument("-k", type=int, default=10, help="how many photos (default: 10)")
    main()
