"""Image classifiers without their last layer, as embedders of crops: torchvision's and ultralytics'."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from PIL import Image
from torch.fx.experimental import optimization

from fiftyone_simfind.errors import ModelError
from fiftyone_simfind.models import forward
from fiftyone_simfind.models.crops import Crop, CropEmbedder

# What is taken off each network: its last linear layer, and what else only that layer needs. Of VGG-16, whose two
# hidden linear layers see where in the picture something is, all linear layers go, and its last maps are averaged.
HEADS = {
    "convnext_tiny": "classifier.2",
    "efficientnet_b0": "classifier",
    "mobilenet_v2": "classifier",
    "resnet18": "fc",
    "resnet50": "fc",
    "vgg16": "classifier",
}
YOLO_SIZE = 224  # of classifiers that do not say


class Look(NamedTuple):
    """How a network wants to see an image: side in pixels, mean and deviation of RGB in [0, 1], PIL's resampling."""

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resample: int = Image.Resampling.BILINEAR


class Classifier:
    """A network with its transforms. Safe to share between threads.

    The crop fills the network's input. Published transforms scale a photo a little larger and cut off its margin, which
    on a crop would be the margin of the object.

    Args:
        network: gives ``(n, d)`` features of ``(n, 3, size, size)``
        look: what it wants to see
        name: of the network, for messages
        device: torch device; default is the first GPU, or else the CPU
        engine: what runs it: one of :data:`fiftyone_simfind.models.forward.NAMES`
    """

    def __init__(self, network: Any, look: Look, name: str, device: str | None = None, engine: str = "torch"):
        self._look = look
        plain = forward.Plain(network, look.mean, look.std)
        self._forward = forward.load(engine, plain, look.size, torch.device(_device_name(device)), name)
        self.engine, self.streams = self._forward.name, self._forward.streams
        self.batch_size = self._forward.batch_size
        self.fill = _color(look.mean)
        self.dim = self([np.zeros((1, 1, 3), np.uint8)]).shape[1]

    def __call__(self, crops: Sequence[Crop]) -> NDArray[np.float32]:
        """``(n, dim)`` features of ``n`` crops, each ``(h, w, 3)`` uint8 RGB."""
        square = (self._look.size, self._look.size)
        resized = [Image.fromarray(np.ascontiguousarray(crop)).resize(square, self._look.resample) for crop in crops]
        return self._forward(np.stack([np.asarray(picture) for picture in resized]))


def load(name: str, path: str = "", device: str | None = None, engine: str = "torch") -> CropEmbedder:
    """One of torchvision's networks, by name, as an embedder of crops.

    Args:
        name: one of ``HEADS``
        path: file of a state dict; default is torchvision's own weights, from torch's cache or else downloaded
        device: torch device; default is the first GPU, or else the CPU
        engine: what runs it: one of :data:`fiftyone_simfind.models.forward.NAMES`

    Raises:
        ModelError: there is no such file and nothing can be downloaded, or it holds no weights of this network
    """
    file = Path(path).expanduser() if path else _published(name)
    if not file.is_file():
        raise ModelError(f'there are no weights at "{path}"; give a file with the state dict of torchvision\'s {name}')
    with torch.device("meta"):  # as it is, without weights, which would only be overwritten
        network = torchvision.models.get_model(name, weights=None)
    _remove_head(network, HEADS[name])
    if name == "vgg16":
        network.avgpool = torch.nn.AdaptiveAvgPool2d(1)
    _fill_in(network, file, name)
    transforms = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    resample = Image.Resampling[transforms.interpolation.name]
    look = Look(transforms.crop_size[0], tuple(transforms.mean), tuple(transforms.std), resample)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    folded = optimization.fuse(network.eval())  # each batch normalization into the convolution before it
    return CropEmbedder(Classifier(folded, look, name, device, engine), f"{name} {digest}")


def of_yolo(yolo: Any, name: str, device: str | None = None, engine: str = "torch") -> CropEmbedder:
    """A classification network of ultralytics as an embedder of crops.

    Args:
        yolo: ``ultralytics.YOLO`` whose task is ``"classify"``
        name: tells its weights from others
        device: torch device; default is the first GPU, or else the CPU
        engine: what runs it: one of :data:`fiftyone_simfind.models.forward.NAMES`
    """
    return CropEmbedder(Classifier(WithoutLinear(yolo.model), _look_of(yolo), name, device, engine), name)


class WithoutLinear(torch.nn.Module):
    """A copy of one of ultralytics' classification networks that gives the features which its last layer is given."""

    def __init__(self, model: Any):
        super().__init__()
        self.model = copy.deepcopy(model).eval().fuse(verbose=False)
        self.model.model[-1].linear = torch.nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        _, features = self.model(images)  # the first are probabilities
        return features


def _look_of(yolo: Any) -> Look:
    """What the transforms say that ultralytics stores with trained weights, or else its defaults."""
    steps = getattr(getattr(yolo.model, "transforms", None), "transforms", ())
    by_name = {type(step).__name__: step for step in steps}
    resize, normalize = by_name.get("Resize"), by_name.get("Normalize")
    size = int(np.max(resize.size)) if resize else YOLO_SIZE
    resample = Image.Resampling[resize.interpolation.name] if resize else Image.Resampling.BILINEAR
    if normalize is None:
        return Look(size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), resample)
    return Look(size, tuple(map(float, normalize.mean)), tuple(map(float, normalize.std)), resample)


def _color(mean: Sequence[float]) -> tuple[int, int, int]:
    """A mean in [0, 1] as a colour; grey where the network subtracts none."""
    red, green, blue = (round(255 * value) for value in (mean if any(mean) else (0.5, 0.5, 0.5)))
    return red, green, blue


def _device_name(device: str | None) -> str:
    if device is None:
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    return f"cuda:{device}" if str(device).isdigit() else str(device)  # "0" is ultralytics' word for the first GPU


def _published(name: str) -> Path:
    """The file of torchvision's own weights in torch's cache, downloaded where it is not there yet."""
    url = torchvision.models.get_model_weights(name).DEFAULT.url
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    if not file.is_file():
        try:
            torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True, weights_only=True)
        except (OSError, RuntimeError) as error:
            raise ModelError(
                f'cannot download the weights of {name}: {error}. Put "{file.name}" from {url} into "{file.parent}", '
                f'or give a state dict as model="{name}:/path/to/file.pth"'
            ) from None
    return file


def _remove_head(network: Any, head: str) -> None:
    parent, _, layer = head.rpartition(".")
    setattr(network.get_submodule(parent), layer, torch.nn.Identity())


def _fill_in(network: Any, file: Path, name: str) -> None:
    """Load a state dict into a network without its head, so that it does not matter how many classes there were."""
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        rest = {key: value for key, value in state.items() if not key.startswith(f"{HEADS[name]}.")}
        network.load_state_dict(rest, assign=True)
    except Exception as error:  # torch raises whatever its unpickler raised
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f'"{file}" holds no state dict of torchvision\'s {name}: {reason}') from None
