"""Vectors by crops: FiftyOne's two steps beside our one, and its second step beside our own crops."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.throughput.data import FIELD, Material, OnDataset, found, on_dataset
from benchmarks.throughput.detecting import apply_model, detect
from benchmarks.throughput.turns import Way

NETWORKS = ("resnet50", "resnet18")
WARM_UP = 2  # images
BATCH = 32  # patches

# What FiftyOne's zoo says of both networks; and the same with patches of one size, which can share a batch.
ZOO = {
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "embeddings_layer": "<fc",
}
AS_IN_THE_ZOO = {**ZOO, "image_min_dim": 224, "image_max_dim": 2048}
OF_ONE_SIZE = {**ZOO, "image_size": [224, 224]}

OURS = "simfind.detect, boxes and vectors in one step"


def two_steps(material: Material) -> dict[str, Way]:
    """Our one step, and FiftyOne's two with each network."""
    made = {OURS: on_dataset(material, lambda: detect(material), WARM_UP)}
    for network in NETWORKS:
        for told, config, options in (
            ("as in the zoo", AS_IN_THE_ZOO, {}),
            (f"224 x 224, batch_size={BATCH}", OF_ONE_SIZE, {"batch_size": BATCH}),
        ):

            def load(network: str = network, config: dict = config, options: dict = options) -> OnDataset:
                first, second = apply_model(material), patch_embeddings(network, config, **options)
                return lambda dataset: (first(dataset), second(dataset))

            made[f"apply_model, compute_patch_embeddings: {network}, {told}"] = on_dataset(material, load, WARM_UP)
    return made


def second_step(material: Material, network: str) -> dict[str, Way]:
    """The crops of boxes that are there, by FiftyOne and by us."""
    options: dict[str, Any] = {"warm_up": WARM_UP, "boxes": found(material)}
    return {
        f"compute_patch_embeddings, {network}, 224 x 224, batch_size={BATCH}": on_dataset(
            material, lambda: patch_embeddings(network, OF_ONE_SIZE, batch_size=BATCH), **options
        ),
        f"simfind.embed, {network}, torch": on_dataset(material, lambda: embed(network, "torch"), **options),
        f"simfind.embed, {network}, openvino": on_dataset(material, lambda: embed(network, "openvino"), **options),
    }


def patch_embeddings(network: str, config: dict[str, Any], **options: Any) -> OnDataset:
    """FiftyOne's second step; the network has random weights, which take as long as any."""
    import fiftyone.utils.torch as fout
    import torchvision

    made = torchvision.models.get_model(network, weights=None)
    model = fout.TorchImageModel(fout.TorchImageModelConfig({"model": made, **config}))
    return lambda dataset: dataset.compute_patch_embeddings(
        model, FIELD, embeddings_field="embedding", progress=False, **options
    )


def embed(network: str, engine: str) -> OnDataset:
    """Our crops through such a network."""
    import fiftyone_simfind as simfind

    model = f"{network}:{state_dict(network)}"
    return lambda dataset: simfind.embed(dataset, FIELD, model=model, engine=engine, progress=False)


def state_dict(network: str) -> Path:
    """A file with random weights of one of torchvision's networks."""
    import torch
    import torchvision

    path = Path(tempfile.gettempdir()) / f"bench-{network}.pth"
    if not path.exists():
        torch.save(torchvision.models.get_model(network, weights=None).state_dict(), path)
    return path
