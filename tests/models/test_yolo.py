"""YOLO networks of every family. Untrained ones show that the wiring holds; what they find is noise."""

import threading

import cv2
import numpy as np
import pytest
from ultralytics import YOLO
from ultralytics.utils.ops import scale_masks

from fiftyone_simfind import Detector, showroom
from fiftyone_simfind.errors import ModelError, OptionError
from fiftyone_simfind.models import heads, load_detector, load_embedder
from fiftyone_simfind.models.images import read
from fiftyone_simfind.models.yolo import MAX_OBJECTS, _boxes, _masks
from fiftyone_simfind.numerics import boxes as bx
from fiftyone_simfind.numerics import masks as mk

FAMILIES = [
    "yolov8n",
    "yolo11n",
    "yolo12n",
    "yolo26n",
    "yolov5n",
    "yolov9t",
    "yolov10n",
    "yolov8n-p2",
    "yolov8n-p6",
]
TASKS = ["yolov8n-seg", "yolo11n-pose", "yolo11n-obb", "yolo26n-obb", "yolo26n-seg"]


@pytest.fixture(scope="module")
def noise():
    return [np.random.default_rng(51).integers(0, 255, (96, 128, 3), dtype=np.uint8)] * 2


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    written = showroom.write(tmp_path_factory.mktemp("scenes"), 6)
    return [read(str(path)) for path, _ in written]


@pytest.fixture(scope="module")
def detector():
    return load_detector(showroom.WEIGHTS)


