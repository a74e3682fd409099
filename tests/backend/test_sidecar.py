"""The copy on this machine: whatever happens to it, answers stay right, and it is made again."""

import fiftyone as fo
import numpy as np
import pytest

import fiftyone_simfind as simfind
from fiftyone_simfind.backend import rows, scan, sidecar, state
from fiftyone_simfind.errors import BrainRunError
from fiftyone_simfind.numerics import ids as idx

QUERY = np.random.default_rng(7).standard_normal(16)


@pytest.fixture
def large(monkeypatch):
    """Every index is large: its codes are scanned, and its rows are not read when it is opened."""
    monkeypatch.setattr(sidecar, "LARGE", 1)
    monkeypatch.setattr(scan, "LARGE", 1)


@pytest.fixture
def index(crowd):
    return simfind.build_index(crowd, "things", whiten=False)


def answer(index, **options):
    _, ids, distances = index._kneighbors(query=QUERY, return_dists=True, **options)
    return dict(zip(ids, distances, strict=True))


def expected(dataset):
    query, found = QUERY / np.linalg.norm(QUERY), {}
    for objects in dataset.values("things.detections"):
        for item in objects or ():
            vector = np.asarray(item.embedding, np.float64)
            found[item.id] = 1 - float(vector @ query / np.linalg.norm(vector))
    return found


def opened_anew(index):
    """The same index, as a process that comes later sees it."""
    rows.forget(index.home.folder)
    return index


def only(index, ending):
    (path,) = index.home.folder.glob(f"*{ending}")
    return path


def flip(path, place=None):
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place is None else place] ^= 0x40
    path.write_bytes(content)


def swap_format(path):
    with np.load(path) as stored:
        parts = dict(stored)
    parts["about"] = np.array(str(parts["about"]).replace('"format": ', '"format": 9'))
    with open(path, "wb") as file:
        np.savez(file, **parts)


DAMAGE = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "flipped": flip,
}


@pytest.mark.parametrize("ending", [".npz", ".f32", ".i8"])
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_noticed_and_the_copy_made_again(index, crowd, caplog, kind, ending):
    if (kind, ending) == ("flipped", ".i8"):
        pytest.skip("nobody looks at the codes of a small index")
    DAMAGE[kind](only(index, ending))
    assert answer(opened_anew(index)) == pytest.approx(expected(crowd), abs=1e-6)
    assert "is made again from the dataset" in caplog.text
    caplog.clear()
    answer(opened_anew(index))
    assert not caplog.text


def test_flipped_codes_of_a_large_index_are_noticed(index, crowd, caplog, large):
    flip(only(index, ".i8"))
    matches(answer(opened_anew(index), k=9), crowd)
    assert "its bytes are not those that were written" in caplog.text


def matches(found, dataset):
    every = expected(dataset)
    assert found == pytest.approx({key: every[key] for key in sorted(every, key=every.get)[: len(found)]}, abs=1e-6)


def test_another_format_is_made_again(index, crowd, caplog):
    swap_format(only(index, ".npz"))
    assert answer(opened_anew(index)) == pytest.approx(expected(crowd), abs=1e-6)
    assert "it is of format 91" in caplog.text


def test_the_file_of_another_version_is_not_taken(index, crowd):
    before = only(index, ".npz").read_bytes()
    change(crowd)
    index.reload()
    only(index, ".npz").write_bytes(before)
    index.reload()
    assert answer(opened_anew(index)) == pytest.approx(expected(crowd), abs=1e-6)


def test_no_byte_of_a_table_can_change_unnoticed(index):
    path = only(index, ".npz")
    whole, version = path.read_bytes(), path.stem
    good = sidecar.read(index.home.folder, version)
    rng = np.random.default_rng(51)
    for place in [*rng.integers(len(whole), size=150).tolist(), *range(len(whole) - 150, len(whole)), *range(150)]:
        flip(path, place)
        try:
            found = sidecar.read(index.home.folder, version)
        except sidecar.DamagedError:
            found = None
        path.write_bytes(whole)
        for name, column in vars(good.table).items():
            assert found is None or np.array_equal(getattr(found.table, name), column), (place, name)


def test_an_empty_folder_is_filled_again(index, crowd, caplog):
    for path in index.home.folder.iterdir():
        path.unlink()
    index.home.folder.rmdir()
    assert answer(opened_anew(index)) == pytest.approx(expected(crowd), abs=1e-6)
    assert "is made again from the dataset" in caplog.text


