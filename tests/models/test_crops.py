"""Crop networks. Most have random weights: the wiring is what is tested, against networks built by hand."""

import threading
import urllib.error
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F
from ultralytics import YOLO
from ultralytics.data.augment import classify_transforms

from fiftyone_simfind import Detector, Embedder
from fiftyone_simfind.errors import ModelError, OptionError
from fiftyone_simfind.models import classifiers, crops, forward, load_detector, load_embedder
from fiftyone_simfind.models.crops import CropEmbedder, cut
from fiftyone_simfind.models.images import read

# Where the features are in each network, and how long they are.
FEATURES = {
    "resnet18": ("flatten", 512),
    "resnet50": ("flatten", 2048),
    "mobilenet_v2": ("flatten", 1280),
    "efficientnet_b0": ("flatten", 1280),
    "convnext_tiny": ("classifier.1", 768),
    "vgg16": ("features", 512),
}
BICUBIC = {"efficientnet_b0"}
BOXES = np.array([[0.25, 0.125, 0.5, 0.25], [0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 0.25, 0.5]])


def random_weights(name, folder, **options):
    """A state dict without the large linear layers of a network, which no crop goes through."""
    torch.manual_seed(51)
    network = torchvision.models.get_model(name, weights=None, **options)
    state = network.state_dict()
    if name == "vgg16":
        state = {key: value for key, value in state.items() if not key.startswith("classifier")}
    torch.save(state, folder / f"{name}.pth")
    return network.eval(), folder / f"{name}.pth"