@pytest.mark.parametrize("family", [*FAMILIES, *TASKS])
def test_every_family_gives_each_object_its_vector(family, noise):
    detector = load_detector(YOLO(f"{family}.yaml"), image_size=128)
    for objects in detector.detect(noise, confidence_thresh=1e-6):
        assert objects.vectors.shape == (len(objects), detector.dim)
        assert detector.dim <= 512
        np.testing.assert_allclose(np.linalg.norm(objects.vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("family", ["yolov8n-seg", "yolo26n-seg", "yolo11n-obb", "yolo26n-obb"])
def test_objects_are_seen_inside_of_their_masks_or_rotated_boxes(family, noise):
    network = YOLO(f"{family}.yaml")
    detector = load_detector(network, image_size=128)
    (objects, _) = detector.detect(noise, confidence_thresh=1e-6)
    (result,) = network.predict(noise[0], imgsz=128, conf=1e-6, max_det=MAX_OBJECTS, verbose=False)
    grids = _masks(result, objects.boxes)
    assert len(grids) == len(objects) > 0
    (again,) = detector.embed(noise[:1], [objects.boxes], [grids])
    np.testing.assert_allclose(again, objects.vectors, atol=1e-3)
    (of_boxes,) = detector.embed(noise[:1], [objects.boxes])
    assert np.abs(of_boxes - objects.vectors).max() > 0.01


def test_the_grid_of_a_mask_lies_where_ultralytics_draws_it():
    """The share of each half of its box, from the masks at the size of the photo."""
    image = np.random.default_rng(51).integers(0, 255, (90, 128, 3), dtype=np.uint8)
    (result,) = YOLO("yolo11n-seg.yaml").predict(image, imgsz=256, conf=1e-6, verbose=False, retina_masks=False)
    boxes = _boxes(result)
    drawn = scale_masks(result.masks.data[None].float(), result.orig_shape)[0].numpy() > 0.5
    for box, grid, mask in zip(boxes, _masks(result, boxes), drawn, strict=True):
        if min(box[2:]) > 0.1:
            expected = mk.of_mask(mask, bx.to_absolute([box], (128, 90))[0])
            assert np.abs(grid - expected).mean() < 0.1


def test_the_grid_of_a_rotated_box_is_what_its_corners_enclose(noise):
    (result,) = YOLO("yolo11n-obb.yaml").predict(noise[0], imgsz=128, conf=1e-6, verbose=False)
    boxes = _boxes(result)
    for box, grid, corners in zip(boxes, _masks(result, boxes), result.obb.xyxyxyxy.numpy(), strict=True):
        fine = cv2.fillPoly(np.zeros((96 * 8, 128 * 8), np.uint8), [np.round(corners * 8).astype(int)], 1)
        expected = mk.of_mask(fine, bx.to_absolute([box], (128 * 8, 96 * 8))[0])
        assert np.abs(grid - expected).mean() < 0.03


@pytest.mark.parametrize("family", ["yolo26n", "yolov10n"])
def test_an_end_to_end_head_gives_each_object_its_vector(family, noise):
    network = YOLO(f"{family}.yaml")
    network.model.end2end = True
    detector = load_detector(network, image_size=128)
    (objects, _) = detector.detect(noise, confidence_thresh=1e-6)
    assert len(objects) > 0
    np.testing.assert_allclose(detector.embed(noise[:1], [objects.boxes])[0], objects.vectors, atol=1e-4)


@pytest.mark.parametrize("family", ["yolo11n", "yolo26n"])
def test_more_than_300_objects_in_an_image_are_kept(family):
    busy = [np.random.default_rng(51).integers(0, 255, (640, 640, 3), dtype=np.uint8)]
    (objects,) = load_detector(YOLO(f"{family}.yaml")).detect(busy, confidence_thresh=0.0)
    assert len(objects) > 300
    assert np.isfinite(objects.vectors).all(axis=1).sum() > 300


def test_a_yolo_embedder_is_a_detector(detector):
    assert isinstance(detector, Detector)


def test_detections_are_those_of_yolo_predict(detector, scenes):
    network = YOLO(showroom.WEIGHTS)
    for image, objects in zip(scenes, detector.detect(scenes), strict=True):
        (result,) = network.predict(image, verbose=False)
        height, width = image.shape[:2]
        boxes = objects.boxes * [width, height, width, height]
        boxes[:, 2:] += boxes[:, :2]
        np.testing.assert_allclose(boxes, result.boxes.xyxy.numpy(), atol=0.01)
        np.testing.assert_allclose(objects.confidences, result.boxes.conf.numpy(), atol=1e-4)
        assert objects.labels == [result.names[int(c)] for c in result.boxes.cls]


@pytest.mark.parametrize("wanted", range(9))
def test_as_many_anchors_as_may_be_sure_are_decoded_as_all_are(detector, scenes, wanted, monkeypatch):
    """At a threshold that leaves only so many anchors; 6 columns are what ultralytics takes for an end-to-end head."""
    canvas = detector.prepare(scenes[0])
    raw, _ = detector._engine(canvas.pixels[None])
    logits = raw["scores"].amax(dim=(0, 1)).sort(descending=True).values
    thresh = float(logits[wanted : wanted + 2].mean().sigmoid())
    (few,) = detector._results(thresh, None)(raw, [canvas])
    monkeypatch.setattr(heads, "_sure", lambda logits, thresh: slice(None))
    (expected,) = detector._results(thresh, None)(raw, [canvas])
    np.testing.assert_allclose(few.boxes.data.numpy(), expected.boxes.data.numpy(), atol=1e-4)


def test_boxes_that_were_found_get_the_same_vectors_again(detector, scenes):
    found = detector.detect(scenes)
    for objects, vectors in zip(found, detector.embed(scenes, [o.boxes for o in found]), strict=True):
        assert ((objects.vectors * vectors).sum(axis=1) > 0.999).all()


def test_an_image_has_the_same_objects_in_any_batch(detector, scenes):
    mixed = [
        scenes[0],
        np.ascontiguousarray(scenes[1][:300]),
        scenes[2],
        np.ascontiguousarray(scenes[3][:, :200]),
    ]
    for image, objects in zip(mixed, detector.detect(mixed), strict=True):
        (alone,) = detector.detect([image])
        np.testing.assert_allclose(objects.boxes, alone.boxes, atol=1e-4)
        np.testing.assert_allclose(objects.vectors, alone.vectors, atol=1e-3)


def test_only_the_classes_asked_for_are_found(detector, scenes):
    found = detector.detect(scenes, classes=["mug", "vase"])
    assert {label for objects in found for label in objects.labels} == {"mug", "vase"}


def test_an_unknown_class_is_named(detector, scenes):
    with pytest.raises(OptionError, match=r"does not know the classes \['zebra'\]; it knows armchair"):
        detector.detect(scenes, classes=["mug", "zebra"])


def test_an_image_without_boxes_gets_no_vectors(detector, scenes):
    assert detector.embed(scenes[:1], [np.empty((0, 4))])[0].shape == (0, detector.dim)


def test_a_thousand_boxes_in_one_image_all_get_vectors(detector, scenes):
    rng = np.random.default_rng(51)
    boxes = np.hstack([rng.uniform(0, 0.9, (1000, 2)), rng.uniform(0.01, 0.1, (1000, 2))])
    (vectors,) = detector.embed(scenes[:1], [boxes])
    assert np.isfinite(vectors).all()


def test_threads_can_share_an_embedder(detector, scenes):
    expected = [objects.vectors for objects in detector.detect(scenes)]
    got: dict[int, np.ndarray] = {}

    def work(row):
        got[row] = detector.detect([scenes[row]])[0].vectors

    threads = [threading.Thread(target=work, args=(row,)) for row in range(len(scenes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for row, vectors in got.items():
        np.testing.assert_allclose(vectors, expected[row], atol=1e-3)


def test_loading_leaves_torch_its_threads():
    import torch

    threads = torch.get_num_threads()
    load_embedder(YOLO("yolov8n.yaml"), image_size=128)
    assert torch.get_num_threads() == threads


def test_a_model_is_loaded_once():
    assert load_embedder(showroom.WEIGHTS) is load_embedder(str(showroom.WEIGHTS))


def test_the_showroom_weights_have_a_name():
    assert load_embedder("showroom.pt").name == load_embedder(showroom.WEIGHTS).name


def test_another_image_size_is_another_name():
    assert load_embedder(showroom.WEIGHTS, image_size=320).name != load_embedder(showroom.WEIGHTS).name


def test_weights_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ModelError, match=f'there are no weights at "{tmp_path}/none.pt"; give the path'):
        load_detector(tmp_path / "none.pt")


def test_a_file_that_holds_no_weights_is_refused(tmp_path):
    (tmp_path / "bad.pt").write_bytes(b"no weights")
    with pytest.raises(ModelError, match='cannot load ".*bad.pt"'):
        load_detector(tmp_path / "bad.pt")


def test_a_classifier_is_no_detector(tmp_path):
    YOLO("yolov8n-cls.yaml").save(tmp_path / "cls.pt")
    with pytest.raises(ModelError, match="gives vectors but finds no objects; give YOLO weights"):
        load_detector(tmp_path / "cls.pt")


def test_a_loaded_classifier_is_no_detector():
    with pytest.raises(ModelError, match="gives vectors but finds no objects; give YOLO weights"):
        load_detector(YOLO("yolov8n-cls.yaml"))


def test_what_is_no_model_is_refused():
    with pytest.raises(ModelError, match="model=42 is no model"):
        load_embedder(42)


def test_a_tiny_image_size_is_refused():
    with pytest.raises(OptionError, match="image_size=16 is too small"):
        load_embedder(showroom.WEIGHTS, image_size=16)


@pytest.mark.shared
@pytest.mark.parametrize("weights", ["yolo11n.pt", "yolov8n.pt", "yolov8n-oiv7.pt"])
def test_on_real_photos_detections_are_those_of_yolo_predict(shared_data, weights):
    files = sorted((shared_data / "data" / "coco" / "images").glob("*.jpg"))[:40]
    network, detector = (
        YOLO(shared_data / "weights" / weights),
        load_detector(shared_data / "weights" / weights),
    )
    found = detector.detect([read(str(file)) for file in files])
    for file, objects in zip(files, found, strict=True):
        (result,) = network.predict(file, verbose=False)
        height, width = result.orig_shape
        boxes = objects.boxes * [width, height, width, height]
        boxes[:, 2:] += boxes[:, :2]
        np.testing.assert_allclose(boxes, result.boxes.xyxy.numpy(), atol=0.05)
        np.testing.assert_allclose(objects.confidences, result.boxes.conf.numpy(), atol=1e-3)
        assert objects.labels == [result.names[int(c)] for c in result.boxes.cls]
