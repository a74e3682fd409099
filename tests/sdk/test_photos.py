"""Search by kind on real photographs."""

import csv

import fiftyone as fo
import pytest

import fiftyone_simfind as simfind
from fiftyone_simfind.models.images import read


@pytest.fixture
def coco(shared_data):
    """320 photos with their labelled boxes, embedded and indexed."""
    folder = shared_data / "data" / "coco"
    samples: dict[str, fo.Sample] = {}
    with open(folder / "labels.csv", newline="") as file:
        for row in csv.DictReader(file):
            path = str(folder / row["file"])
            if path not in samples:
                height, width = read(path).shape[:2]
                samples[path] = fo.Sample(filepath=path, boxes=fo.Detections(), size=[width, height])
            width, height = samples[path]["size"]
            x, y, w, h = (float(row[key]) for key in "xywh")
            box = [x / width, y / height, w / width, h / height]
            samples[path].boxes.detections.append(fo.Detection(label=row["class"], bounding_box=box))
    dataset = fo.Dataset()
    dataset.add_samples(list(samples.values()), progress=False)
    simfind.embed(dataset, "boxes", model=shared_data / "weights" / "yolo11n.pt")
    simfind.build_index(dataset, "boxes")
    yield dataset
    dataset.delete()


@pytest.mark.shared
def test_the_nearest_box_in_another_photo_is_mostly_of_the_same_class(coco):
    same = []
    for label_id in coco.values("boxes.detections.id", unwind=True):
        results = simfind.search(coco, label_id, k=1, exclude_same_image=True)
        same.append(results[0].label == results.query[0].label)
    share = sum(same) / len(same)
    print(f"{share:.3f} of {len(same)}")
    assert share >= 0.7
