"""What the examples share: their options, their dataset, and what to do where a network's weights cannot be had."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # a clone works without being installed
PHOTOS = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def parser(doc: str, example: str, data: str, model: str, own: str | None = None) -> argparse.ArgumentParser:
    """The options of every example: its data, a model, and the folder that it writes to.

    Args:
        doc: what the example does
        example: its name, for the folder
        data: what its one positional argument may be, instead of the showroom
        model: the default
        own: the default with data of the user's own, if it is another one; see :func:`parse`
    """
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("data", nargs="?", type=Path, help=f"{data}; default is the showroom")
    told = f"default: {model}" + (f" on the showroom, or else {own}" if own else "")
    made.add_argument("--model", default=None if own else model, help=told)
    made.add_argument("--out", type=Path, default=ROOT / "demo" / example, help="folder for what is written")
    made.set_defaults(models=(model, own or model), takes=data)
    return made


def parse(made: argparse.ArgumentParser) -> argparse.Namespace:
    """The options that were given, with the default model of their data and the folder for what is written.

    What is made of data of the user's own goes by default to a folder of its own, named as the data is.

    Raises:
        CollectionError: there is no such data
    """
    from fiftyone_simfind import CollectionError

    args = made.parse_args()
    args.model = args.model or args.models[args.data is not None]
    if args.data is not None:
        args.data = args.data.expanduser().resolve()
        if not args.data.exists():
            raise CollectionError(f'there is nothing at "{args.data}"; give {args.takes}')
        if args.out == made.get_default("out"):
            args.out = args.out / (args.data.stem if args.data.is_file() else args.data.name)
    args.out.mkdir(parents=True, exist_ok=True)
    return args


def run(main: Callable[[], None]) -> None:
    """Run an example; what simfind cannot do is said in one line, and ends it with 1."""
    from fiftyone_simfind import SimfindError

    try:
        main()
    except SimfindError as error:
        sys.exit(" ".join(str(error).split()))


def photos(folder: Path) -> Any:
    """A dataset of the photos in a folder and those below it.

    Raises:
        CollectionError: it is no folder, or no photo is in it
    """
    import fiftyone as fo

    from fiftyone_simfind import CollectionError

    if not folder.is_dir():
        raise CollectionError(f'"{folder}" is no folder; give one with photos')
    dataset = fo.Dataset.from_images_dir(str(folder), recursive=True)
    if not len(dataset):
        raise CollectionError(f'there are no images in "{folder}"; give a folder with photos')
    return dataset


def available(model: str, data: Path | None = None, option: str = "--model") -> str:
    """A model, or the showroom's own where its weights are neither on this machine nor to be had from their server.

    Args:
        model: as of ``simfind.embed``
        data: of the user's own, for which nothing stands in
        option: that of the example which names the model

    Raises:
        ModelError: it cannot be had, and the data is the user's own
    """
    from fiftyone_simfind import ModelError
    from fiftyone_simfind.models import load_embedder

    try:
        load_embedder(model)
    except ModelError as error:
        told = " ".join(str(error).split()).replace('model="', f'{option} "')
        if data is not None:
            raise ModelError(told) from None
        print(f"{told}\nThe showroom's own network stands in for it; all figures are of that.", file=sys.stderr)
        return "showroom.pt"
    return model


def photo(source: str | Path, allowed_hosts: list[str]) -> str | Path | bytes:
    """A photo for ``detect_query``: its path, or the file at its address."""
    from fiftyone_simfind import fetch_image

    is_address = str(source).startswith(("http://", "https://"))
    return fetch_image(str(source), allowed_hosts=allowed_hosts) if is_address else source


def kinds(folder: Path, example: str, column: str | None = None) -> dict[str, str | None]:
    """The class of each photo of a folder, by its path: the folder that it lies in, or what ``labels.csv`` says.

    Args:
        folder: with a folder for each class
        example: the file that asks
        column: of a ``labels.csv`` with the files in ``file``; None does without

    Raises:
        CollectionError: there is no such photo or column
    """
    import pandas as pd

    from fiftyone_simfind import CollectionError

    listed = folder / "labels.csv"
    if column is not None and listed.is_file():
        rows = pd.read_csv(listed, dtype=str, keep_default_na=False)
        for wanted in ("file", column):
            if wanted not in rows:
                raise CollectionError(f'{listed} has no column "{wanted}"; its columns are {", ".join(rows)}')
        files = [os.path.abspath(folder / file) for file in rows["file"]]
        return {file: kind or None for file, kind in zip(files, rows[column], strict=True)}
    photos = [path for path in sorted(folder.glob("[!.]*/**/*")) if path.suffix.lower() in PHOTOS]
    if not photos:
        lists = "" if column is None else ", or a labels.csv with the columns file and class"
        raise CollectionError(f"no images in subfolders of {folder}; {example} wants one folder for each kind{lists}")
    return {str(path): path.relative_to(folder).parts[0] for path in photos}


def shop(folder: Path) -> Path:
    """Write photos of the showroom's things; the class is what a thing is, as in armchair-01."""
    import pandas as pd

    from fiftyone_simfind.showroom.products import write_products

    if (folder / "labels.csv").is_file():  # which is written last
        return folder
    products = pd.read_json(write_products(folder))
    rows = {"file": products["url"].str.removeprefix("file:"), "class": products["product"].str[:-3]}
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    return folder


