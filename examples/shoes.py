"""Shoes like those in a photo: a detector finds them, a network looks at their crops, the best photo comes first.

On the showroom's sneakers, or on a folder of photos with a detector of the Open Images classes::

    python examples/shoes.py ~/photos --photo https://example.com/shoe.jpg
"""

import json
import sys

import common

import fiftyone_simfind as simfind
from fiftyone_simfind import showroom
from fiftyone_simfind.showroom.dataset import load


def main() -> None:
    args = common.parse(parser)
    if args.data and not args.photo:
        sys.exit("Give a photo of the shoes to search for with --photo")
    classes = args.classes or (["sneaker"] if args.model == "showroom.pt" else ["Footwear"])
    photo = args.photo or showroom.write(args.out / "query", 1, first=SHOES)[0][0]  # a scene that is not in the index
    dataset = common.photos(args.data) if args.data else load(args.scenes, folder=args.out / "scenes")
    model, crops = common.available(args.model, args.data), common.available(args.crops, args.data, "--crops")
    print(simfind.detect(dataset, model=model, classes=classes, confidence_thresh=args.confidence))
    field = "embedding" if crops == model else "crop"  # the detector's own vectors are there already
    if crops != model:
        print(simfind.embed(dataset, "objects", model=crops, embeddings_field=field))
    simfind.build_index(dataset, "objects", embeddings_field=field, brain_key="crops")
    asked = {"samples": dataset, "brain_key": "crops", "confidence_thresh": args.confidence}
    *shoes, _ = simfind.detect_query(common.photo(photo, args.host), **asked)  # the last is the whole photo
    if not shoes:
        sys.exit(f"No {' or '.join(classes)} in the photo; give one in which it is larger")
    how = {"brain_key": "crops", "one_per_image": True, "emphasis": "look" if crops == model else None}
    results = [simfind.search(dataset, shoe, k=args.k, **how) for shoe in shoes]
    simfind.plot_matches(results, args.out / "shoes.png")
    matches = [(match, number) for number, found in enumerate(results, start=1) for match in found]
    best: dict[str, dict] = {}
    for match, number in sorted(matches, key=lambda pair: -pair[0].score):
        told = {"photo": match.filepath, "score": round(match.score, 4), "shoe": number, "label": match.label}
        best.setdefault(match.filepath, {**told, "bounding_box": [round(side, 4) for side in match.bounding_box]})
    for at in (photos := list(best.values())[: args.k]):
        print(f"{at['score']:.3f}  like shoe {at['shoe']}: {at['label']} at {at['bounding_box']}  {at['photo']}")
    (args.out / "shoes.json").write_text(json.dumps(photos, indent=2))
    by = "by the look in the detector's own vectors" if crops == model else f"by vectors of the crops, {crops}"
    print(f"{len(shoes)} found in the photo, searched for {by}; {args.out / 'shoes.json'}, {args.out / 'shoes.png'}")


if __name__ == "__main__":
    SHOES = 501  # a scene with sneakers
    parser = common.parser(__doc__, "shoes", "a folder of photos", "showroom.pt", "yolov8n-oiv7.pt")
    parser.add_argument("--classes", nargs="+", help="the detector's classes to keep (sneaker, or of photos Footwear)")
    parser.add_argument("--confidence", type=float, default=0.25, help="leave out boxes less sure (default: 0.25)")
    parser.add_argument("--crops", default="resnet50", help="the network that looks at crops (default: resnet50)")
    parser.add_argument("--photo", help="a photo or its address; default is another scene of the showroom")
    parser.add_argument("--host", action="append", default=[], help="a host that is not public and may be asked")
    parser.add_argument("--scenes", type=int, default=80, help="number of showroom scenes (default: 80)")
    parser.add_argument("-k", type=int, default=10, help="how many photos (default: 10)")
    common.run(main)
