"""The showroom as a dataset."""

import tempfile
from pathlib import Path

import pytest

from fiftyone_simfind.showroom import dataset as rooms


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Loads scenes into FiftyOne's folder for datasets; says where they are and what is in them."""
    import fiftyone as fo

    monkeypatch.setattr(fo.config, "default_dataset_dir", str(tmp_path / "datasets"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def load(num_scenes):
        dataset = rooms.load(num_scenes)
        found = dataset.values(["filepath", "ground_truth.detections.identity", "ground_truth.detections.bounding_box"])
        dataset.delete()
        return found

    return load


def test_scenes_are_kept_from_call_to_call(load, monkeypatch):
    before = load(2)
    with monkeypatch.context() as patch:
        patch.setattr(rooms, "write", lambda *a, **k: pytest.fail("a scene was painted again"))
        assert load(2) == before
    paths, *_ = load(3)
    assert paths[:2] == before[0]


def test_a_scene_that_was_not_completed_is_painted_again(load, tmp_path):
    paths, *_ = before = load(2)
    Path(paths[0]).with_suffix(".json").unlink()
    Path(paths[1]).unlink()
    assert load(2) == before
    assert all(Path(path).exists() for path in paths)


def test_nothing_is_left_elsewhere(load, tmp_path):
    load(1)
    assert [path.name for path in tmp_path.iterdir()] == ["datasets"]
    assert sorted(path.suffix for path in tmp_path.rglob("scene*")) == [".jpg", ".json"]
