"""What the examples share: their options, their dataset, and what to do where a network's weights cannot be had."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # a clone works without being installed


def parser(doc: str, example: str, data: str, model: str) -> argparse.ArgumentParser:
    """The options of every example: its data, a model, and the folder that it writes to.

    Args:
        doc: what the example does
        example: its name, for the folder
        data: what its one positional argument may be, instead of the showroom
        model: the default
    """
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("data", nargs="?", type=Path, help=f"{data}; default is the showroom")
    made.add_argument("--model", default=model, help=f"default: {model}")
    made.add_argument("--out", type=Path, default=ROOT / "demo" / example, help="folder for what is written")
    return made


def available(model: str) -> str:
    """A model, or the showroom's own where its weights are neither on this machine nor to be had from their server."""
    from fiftyone_simfind import ModelError
    from fiftyone_simfind.models import load_embedder

    try:
        load_embedder(model)
    except ModelError as error:
        print(f"{error}\nThe showroom's own network stands in for it; all figures are of that.", file=sys.stderr)
        return "showroom.pt"
    return model


def photo(source: str | Path, allowed_hosts: list[str]) -> str | Path | bytes:
    """A photo for ``detect_query``: its path, or the file at its address."""
    from fiftyone_simfind import fetch_image

    is_address = str(source).startswith(("http://", "https://"))
    return fetch_image(str(source), allowed_hosts=allowed_hosts) if is_address else source


def labelled(folder: Path, column: str, example: str) -> Any:
    """The dataset of a folder of photos, kept from run to run; ``kind`` is the class of each.

    The class is that of the folder that a photo lies in, or of a column of ``labels.csv`` with the files in ``file``.
    """
    import fiftyone as fo
    import fiftyone.core.utils as fou
    import pandas as pd

    name = fou.to_slug(f"{example} {str(folder)[-60:]}")
    if fo.dataset_exists(name):
        return fo.load_dataset(name)
    if not (folder / "labels.csv").exists():
        tree = fo.types.ImageClassificationDirectoryTree
        return fo.Dataset.from_dir(str(folder), dataset_type=tree, name=name, label_field="kind", persistent=True)
    rows = pd.read_csv(folder / "labels.csv", dtype=str)
    dataset = fo.Dataset(name, persistent=True)
    files = [str(folder / file) for file in rows["file"]]
    dataset.add_samples([fo.Sample(filepath=file, kind=kind) for file, kind in zip(files, rows[column], strict=True)])
    return dataset
