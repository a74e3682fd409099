"""Rooms of classes."""

from PIL import Image

from fiftyone_simfind.showroom.rooms import ROOMS, write_rooms


def test_a_folder_for_each_kind_of_room(tmp_path):
    paths = write_rooms(tmp_path, 2, size=(160, 120))
    assert [path.relative_to(tmp_path).as_posix() for path in paths[:3]] == [
        "hall/0000.png",
        "hall/0001.png",
        "kitchen/0000.png",
    ]
    assert [path.parent.name for path in paths] == [name for name in ROOMS for _ in range(2)]
    with Image.open(paths[0]) as picture:
        assert picture.size == (160, 120)


def test_the_same_seed_writes_the_same_rooms_and_no_two_alike(tmp_path):
    once, again = write_rooms(tmp_path / "once", 2), write_rooms(tmp_path / "again", 1, first=1)
    assert [path.read_bytes() for path in once[1::2]] == [path.read_bytes() for path in again]
    assert len({path.read_bytes() for path in once}) == len(once)
