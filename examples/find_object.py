"""Find objects of cluttered images again: targets and matches, what was compared, and what places have to do with it.

On scenes of the showroom, or on a folder of photos::

    python examples/find_object.py ~/photos --model yolo11n.pt --image kitchen.jpg --label cup
"""

import fiftyone as fo
from common import available, parser
from fiftyone import ViewField as F

import fiftyone_simfind as simfind
from fiftyone_simfind.showroom.dataset import load


def main() -> None:
    options = parser(__doc__, "find_object", "a folder of photos", "showroom.pt")
    options.add_argument("--scenes", type=int, default=60, help="number of showroom scenes (default: 60)")
    options.add_argument("--image", help="file of the targets; default is one of each of the most cluttered images")
    options.add_argument("--label", help="class of the targets; default is another one for each")
    options.add_argument("--targets", type=int, default=4, help="how many targets (default: 4)")
    args = options.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    model = available(args.model)
    dataset = fo.Dataset.from_images_dir(str(args.data.expanduser())) if args.data else load(args.scenes)
    print(simfind.detect(dataset, model=model))
    simfind.build_index(dataset, "objects")
    targets = choose(dataset, args) or options.error(f"no {args.label or 'object'} in {args.image or 'the images'}")
    results = [simfind.search(dataset, target, k=6, exclude_same_image=True) for target in targets]
    for found in results:
        print(f"\n{found.query[0].label} in {found.query[0].filepath}, among {len(dataset)} images:")
        print("\n".join(f"  {match.score:.3f}  {match.label:14}  {match.filepath}" for match in found))
    simfind.plot_matches(results, args.out / "matches.png", max_matches=6)
    simfind.plot_features(results[:3], args.out / "features.png", max_matches=4)

    try:
        location = simfind.location_influence(dataset)
        print(f"\nDo matches lie where the target lies, and are they as large?\n{location}")
        location.plot(args.out / "location.png")
    except simfind.FieldError as too_few:
        print(f"\nWhat places have to do with matches cannot be told: {too_few}")
    changes = ["shift 2%", "shift 8%", "scale 0.5", "scale 0.75", "scale 1.5"]
    moved = simfind.robustness(dataset, "objects", model=model, changes=changes)
    print(f"\nDoes an object that is moved, or drawn smaller or larger, keep its vector?\n{moved}")
    print(f"\nThe pictures are in {args.out}")


def choose(dataset, args):
    """The surest objects of the chosen image; or else one of each of the most cluttered images, each of a new class."""
    count, chosen = F("objects.detections").length(), []
    for sample in dataset.match(count > 0).sort_by(count, reverse=True):
        if sample.filepath.endswith(args.image or ""):
            known = set() if args.image or args.label else {target.label for target in chosen}
            objects = [d for d in sample.objects.detections if d.label not in known and args.label in (None, d.label)]
            chosen += sorted(objects, key=lambda d: -d.confidence)[: None if args.image else 1]
    return chosen[: args.targets]


if __name__ == "__main__":
    main()
