"""Find objects of cluttered images again: targets and matches, what was compared, and what places have to do with it.

On scenes of the showroom, or on photos: ``python examples/find_object.py ~/photos --image kitchen.jpg --label cup``
"""

import sys

import common
from fiftyone import ViewField as F

import fiftyone_simfind as simfind
from fiftyone_simfind.showroom.dataset import load


def main() -> None:
    args = common.parse(options)
    dataset = common.photos(args.data) if args.data else load(args.scenes, folder=args.out / "scenes")
    model = common.available(args.model, args.data)
    print(simfind.detect(dataset, model=model))
    simfind.build_index(dataset, "objects")
    results = [simfind.search(dataset, target, k=6, exclude_same_image=True) for target in choose(dataset, args)]
    for found in results:
        print(f"\n{found.query[0].label} in {found.query[0].filepath}, among {len(dataset)} images:")
        print("\n".join(f"  {match.score:.3f}  {match.label:14}  {match.filepath}" for match in found))
    if any(results):
        simfind.plot_matches(results, args.out / "matches.png", max_matches=6)
        simfind.plot_features(results[:3], args.out / "features.png", max_matches=4)
        print(f"\n{args.out / 'matches.png'}, {args.out / 'features.png'}")
    else:
        print("  There is nothing to compare with: no other image has an object")
    try:
        (location := simfind.location_influence(dataset)).plot(args.out / "location.png")
        print(f"\nDo matches lie where the target lies, and are they as large? {args.out / 'location.png'}\n{location}")
    except simfind.FieldError as too_few:
        print(f"\nWhat places have to do with matches cannot be told: {too_few}")
    if not (args.image or args.label):
        print("\nDoes an object that is moved, or drawn smaller or larger, keep its vector?", flush=True)
        changes = ["shift 2%", "shift 8%", "scale 0.5", "scale 0.75", "scale 1.5"]
        print(simfind.robustness(dataset, "objects", model=model, changes=changes))


def choose(dataset, args):
    """The surest objects of the chosen image; or else one of each of the most cluttered images, each of a new class."""
    count, chosen = F("objects.detections").length(), []
    for sample in dataset.match(count > 0).sort_by(count, reverse=True):
        if sample.filepath.endswith(args.image or ""):
            known = set() if args.image or args.label else {target.label for target in chosen}
            objects = [d for d in sample.objects.detections if d.label not in known and args.label in (None, d.label)]
            chosen += sorted(objects, key=lambda d: -d.confidence)[: None if args.image else 1]
    there = f"{args.image or 'the images'}; found were {', '.join(dataset.distinct('objects.detections.label'))}"
    return chosen[: args.targets] or sys.exit(f"No {args.label or 'object'} in {there}")


if __name__ == "__main__":
    options = common.parser(__doc__, "find_object", "a folder of photos", "showroom.pt", "yolo11n.pt")
    options.add_argument("--scenes", type=int, default=60, help="number of showroom scenes (default: 60)")
    options.add_argument("--image", help="file of the targets; default is one of each of the most cluttered images")
    options.add_argument("--label", help="class of the targets; default is another one for each")
    options.add_argument("--targets", type=int, default=4, help="how many targets (default: 4)")
    common.run(main)
