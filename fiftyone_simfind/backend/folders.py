"""The folders of datasets: FiftyOne says nothing when it deletes a dataset, so the next one that comes tidies up."""

from __future__ import annotations

import shutil
from pathlib import Path

import fiftyone.core.odm as foo

OWNER = "database"  # the file in a dataset's folder that says which database it is in: several may share the place


def make(folder: Path) -> None:
    """Make the folder of an index, and remove those of datasets that its database no longer has."""
    folder.mkdir(parents=True, exist_ok=True)
    database = foo.get_db_conn()
    config = database["config"].find_one({}, {"_id": True})  # the one document that every database has from its start
    if config is None:
        return
    own = str(config["_id"])
    (folder.parent / OWNER).write_text(own)
    # Listed first: a dataset that is made meanwhile has no folder yet.
    ours = [place.parent for place in folder.parent.parent.glob(f"*/{OWNER}") if _owner(place) == own]
    present = {str(document["_id"]) for document in database["datasets"].find({}, {"_id": True})}
    for gone in ours:
        if gone.name not in present:
            shutil.rmtree(gone, ignore_errors=True)


def _owner(file: Path) -> str | None:
    try:
        return file.read_text()
    except OSError:  # another process has just removed it
        return None
