import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from ultralytics import YOLO

from fiftyone_simfind import showroom
from fiftyone_simfind.errors import ModelError, OptionError, PackageError
from fiftyone_simfind.models import engines, load_detector, load_embedder
from fiftyone_simfind.models.engines import exported
from fiftyone_simfind.models.images import read
from fiftyone_simfind.models.yolo import YoloEmbedder
from fiftyone_simfind.numerics import boxes as bx

OTHERS = ["openvino", "onnx"]
FAMILIES = ["yolo26n", "yolov10n", "yolo11n-seg", "yolo26n-seg", "yolo11n-pose", "yolo11n-obb"]
SAME = 0.995  # cosine of vectors to those by torch, whatever the engine


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Images of several shapes."""
    written = showroom.write(tmp_path_factory.mktemp("scenes"), 5)
    some = [read(str(path)) for path, _ in written]
    return [*some[:3], np.ascontiguousarray(some[3][:300]), np.ascontiguousarray(some[4][:, :200])]


@pytest.fixture(scope="module")
def by_torch(scenes):
    return load_detector(showroom.WEIGHTS).detect(scenes)


@pytest.fixture(scope="module", params=OTHERS)
def other(request, cache):
    pytest.importorskip(engines.MODULES[request.param])
    return load_detector(showroom.WEIGHTS, engine=request.param)


def test_another_engine_finds_the_same_objects(other, scenes, by_torch):
    for found, expected in zip(other.detect(scenes, confidence_thresh=0.3), by_torch, strict=True):
        sure = expected.confidences > 0.4
        overlap = bx.iou(expected.boxes[sure], found.boxes)
        best = overlap.argmax(axis=1)
        assert (overlap.max(axis=1) > 0.9).all()
        assert [found.labels[row] for row in best] == [expected.labels[row] for row in np.where(sure)[0]]
        np.testing.assert_allclose(found.confidences[best], expected.confidences[sure], atol=0.1)


def test_another_engine_gives_the_same_vectors(other, scenes, by_torch):
    boxes = [objects.boxes for objects in by_torch]
    for vectors, objects in zip(other.embed(scenes, boxes), by_torch, strict=True):
        assert ((vectors * objects.vectors).sum(axis=1) > SAME).all()


def test_vectors_of_two_engines_have_one_name(other):
    assert other.name == load_detector(showroom.WEIGHTS).name


def test_several_threads_find_what_one_finds(other, scenes):
    alone = [other.detect([image])[0] for image in scenes]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: other.detect([image])[0], scenes * 3))
    for found, expected in zip(together, alone * 3, strict=True):
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-6)
        np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-5)


def test_threads_of_torch_share_the_weights_and_nothing_else(scenes):
    detector = load_detector(showroom.WEIGHTS)
    alone = [detector.detect([image])[0] for image in scenes]
    meet = threading.Barrier(3)

    def work(_):
        meet.wait()
        return [detector.detect([image])[0] for image in scenes]

    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(work, range(3)):
            for one, expected in zip(found, alone, strict=True):
                np.testing.assert_allclose(one.boxes, expected.boxes, atol=1e-5)
    replicas = list(detector._engine._idle.queue)
    first, second = (next(replica.network.parameters()) for replica in replicas[:2])
    assert first.data_ptr() == second.data_ptr()


@pytest.mark.parametrize("family", FAMILIES)
def test_openvino_takes_over_every_head(family):
    pytest.importorskip("openvino")
    noise = [np.random.default_rng(51).integers(0, 255, (96, 128, 3), dtype=np.uint8)]
    network = YOLO(f"{family}.yaml")
    ours, expected = (YoloEmbedder(network, image_size=128, engine=engine) for engine in ("openvino", "torch"))
    (objects,) = expected.detect(noise, confidence_thresh=1e-6)
    ((vectors,), (those,)) = (network.embed(noise, [objects.boxes]) for network in (ours, expected))
    assert ((vectors * those).sum(axis=1) > SAME).all()
    (found,) = ours.detect(noise, confidence_thresh=1e-6)
    assert len(found) > 0
    assert found.confidences.max() == pytest.approx(objects.confidences.max(), rel=0.05)


def test_openvino_reports_to_nobody():
    pytest.importorskip("openvino")
    code = (
        "from fiftyone_simfind.models.engines.openvino import silent; silent(); import sys; "
        "print(sys.modules['openvino.tools.ovc.convert_impl'].tm.__name__, 'openvino_telemetry' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told[-2:] == ["openvino.tools.ovc.telemetry_stub", "False"]


def test_a_network_is_exported_once(other, monkeypatch):
    monkeypatch.setattr(exported, "quiet", lambda: pytest.fail("it is exported again"))
    assert YoloEmbedder(str(showroom.WEIGHTS), engine=other.engine).engine == other.engine


def test_other_weights_are_another_file(other):
    before = set(exported.folder().glob("*.*"))
    YoloEmbedder(YOLO("yolo11n.yaml"), image_size=128, engine=other.engine)
    assert set(exported.folder().glob("*.*")) - before


def test_an_export_that_was_interrupted_is_made_again(monkeypatch):
    pytest.importorskip("onnxruntime")
    network = YOLO("yolo11n.yaml")

    def export(module, example, file, **options):
        Path(file).write_text("half of it")
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("torch.onnx.export", export)
        with pytest.raises(ModelError, match='engine="onnx" cannot run .*no space left; give engine="torch"'):
            YoloEmbedder(network, image_size=192, engine="onnx")
    assert YoloEmbedder(network, image_size=192, engine="onnx").engine == "onnx"


def test_auto_takes_the_engine_that_needs_least_time(monkeypatch):
    pytest.importorskip("openvino")
    pytest.importorskip("onnxruntime")
    for fastest in ("torch", "openvino", "onnx"):
        monkeypatch.setattr(engines, "trial", lambda engine, size, best=fastest: 1.0 if engine.name == best else 2.0)
        assert YoloEmbedder(str(showroom.WEIGHTS), engine="auto").engine == fastest


def test_auto_is_torch_where_nothing_else_is_installed(monkeypatch):
    monkeypatch.setattr(engines, "_installed", lambda name: False)
    assert YoloEmbedder(str(showroom.WEIGHTS), engine="auto").engine == "torch"


def test_auto_leaves_out_an_engine_that_cannot_run_the_network(monkeypatch):
    real = engines._maker
    monkeypatch.setattr(engines, "_installed", lambda name: True)
    monkeypatch.setattr(engines, "_maker", lambda name: real(name) if name == "torch" else lambda source: 1 / 0)
    assert YoloEmbedder(str(showroom.WEIGHTS), engine="auto").engine == "torch"


def test_a_trial_measures_a_pass():
    detector = load_detector(showroom.WEIGHTS)
    assert engines.trial(detector._engine, 64) > 0


def test_a_trial_leaves_threads_that_begin_later_alone():
    """What one thread sets holds for all that are begun after it; seen in a thread of its own."""
    before = torch.get_num_threads()
    engines.trial(load_detector(showroom.WEIGHTS)._engine, 64)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == before


def test_an_unknown_engine_is_refused():
    with pytest.raises(OptionError, match=r'engine="cuda" must be one of \(\'auto\', \'torch\''):
        load_embedder(showroom.WEIGHTS, engine="cuda")


def test_an_engine_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(engines, "_installed", lambda name: False)
    with pytest.raises(PackageError, match=r'pip install "fiftyone-simfind\[openvino\]", or give engine="auto"'):
        load_embedder(YOLO("yolov8n.yaml"), engine="openvino")


def test_tensorrt_without_its_runtime_says_what_is_missing():
    ort = pytest.importorskip("onnxruntime")
    if "TensorrtExecutionProvider" in ort.get_available_providers():
        pytest.skip("it is there")
    with pytest.raises(ModelError, match="needs an ONNX Runtime with TensorrtExecutionProvider"):
        load_embedder(YOLO("yolov8n.yaml"), engine="tensorrt")


def test_threads_do_their_first_passes_by_openvino_at_once():
    """In one of ten processes this would hang, had nobody done a first pass alone."""
    pytest.importorskip("openvino")
    code = (
        "import sys, threading, numpy as np; sys.setswitchinterval(1e-6); "
        "from fiftyone_simfind.models.engines.openvino import silent; ov = silent(); from openvino import opset13; "
        "given = opset13.parameter([1], np.float32); "
        "model = ov.Model([opset13.result(opset13.relu(given))], [given], 'model'); "
        "compiled = ov.Core().compile_model(model, 'CPU'); "
        "requests = [compiled.create_infer_request() for _ in range(8)]; together = threading.Barrier(8); "
        "work = lambda request: (together.wait(), request.infer([np.zeros(1, np.float32)])); "
        "threads = [threading.Thread(target=work, args=(request,)) for request in requests]; "
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]; print('done')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=900)
    assert done.stdout.strip().endswith("done"), done.stderr


def test_images_are_handed_over_in_planes_of_red_green_and_blue():
    pixels = np.random.default_rng(51).integers(0, 255, (2, 4, 6, 3), dtype=np.uint8)
    np.testing.assert_array_equal(exported.planar(pixels), pixels[..., ::-1].transpose(0, 3, 1, 2))


def test_outputs_of_single_images_become_those_of_all_and_pieces_of_an_output_follow_each_other():
    pixels = np.random.default_rng(51).integers(0, 255, (3, 8, 10, 3), dtype=np.uint8)

    def run(planes):
        whole = planes.astype(np.float32)
        return [[whole[:, :2]], [whole[:, :, :5].reshape(1, 3, -1), whole[:, :, 5:]]]

    maps, joined = exported.image_by_image(run, pixels)
    planes = exported.planar(pixels).astype(np.float32)
    np.testing.assert_array_equal(maps, planes[:, :2])
    np.testing.assert_array_equal(joined, planes.reshape(3, 3, -1))