def features(network, name, picture):
    """The features of a PIL image of any size, by torchvision alone."""
    node, _ = FEATURES[name]
    interpolation = InterpolationMode.BICUBIC if name in BICUBIC else InterpolationMode.BILINEAR
    pixels = F.to_tensor(F.resize(picture, [224, 224], interpolation=interpolation, antialias=True))
    pixels = F.normalize(pixels, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.inference_mode():
        out = create_feature_extractor(network, [node])(pixels[None])[node]
    return (out.mean(dim=(2, 3)) if out.ndim == 4 else out)[0].numpy()


def unit(vector):
    return vector / np.linalg.norm(vector)


def letterboxed(picture, box, fill=(124, 116, 104)):
    """A crop of a PIL image on a square of ImageNet's mean colour; ``box`` is left, top, width and height."""
    x, y, w, h = map(int, box)
    side = max(w, h)
    square = Image.new("RGB", (side, side), fill)
    square.paste(picture.crop((x, y, x + w, y + h)), ((side - w) // 2, (side - h) // 2))
    return square


@pytest.fixture(scope="module")
def picture():
    """A photo-like image as PIL has it, 128 x 96, with three different colour channels."""
    coarse = np.random.default_rng(51).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    coarse[..., 2] //= 4
    return Image.fromarray(coarse).resize((128, 96), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def image(picture):
    """The same as OpenCV has it: BGR."""
    return np.ascontiguousarray(np.asarray(picture)[..., ::-1])


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    _, file = random_weights("resnet18", tmp_path_factory.mktemp("weights"))
    return load_embedder(f"resnet18:{file}")


@pytest.mark.parametrize("name", FEATURES)
def test_a_crop_s_vector_is_that_of_the_bare_network(name, picture, image, tmp_path):
    network, file = random_weights(name, tmp_path)
    embedder = load_embedder(f"{name}:{file}")
    (vectors,) = embedder.embed([image], [BOXES])
    assert vectors.shape == (3, FEATURES[name][1])
    for box, vector in zip(BOXES * [128, 96, 128, 96], vectors, strict=True):
        expected = unit(features(network, name, letterboxed(picture, box)))
        assert vector @ expected > 0.99999
        np.testing.assert_allclose(vector, expected, atol=1e-4)


@pytest.mark.shared
def test_a_real_crop_s_vector_is_that_of_the_bare_network(shared_data):
    weights = shared_data / "weights" / "mobilenet_v2.pth"
    network = torchvision.models.mobilenet_v2()
    network.load_state_dict(torch.load(weights, weights_only=True))
    embedder = load_embedder(f"mobilenet_v2:{weights}")
    file = next(iter(sorted((shared_data / "data" / "fashion" / "images").glob("*.jpg"))))
    photo = Image.open(file).convert("RGB")
    box = np.array([[0.25, 0.25, 0.5, 0.25]])
    bgr = np.ascontiguousarray(np.asarray(photo)[..., ::-1])
    crop = letterboxed(photo, (photo.width * 0.25, photo.height * 0.25, photo.width * 0.5, photo.height * 0.25))
    expected = unit(features(network.eval(), "mobilenet_v2", crop))
    right, swapped = (embedder.embed([pixels], [box])[0][0] for pixels in (bgr, bgr[..., ::-1]))
    assert right @ expected > 0.9999
    assert swapped @ expected < 0.99


def test_a_crop_network_is_an_embedder_and_no_detector(resnet):
    assert isinstance(resnet, Embedder)
    assert not isinstance(resnet, Detector)


def test_vectors_have_length_one(resnet, image):
    (vectors,) = resnet.embed([image], [BOXES])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_vectors_stay_beside_their_boxes_over_images_and_batches(resnet, image):
    rng = np.random.default_rng(51)
    images = [image, image[:, ::-1], np.ascontiguousarray(image[:50])]
    boxes = [np.hstack([rng.uniform(0, 0.5, (n, 2)), rng.uniform(0.2, 0.5, (n, 2))]) for n in (20, 0, 17)]
    boxes[2][4] = [0.5, 0.5, 0, 0]
    together = resnet.embed(images, boxes)
    assert [len(vectors) for vectors in together] == [20, 0, 17]
    for picture, of_image, vectors in zip(images, boxes, together, strict=True):
        for box, vector in zip(of_image, vectors, strict=True):
            np.testing.assert_allclose(resnet.embed([picture], [box[None]])[0][0], vector, atol=1e-4)


def test_crops_of_many_images_share_a_pass(image):
    class Counting:
        fill, dim = (0, 0, 0), 1
        passes: list[int] = []

        def __call__(self, batch):
            self.passes.append(len(batch))
            return np.ones((len(batch), 1), np.float32)

    CropEmbedder(Counting(), "counting").embed([image] * 12, [BOXES] * 12)
    assert Counting.passes == [18, 18]


@given(count=st.integers(0, 300), most=st.integers(1, 40))
def test_passes_are_few_and_even_and_hold_all_crops_in_order(count, most):
    class Features:
        fill, dim, batch_size = (0, 0, 0), 1, most

    passes = list(CropEmbedder(Features(), "n")._passes(iter(range(count)), count))
    assert [crop for some in passes for crop in some] == list(range(count))
    assert len(passes) == -(-count // most)
    sizes = [len(some) for some in passes]
    assert not sizes or max(sizes) <= min(most, min(sizes) + 1)


@pytest.mark.parametrize("box", [[0.5, 0.5, 0, 0.2], [1.5, 0, 0.2, 0.2], [np.nan] * 4, [0.2, 0.2, -0.1, 0.1]])
def test_a_box_without_area_has_no_vector(resnet, image, box):
    (vectors,) = resnet.embed([image], [np.array([box, BOXES[0]])])
    assert np.isnan(vectors[0]).all()
    assert np.isfinite(vectors[1]).all()


def test_no_images_give_no_vectors(resnet):
    assert resnet.embed([], []) == []


def test_an_image_without_boxes_gets_no_vectors(resnet, image):
    assert resnet.embed([image], [np.empty((0, 4))])[0].shape == (0, 512)


def test_a_box_beyond_the_border_is_clipped(resnet, image):
    beyond, within = np.array([[-0.5, 0.5, 1.0, 2.0]]), np.array([[0.0, 0.5, 0.5, 0.5]])
    np.testing.assert_array_equal(resnet.embed([image], [beyond])[0], resnet.embed([image], [within])[0])


def test_threads_can_share_a_crop_network(resnet, image):
    expected = resnet.embed([image], [BOXES])[0]
    got = {}
    threads = [
        threading.Thread(target=lambda n=n: got.update({n: resnet.embed([image], [BOXES])[0]})) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    for vectors in got.values():
        np.testing.assert_allclose(vectors, expected, atol=1e-4)


# Cutting

relative = st.floats(-0.2, 1.2, allow_nan=False)
sizes = st.tuples(st.integers(1, 60), st.integers(1, 60))


@settings(max_examples=200, deadline=None)
@given(size=sizes, x=relative, y=relative, w=st.floats(1e-9, 1.5), h=st.floats(1e-9, 1.5), padding=st.floats(0, 1))
def test_every_box_with_an_area_gives_a_crop(size, x, y, w, h, padding):
    box = np.array([x, y, w, h])
    if not crops.bx.has_area([box])[0]:
        return
    white = np.full((size[1], size[0], 3), 255, np.uint8)
    for fit in crops.FITS:
        crop = cut(white, box, fit=fit, padding=padding)
        assert min(crop.shape[:2]) >= 1
        assert fit == "squash" or crop.shape[0] == crop.shape[1]
        assert (crop == 255).any()


def test_a_crop_is_rgb_and_holds_the_box_s_pixels():
    numbered = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    crop = cut(numbered, np.array([1 / 6, 1 / 4, 3 / 6, 2 / 4]), fit="squash")
    np.testing.assert_array_equal(crop, numbered[1:3, 1:4, ::-1])


def test_a_box_smaller_than_a_pixel_gives_the_pixel_it_lies_in_or_beside():
    image = np.arange(16, dtype=np.uint8).reshape(4, 4, 1).repeat(3, axis=2)
    assert cut(image, np.array([0.26, 0.51, 1e-4, 1e-4])).tolist() == [[[9, 9, 9]]]
    assert cut(image, np.array([0.9999, 0.9999, 1e-5, 1e-5])).tolist() == [[[15, 15, 15]]]


def test_padding_widens_a_box_on_each_side_up_to_the_border():
    image = np.zeros((10, 10, 3), np.uint8)
    assert cut(image, np.array([0.4, 0.4, 0.2, 0.2]), fit="squash", padding=0.5).shape == (4, 4, 3)
    assert cut(image, np.array([0.0, 0.0, 0.2, 0.2]), fit="squash", padding=0.5).shape == (3, 3, 3)


def test_a_letterbox_pads_with_the_fill_and_context_with_the_picture():
    image = np.full((8, 8, 3), 9, np.uint8)
    image[3:5, 2:6] = 200
    flat = np.array([2 / 8, 3 / 8, 4 / 8, 2 / 8])
    letterbox, context = (cut(image, flat, fit=fit, fill=(1, 2, 3)) for fit in ("letterbox", "context"))
    for crop, around in ((letterbox, [1, 2, 3]), (context, [9, 9, 9])):
        assert crop.shape == (4, 4, 3)
        assert crop[0, 0].tolist() == crop[3, 3].tolist() == around
        assert (crop[1:3] == 200).all()


def test_context_beyond_the_picture_is_the_fill():
    image = np.full((4, 4, 3), 9, np.uint8)
    crop = cut(image, np.array([0, 0, 1 / 4, 1]), fit="context", fill=(1, 2, 3))
    assert crop[0].tolist() == [[1, 2, 3], [9, 9, 9], [9, 9, 9], [9, 9, 9]]


def test_another_way_to_cut_is_another_name(resnet):
    names = {CropEmbedder(resnet._features, "n", fit=fit, padding=p).name for fit in crops.FITS for p in (0, 0.1)}
    assert len(names) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(fit="stretch"), 'fit="stretch" must be one of'),
        (dict(padding=-0.1), r"padding=-0.1 must lie in \[0, 1\]"),
        (dict(padding=10), r"padding=10 must lie in \[0, 1\]"),
    ],
)
def test_a_way_to_cut_that_is_none_is_refused(resnet, options, message):
    with pytest.raises(OptionError, match=message):
        CropEmbedder(resnet._features, "n", **options)


# Where weights come from


def test_published_weights_come_from_torch_s_cache(tmp_path, monkeypatch, image):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    _, file = random_weights("efficientnet_b0", tmp_path)
    file.rename(cache / "efficientnet_b0_rwightman-7f5810bc.pth")
    named = load_embedder("efficientnet_b0")
    pathed = load_embedder(f"efficientnet_b0:{cache / 'efficientnet_b0_rwightman-7f5810bc.pth'}")
    assert named.name == pathed.name
    np.testing.assert_array_equal(named.embed([image], [BOXES])[0], pathed.embed([image], [BOXES])[0])


def test_without_network_the_error_says_which_file_to_put_where(tmp_path, monkeypatch):
    def unreachable(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", unreachable)
    with pytest.raises(ModelError, match="cannot download the weights of resnet50") as error:
        load_embedder("resnet50")
    for part in (
        '"resnet50-11ad3fa6.pth"',
        "https://download.pytorch.org/models/resnet50-11ad3fa6.pth",
        f'"{tmp_path}/hub/checkpoints"',
        'model="resnet50:/path/to/file.pth"',
    ):
        assert part in str(error.value)


def test_a_network_of_other_classes_can_be_given(tmp_path, image):
    _, file = random_weights("mobilenet_v2", tmp_path, num_classes=3)
    assert load_embedder(f"mobilenet_v2:{file}").embed([image], [BOXES])[0].shape == (3, 1280)


def test_a_state_dict_that_is_not_there_is_named():
    with pytest.raises(ModelError, match='there are no weights at "/none.pth"; give a file with the state dict of'):
        load_embedder("resnet18:/none.pth")


def test_a_state_dict_of_another_network_is_refused(tmp_path):
    _, file = random_weights("mobilenet_v2", tmp_path)
    with pytest.raises(ModelError, match="holds no state dict of torchvision's resnet18: .*Missing key"):
        load_embedder(f"resnet18:{file}")


def test_a_file_that_is_no_state_dict_is_refused(tmp_path):
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"bad.pth\" holds no state dict of torchvision's resnet18"):
        load_embedder(f"resnet18:{tmp_path / 'bad.pth'}")


def test_a_file_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"x": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ModelError, match="holds no state dict"):
        load_embedder(f"resnet18:{tmp_path / 'evil.pth'}")
    assert not (tmp_path / "ran").exists()


def test_other_weights_are_another_name(tmp_path, resnet):
    torch.manual_seed(52)
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "other.pth")
    assert load_embedder(f"resnet18:{tmp_path / 'other.pth'}").name != resnet.name


def test_loading_leaves_random_numbers_alone(tmp_path):
    _, file = random_weights("resnet18", tmp_path)
    torch.manual_seed(1)
    classifiers.load("resnet18", str(file))
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.rand(1) == after


def test_a_crop_network_is_loaded_once(tmp_path):
    _, file = random_weights("resnet18", tmp_path)
    assert load_embedder(f"resnet18:{file}") is load_embedder(f"resnet18:{file}")


def test_a_crop_network_finds_no_objects(tmp_path):
    _, file = random_weights("resnet18", tmp_path)
    with pytest.raises(ModelError, match="resnet18 .* gives vectors but finds no objects; give YOLO weights"):
        load_detector(f"resnet18:{file}")


@pytest.mark.parametrize("name", ["resnet99", "clip", "zoo", "resnet99:/weights.pth"])
def test_an_unknown_name_says_what_is_possible(name):
    with pytest.raises(ModelError, match=rf'"{name}" is no model that is known.*mobilenet_v2, resnet18.*zoo:clip'):
        load_embedder(name)


# Ways to run a network


class Fake:
    """A way that takes no time and gives some vectors."""

    name, precision, streams, batch_size = "fake", "f00", 1, 8

    def __init__(self, vectors):
        self.vectors = vectors

    def __call__(self, pixels):
        return np.array(self.vectors[: len(pixels)])


def tiny():
    """A network that can be told by its vectors, with what it gives for the pictures of the trial."""
    torch.manual_seed(51)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 4, stride=4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(2))
    plain = forward.Plain(torch.nn.Sequential(network, torch.nn.Flatten()), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    return plain, forward.TorchForward(plain, torch.device("cpu"))(forward.trial_pictures(32))


def chosen(monkeypatch, *ways, engine="auto"):
    """What is chosen for the tiny network out of some ways and torch in float32."""
    monkeypatch.setattr(forward, "_makers", lambda *_: iter(ways))
    return forward.load(engine, tiny()[0], 32, torch.device("cpu"), "tiny")


def failing():
    raise RuntimeError("no such layer")


def clocked(monkeypatch, **seconds):
    """Have a trial say that each way takes so long; what the vectors are is looked at."""
    monkeypatch.setattr(forward, "trial", lambda way, pictures: (seconds[way.name], way(pictures)))


def test_auto_takes_what_is_faster_and_gives_the_same_vectors(monkeypatch):
    fake = Fake(tiny()[1] + 1e-3)
    clocked(monkeypatch, torch=2.0, fake=1.0)
    assert chosen(monkeypatch, lambda: fake) is fake


def test_auto_leaves_alone_what_gives_other_vectors(monkeypatch):
    other = np.random.default_rng(51).normal(size=tiny()[1].shape)
    found = chosen(monkeypatch, lambda: Fake(other), lambda: Fake(np.zeros_like(other)), failing)
    assert (found.name, found.precision) == ("torch", "float32")


def test_auto_leaves_alone_what_is_slower(monkeypatch):
    clocked(monkeypatch, torch=1.0, fake=2.0)
    assert chosen(monkeypatch, lambda: Fake(tiny()[1])).name == "torch"


def test_an_engine_that_was_asked_for_is_not_replaced_by_torch(monkeypatch):
    pytest.importorskip("openvino")
    with pytest.raises(ModelError, match='engine="openvino" cannot run tiny as torch does; give engine="torch"'):
        chosen(monkeypatch, failing, engine="openvino")


def test_a_trial_leaves_torch_s_threads_alone():
    def threads():
        with ThreadPoolExecutor(1) as pool:  # begun after what went before
            return torch.get_num_threads(), pool.submit(torch.get_num_threads).result()

    plain, _ = tiny()
    before = threads()
    forward.trial(forward.TorchForward(plain, torch.device("cpu")), forward.trial_pictures(32))
    assert threads() == before


def test_half_precision_gives_nearly_the_same_vectors():
    plain, expected = tiny()
    half = forward.TorchForward(plain.to_half(torch.bfloat16), torch.device("cpu"))
    vectors = half(forward.trial_pictures(32))
    assert (half.precision, vectors.dtype) == ("bfloat16", np.float32)
    assert not np.array_equal(vectors, expected)
    assert forward.agreement(vectors, expected) > 0.999


def test_agreement_is_the_mean_cosine_and_none_with_a_vector_of_zeros():
    rows = np.array([[1, 0], [0, 2]], np.float32)
    assert forward.agreement(rows, np.array([[3, 0], [1, 1]], np.float32)) == pytest.approx((1 + 0.5**0.5) / 2)
    assert np.isnan(forward.agreement(rows, np.zeros((2, 2), np.float32)))


@pytest.mark.parametrize("precision", [None, "f32"])
def test_openvino_gives_the_same_vectors(precision):
    pytest.importorskip("openvino")
    plain, expected = tiny()
    compiled = forward.OpenVinoForward(plain, 32, precision)
    for count in (8, 3, 1):
        vectors = compiled(forward.trial_pictures(32)[:count])
        assert forward.agreement(vectors, expected[:count]) > (0.999 if precision is None else 0.999999)


def test_an_engine_changes_neither_name_nor_vectors(tmp_path, image):
    pytest.importorskip("openvino")
    _, file = random_weights("resnet18", tmp_path)
    plain, fast = (load_embedder(f"resnet18:{file}", engine=engine) for engine in ("torch", "openvino"))
    assert (plain.engine, fast.engine) == ("torch", "openvino")
    assert plain.name == fast.name
    (expected,), (vectors,) = plain.embed([image], [BOXES]), fast.embed([image], [BOXES])
    assert np.all(np.sum(vectors * expected, axis=1) > 0.999)


@pytest.mark.shared
def test_auto_keeps_the_vectors_of_real_crops(shared_data):
    weights = f"mobilenet_v2:{shared_data / 'weights' / 'mobilenet_v2.pth'}"
    files = sorted((shared_data / "data" / "coco" / "images").glob("*.jpg"))[:8]
    photos = [read(str(file)) for file in files]
    (expected, vectors) = (
        np.concatenate(load_embedder(weights, engine=engine).embed(photos, [BOXES] * len(photos)))
        for engine in ("torch", "auto")
    )
    assert forward.agreement(vectors, expected) > forward.AGREE


def test_an_engine_for_detectors_runs_no_crops(tmp_path):
    pytest.importorskip("onnxruntime")
    _, file = random_weights("resnet18", tmp_path)
    with pytest.raises(ModelError, match='engine="onnx" runs detectors, and resnet18 looks at crops; give one of'):
        load_embedder(f"resnet18:{file}", engine="onnx")


def test_openvino_runs_on_no_gpu():
    pytest.importorskip("openvino")
    with pytest.raises(ModelError, match='engine="openvino" runs on the CPU, not on device="cuda:0"'):
        forward.load("openvino", tiny()[0], 32, torch.device("cuda:0"), "tiny")


# ultralytics' classifiers


@pytest.mark.parametrize("family", ["yolo11n-cls", "yolov8n-cls"])
def test_a_classifier_s_vectors_are_what_its_last_layer_is_given(family, picture, image, tmp_path):
    YOLO(f"{family}.yaml").save(tmp_path / "best.pt")
    yolo = YOLO(tmp_path / "best.pt")
    given = []
    yolo.model.model[-1].linear.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    square = np.array([[0.25, 0.25, 0.375, 0.5]])  # 48 x 48 pixels
    crop = picture.crop((32, 24, 80, 72))
    with torch.inference_mode():
        yolo.model.eval()(classify_transforms(224)(crop)[None])
    (vectors,) = load_embedder(tmp_path / "best.pt").embed([image], [square])
    np.testing.assert_allclose(vectors[0], unit(given[0][0].numpy()), atol=1e-4)


def test_a_loaded_classifier_can_be_given_and_stays_as_it_is(image):
    yolo = YOLO("yolo11n-cls.yaml")
    (vectors,) = load_embedder(yolo).embed([image], [BOXES])
    assert vectors.shape == (3, 1280)
    assert isinstance(yolo.model.model[-1].linear, torch.nn.Linear)


def test_a_classifier_s_own_transforms_are_used():
    yolo = YOLO("yolo11n-cls.yaml")
    yolo.model.transforms = classify_transforms(96, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    look = classifiers._look_of(yolo)
    assert (look.size, look.resample) == (96, Image.Resampling.BILINEAR)
    np.testing.assert_allclose([*look.mean, *look.std], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], atol=1e-6)


# FiftyOne's zoo


@pytest.fixture
def zoo(monkeypatch):
    """A zoo with two models of our own: one that scales every picture alike, and one that does not."""
    import fiftyone.utils.torch as fout
    import fiftyone.zoo as foz

    def load(name, **options):
        torch.manual_seed(51)
        size = {"image_size": [64, 64]} if name == "same-size" else {"image_min_dim": 32}
        layer = {} if name == "no-embeddings" else {"embeddings_layer": "avgpool"}
        common = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.2], "device": options.get("device", "cpu")}
        model = torchvision.models.resnet18(weights=None)
        return fout.TorchImageModel(fout.TorchImageModelConfig({"model": model, **size, **layer, **common}))

    names = ["same-size", "ragged", "no-embeddings", "broken"]
    monkeypatch.setattr(foz, "list_zoo_models", lambda: names)
    monkeypatch.setattr(foz, "load_zoo_model", lambda name, **options: load(name, **options))
    return load