def test_a_folder_that_cannot_be_written_is_named(crowd, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("a file, where a folder is wanted")
    monkeypatch.setattr(fo.config, "database_dir", str(tmp_path / "taken" / "db"))
    with pytest.raises(BrainRunError, match=r"taken/.*cannot be written .*FIFTYONE_DATABASE_DIR"):
        simfind.build_index(crowd, "things", whiten=False)


@pytest.mark.parametrize("ask", ["vector", "gallery", "radius"])
def test_damage_that_shows_while_searching_is_mended(index, crowd, caplog, large, ask):
    change(crowd)
    index.reload()  # the rows are now in another order than a copy made anew has them
    answer(index, k=3)
    path = only(index, ".f32")
    with open(path, "r+b") as file:
        file.write(bytes(path.stat().st_size))
    found, every = ask_for(ask, index, crowd), expected(crowd)
    assert found == pytest.approx({key: every[key] for key in found}, abs=1e-6)
    assert "a vector has changed on disk" in caplog.text


def ask_for(how, index, crowd):
    view = crowd.limit(20)
    if how == "gallery":
        found = simfind.search(crowd, QUERY, k=20)
        return {match.label_id: 1 - match.score for match in found}
    index.use_view(view)
    if how == "radius":
        _, ids, distances = index._radius_neighbors(query=QUERY, thresh=1.1, return_dists=True)
        return dict(zip(ids, distances, strict=True))
    return answer(index, k=20)


def test_a_sign_that_flipped_on_disk_is_noticed(index, crowd, caplog, large):
    best = next(iter(answer(index, k=1)))
    row = int(index.rows.find(idx.from_hex([best]))[0])
    path = only(index, ".f32")
    content = np.fromfile(path, np.float32).reshape(-1, 16)
    content[row] *= -1
    content.tofile(path)
    matches(answer(opened_anew(index), k=3), crowd)
    assert best in answer(index, k=3)


def change(dataset):
    """Another vector, a new object, and one that is gone."""
    rng = np.random.default_rng(99)
    sample = dataset.skip(3).first()
    sample.things.detections[1].embedding = rng.standard_normal(16).astype(np.float32)
    sample.things.detections.append(
        fo.Detection(label="b", bounding_box=[0, 0, 1, 1], embedding=rng.standard_normal(16).astype(np.float32))
    )
    sample.things.detections.pop(0)
    sample.save()


def test_readers_keep_what_they_have_while_another_process_goes_on(index, crowd, elsewhere):
    elsewhere.start("hold", crowd, vector=QUERY.tolist(), seconds=0.7)
    elsewhere.hears("ready")
    for _ in range(3):
        change(crowd)
        index.reload()
    index.home.rebuild()
    assert elsewhere.end()["result"] is True


def test_another_process_sees_what_this_one_adds(index, crowd, elsewhere):
    change(crowd)
    index.reload()
    said = elsewhere.run("search", crowd, vector=QUERY.tolist())
    assert said["result"] == pytest.approx({key: 1 - far for key, far in expected(crowd).items()}, abs=1e-6)
    assert said["warnings"] == []


def test_this_process_sees_what_another_one_adds(index, crowd, elsewhere):
    answer(index)
    change(crowd)
    elsewhere.run("reload", crowd)
    assert answer(index) == pytest.approx(expected(crowd), abs=1e-6)


def test_two_processes_that_find_it_damaged_make_it_again_once(index, crowd, elsewhere, caplog):
    only(index, ".f32").unlink()
    rows.forget(index.home.folder)
    elsewhere.start("search", crowd, vector=QUERY.tolist())
    mine = answer(index)
    said = elsewhere.end()
    assert mine == pytest.approx(expected(crowd), abs=1e-6)
    assert said["result"] == pytest.approx({key: 1 - far for key, far in mine.items()}, abs=1e-6)
    assert caplog.text.count("made again") + len(said["warnings"]) == 1


class TestAnotherMachine:
    """The same database, and another folder beside it."""

    @pytest.fixture
    def there(self, tmp_path):
        return {"home": str(tmp_path / "there" / "db"), "vector": QUERY.tolist()}

    def test_it_finds_the_same(self, index, crowd, elsewhere, there):
        said = elsewhere.run("search", crowd, **there)
        assert said["result"] == pytest.approx({key: 1 - far for key, far in answer(index).items()}, abs=1e-6)

    def test_it_finds_what_was_added_here(self, index, crowd, elsewhere, there):
        elsewhere.run("search", crowd, **there)
        change(crowd)
        index.reload()
        said = elsewhere.run("search", crowd, **there)
        assert said["result"] == pytest.approx({key: 1 - far for key, far in expected(crowd).items()}, abs=1e-6)

    def test_what_it_adds_is_found_here(self, index, crowd, elsewhere, there):
        change(crowd)
        elsewhere.run("reload", crowd, **there)
        assert answer(index) == pytest.approx(expected(crowd), abs=1e-6)

    def test_neither_makes_the_copy_of_the_other_anew(self, index, crowd, elsewhere, there, caplog):
        elsewhere.run("search", crowd, **there)
        before = state.load(crowd, state.run_of(crowd, "simfind"))
        answer(index)
        said = elsewhere.run("search", crowd, **there)
        assert said["warnings"] == []
        assert not caplog.text
        assert state.load(crowd, state.run_of(crowd, "simfind")) == before


def test_a_run_that_another_process_made_stays_when_this_one_saves_its_own(index, crowd, elsewhere):
    elsewhere.run("build", crowd, key="other")
    change(crowd)
    index.reload()
    assert elsewhere.run("known", crowd, key="other")["result"] is True


def test_a_deleted_run_says_so(index, crowd, elsewhere):
    elsewhere.run("delete", crowd)
    with pytest.raises(BrainRunError, match='the brain run "simfind" of dataset ".*" was deleted'):
        answer(index)
    assert not list(index.home.folder.glob("*.f32"))


def test_a_run_that_was_deleted_here_says_so(index, crowd):
    crowd.delete_brain_run("simfind")
    with pytest.raises(BrainRunError, match="was deleted"):
        answer(index)
