"""What datasets leave on disk that are no more."""

import pytest

import fiftyone_simfind as simfind
from fiftyone_simfind import _gallery
from fiftyone_simfind.backend.folders import OWNER
from fiftyone_simfind.testing import toy_dataset


@pytest.fixture
def made():
    """Makes datasets with an index; gives each with its folder."""
    datasets = []

    def make():
        datasets.append(toy_dataset())
        simfind.build_index(datasets[-1], "objects")
        return datasets[-1], _gallery.our_index(datasets[-1], "simfind").home.folder.parent

    yield make
    for dataset in datasets:
        if not dataset.deleted:
            dataset.delete()


def test_the_next_index_removes_the_folders_of_deleted_datasets_and_no_others(made):
    (_, kept), (gone, left) = made(), made()
    gone.delete()
    assert left.exists()
    made()
    assert (kept.exists(), left.exists()) == (True, False)


@pytest.mark.parametrize("owner", ["another", None])
def test_folders_of_other_databases_stay(made, owner):
    gone, left = made()
    gone.delete()
    (left / OWNER).unlink()
    if owner:
        (left / OWNER).write_text(owner)
    made()
    assert left.exists()