@pytest.mark.parametrize("name", ["same-size", "ragged"])
def test_a_zoo_model_s_vectors_are_its_own_embeddings(zoo, name, picture, image):
    from fiftyone_simfind.models import zoo as module

    model = zoo(name)
    embedder = module.load(name)
    assert embedder.name.startswith(f"zoo:{name}")
    (vectors, none) = embedder.embed([image, image], [BOXES, np.empty((0, 4))])
    assert (vectors.dtype, none.shape) == (np.float32, (0, 512))
    for box, vector in zip(BOXES * [128, 96, 128, 96], vectors, strict=True):
        with model:
            expected = model.embed(np.asarray(letterboxed(picture, box, (128, 128, 128)))).ravel()
        np.testing.assert_allclose(vector, unit(expected), atol=1e-4)


@pytest.mark.parametrize("name", ["same-size", "ragged"])
def test_threads_can_share_a_zoo_model(zoo, name, image):
    from fiftyone_simfind.models import zoo as module

    embedder = module.load(name)
    boxes = [BOXES + [0, 0, -0.05 * n, 0] for n in range(4)]
    expected = [embedder.embed([image], [some])[0] for some in boxes]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda some: embedder.embed([image], [some])[0], boxes * 4))
    for vectors, alone in zip(got, expected * 4, strict=True):
        np.testing.assert_allclose(vectors, alone, atol=1e-4)