def labelled(folder: Path, column: str, example: str) -> Any:
    """The dataset of a folder of photos, kept from run to run; ``kind`` is the class of each, as ``kinds`` says.

    Photos and classes are brought up to date, and a table of neighbours made before such a change is deleted. A photo
    that was replaced by another one of its name is a new one.
    """
    import fiftyone as fo
    import fiftyone.core.utils as fou

    said = kinds(folder, f"{example.partition('-')[0]}.py", column)
    name = fou.to_slug(f"{example} {str(folder)[-60:]}")
    dataset = fo.load_dataset(name) if fo.dataset_exists(name) else fo.Dataset(name, persistent=True)
    for field in ("kind", "written"):
        dataset.add_sample_field(field, fo.StringField)
    files, classes, written = dataset.values(["filepath", "kind", "written"])
    before, now = dict(zip(files, written, strict=True)), {file: _written(file) for file in said}
    if said == dict(zip(files, classes, strict=True)) and now == before:
        return dataset
    same = {file for file in said if file in before and before[file] == now[file]}
    dataset.delete_samples(dataset.match(~fo.ViewField("filepath").is_in(list(same))))
    dataset.add_samples([fo.Sample(filepath=f, kind=said[f], written=now[f]) for f in said if f not in same])
    dataset.set_values("kind", [said[file] for file in dataset.values("filepath")])
    if dataset.has_field("whole"):
        owners = zip(*dataset.values(["whole.detections.id", "kind"]), strict=True)
        dataset.set_label_values("whole.detections.label", {one: kind for ids, kind in owners for one in ids or []})
    if dataset.has_run("simfind_neighbors"):
        dataset.delete_run("simfind_neighbors")
    return dataset


def _written(file: str) -> str | None:
    """Something that differs after a file was written anew; None where there is no file."""
    try:
        about = os.stat(file)
    except OSError:
        return None
    return f"{about.st_size} bytes at {about.st_mtime_ns}"


def taken_out(dataset: Any, field: str) -> str:
    """The path of a photo that is taken out of a dataset: the first whose class in ``field`` has others, or the first.

    Raises:
        CollectionError: nothing would be left
    """
    from fiftyone_simfind import CollectionError

    if len(dataset) < 2:
        raise CollectionError("the only photo cannot be both searched for and found; give another one with --query")
    kinds = dataset.values(f"{field}.label")
    taken = dataset.skip(next((i for i, kind in enumerate(kinds) if kinds.count(kind) > 1), 0)).first()
    dataset.delete_samples(taken)
    return str(taken.filepath)