def test_threads_of_a_zoo_model_have_its_weights_in_common(zoo, monkeypatch):
    from fiftyone_simfind.models import zoo as module

    monkeypatch.setattr(module, "cores", lambda: 3)
    features = module.load("same-size")._features
    models = [features._idle.get() for _ in range(features.streams)]
    assert len({id(model) for model in models}) == 3
    assert len({id(next(model._model.parameters())) for model in models}) == 1


def test_a_zoo_model_that_cannot_be_copied_has_one_thread(zoo, image, monkeypatch):
    from fiftyone_simfind.models import zoo as module

    def refuse(*_):
        raise TypeError("cannot pickle")

    monkeypatch.setattr(module.copy, "deepcopy", refuse)
    embedder = module.load("same-size")
    assert embedder.streams == 1
    assert np.isfinite(embedder.embed([image], [BOXES])[0]).all()


def test_ragged_crops_of_one_size_share_a_pass(zoo, image, monkeypatch):
    from fiftyone_simfind.models import zoo as module

    passes = []
    embedder = module.load("ragged")
    model = embedder._features._idle.get()
    embed_all = model.embed_all
    monkeypatch.setattr(model, "embed_all", lambda some: passes.append(tuple(some.shape)) or embed_all(some))
    embedder._features._idle.put(model)
    small, large = [0.1, 0.1, 0.2, 0.2], [0.0, 0.0, 0.5, 0.5]
    embedder.embed([image] * 2, [np.array([small, large, small])] * 2)
    assert sorted(passes) == [(2, 3, 64, 64), (4, 3, 32, 32)]


def test_no_other_engine_runs_a_zoo_model(zoo):
    pytest.importorskip("openvino")
    with pytest.raises(ModelError, match='FiftyOne runs its zoo\'s "same-size" itself, not by engine="openvino"'):
        load_embedder("zoo:same-size", engine="openvino")


def test_a_zoo_model_can_be_named(zoo, image):
    assert load_embedder("zoo:same-size").embed([image], [BOXES])[0].shape == (3, 512)


def test_a_zoo_model_without_embeddings_is_refused(zoo):
    with pytest.raises(ModelError, match='FiftyOne\'s "no-embeddings" gives no embeddings'):
        load_embedder("zoo:no-embeddings")


def test_an_unknown_zoo_model_is_named():
    with pytest.raises(ModelError, match='"none" is no model of FiftyOne\'s zoo; it has .*clip-vit-base32-torch'):
        load_embedder("zoo:none")


def test_a_zoo_model_that_cannot_be_loaded_says_why(zoo, monkeypatch):
    import fiftyone.zoo as foz

    def fail(name, **options):
        raise OSError("no network")

    monkeypatch.setattr(foz, "load_zoo_model", fail)
    with pytest.raises(ModelError, match='cannot load FiftyOne\'s "broken": OSError: no network'):
        load_embedder("zoo:broken")
