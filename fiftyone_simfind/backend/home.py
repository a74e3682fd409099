"""Where an index lives: its version in the database, its copy on this machine, and how one becomes the other."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from fiftyone_simfind.backend import builder, changes, folders, rows, state
from fiftyone_simfind.backend import sidecar as sc
from fiftyone_simfind.backend.builder import Transform, Vectors
from fiftyone_simfind.backend.changes import Changes
from fiftyone_simfind.backend.objects import Source
from fiftyone_simfind.backend.rows import Rows
from fiftyone_simfind.backend.sidecar import DamagedError, Sidecar, Table
from fiftyone_simfind.backend.state import State
from fiftyone_simfind.errors import BrainRunError
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics import whitening as wh
from fiftyone_simfind.numerics.ids import Lookup
from fiftyone_simfind.numerics.parts import Part
from fiftyone_simfind.numerics.whitening import Whitening

logger = logging.getLogger(__name__)

GROWN = 0.1  # share by which an index has grown or shrunk when it is measured whether its whitening still fits
DRIFT = 0.02  # mean change of the scores of pairs of objects from which on it no longer does
DRIFT_SAMPLES = 2000  # samples that this is measured on
SEED = 51


class Home:
    """The versions of one index.

    Args:
        dataset: the FiftyOne dataset
        brain_key: name of the run; None for an index that lives as long as this object
        source: of the objects
        whiten: whether a whitening is to be fitted where none is kept
        parts: of the vectors as they are stored, where that is known
    """

    def __init__(self, dataset: Any, brain_key: str | None, source: Source, *, whiten: bool, parts: list[Part] | None):
        self._dataset, self._source, self._whiten, self._parts = dataset, source, whiten, parts
        self._own = State()
        self._metric: tuple[str | None, Whitening | None] = (None, None)
        self._run: str | None = None
        self._key = brain_key
        if brain_key is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="simfind-")
            self.folder = Path(self._temporary.name)
        else:
            self._run = state.run_of(dataset, brain_key)
            self.folder = sc.home(dataset._doc.id, self._run)
        self._lock = FileLock(self.folder / "lock")

    def state(self) -> State:
        """What the database says."""
        return self._own if self._run is None else state.load(self._dataset, self._run) or State()

    def check_noted(self) -> None:
        """Warn where nothing is noted about an index that was complete: its run was copied, and the notes were not."""
        if self._run is not None and state.load(self._dataset, self._run) is None:
            logger.warning(
                'the index "%s" of dataset "%s" was copied without what it compares objects by, as by dataset.clone() '
                "where fiftyone_simfind is not imported; it is made anew from the vectors. If simfind.fit_metric had "
                "taught it, call that again",
                self._key,
                self._dataset.name,
            )

    def rows(self, now: State | None = None) -> Rows:
        """The index as the database says it is; its copy on this machine is made anew where it is not sound.

        Args:
            now: what the database says, where that has just been read
        """
        now = now or self.state()
        if now.version is None:
            self._check_run()
        try:
            return self._open(now)
        except DamagedError:
            with self._locked():
                now = self.state()  # another process may have mended it meanwhile
                try:
                    return self._open(now)
                except DamagedError as error:
                    if now.version is not None:
                        logger.warning("%s is made again from the dataset: %s", self.folder, error)
                    return self.rebuild(restore=now)

    def mend(self, damaged: Rows, error: DamagedError) -> Rows:
        """The index made anew, after a copy that was sound when it was opened turned out not to be."""
        logger.warning("%s is made again from the dataset: %s", self.folder, error)
        with self._locked():
            return self.rebuild() if self.state().version == damaged.sidecar.version else self.rows()

    def whitening(self, now: State | None = None) -> Whitening | None:
        """What is done to vectors before they are compared; None where they are taken as they are.

        Args:
            now: what the database says, where that has just been read
        """
        now = now or self.state()
        if self._run is not None and self._metric[0] != now.metric:
            self._metric = (now.metric, state.load_metric(self._dataset, self._run, now.metric))
        return self._metric[1]

    def rebuild(
        self,
        *,
        use: Whitening | None = None,
        learnt: bool = True,
        refit: bool = False,
        restore: State | None = None,
    ) -> Rows:
        """The index, made anew from the vectors in the dataset.

        Args:
            use: a whitening to use from now on
            learnt: whether that was learnt from labels, and is to stay when the dataset changes
            refit: fit the whitening anew, without labels
            restore: a state whose version this machine lacks; where the dataset is still what that was made of, it gets
                this very version, and the copies of other machines stay good
        """
        with self._locked():
            kept = None if refit else self.whitening()
            chosen = kept if use is None else use

            def fit(stored: Vectors) -> Transform:
                nonlocal chosen
                if chosen is not None and len(stored) and chosen.parts[-1].stop != stored.shape[1]:
                    logger.warning("the index's metric is for vectors of another length, and is fitted anew")
                    chosen = None
                if chosen is None and self._whiten and len(stored):
                    chosen = wh.fit(stored, self._parts_of(stored.shape[1]))
                return chosen.apply if chosen is not None else vx.normalize

            made, unusable = builder.build(self.folder, self._source, fit)
            if restore and chosen is kept and restore.stand and restore.stand == sc.stand(made.table):
                assert restore.version is not None
                self._keep(sc.rename(self.folder, made, restore.version))
            else:
                learnt = learnt if use is not None else self.state().learnt and chosen is kept
                self._commit(made, chosen, learnt=learnt)
        if unusable:
            path = self._source.path
            logger.warning('%d vectors in "%s" are all zeros or not finite; no search finds them', unusable, path)
        return self.rows()

    def sync(self) -> Rows:
        """The index, brought in line with the vectors in the dataset; only what was modified is read."""
        with self._locked():
            before = self.rows()
            found = self.changes(before)
            if found is None or self._grown(int(found.table.alive.sum())):
                drifted = self._drifted()
                if found is None or drifted:
                    return self.rebuild(refit=drifted)
            if not found and _untouched(before.table, found.table):
                return before
            if found.unusable:
                path = self._source.path
                logger.warning('%d vectors in "%s" are all zeros or not finite', found.unusable, path)
            made = changes.apply(self.folder, before.sidecar, found)
            now = self.state()
            self._commit(made, self.whitening(), learnt=now.learnt, fitted_on=now.fitted_on)
        return self.rows()

    def changes(self, before: Rows, *, whole: bool = False) -> Changes | None:
        """What has changed in the dataset; None where so much has that the index is better made anew.

        Args:
            before: the index
            whole: say what in any case
        """
        whitening = self.whitening()
        dim = whitening.parts[-1].stop if whitening else before.vectors.shape[1]
        transform = whitening.apply if whitening else vx.normalize
        return changes.compare(before.sidecar, self._source, dim, transform, whole=whole)

    def modified(self, before: Rows) -> int:
        """How many samples are new, or were modified in any way, since an index was made; nothing of them is read."""
        table = before.table
        now = self._source.versions(table.samples, table.modified)
        at = Lookup(table.samples).find(now.samples)
        same = np.zeros(len(at), bool)
        same[at >= 0] = table.modified[at[at >= 0]] == now.modified[at >= 0]
        return int((~same).sum())

    def remove(self) -> None:
        """Remove all versions of the index, on this machine and in the database."""
        if self._run is not None:
            remove(self._dataset, self._run)
            return
        rows.forget(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._own = State()

    def _open(self, now: State) -> Rows:
        if now.version is None:
            raise DamagedError("there is none yet")
        return rows.open_version(self.folder, now.version)

    def _check_run(self) -> None:
        if self._run is not None and self._run not in state.runs(self._dataset):
            raise BrainRunError(
                f'the brain run "{self._key}" of dataset "{self._dataset.name}" was deleted; build the index again, or '
                "call dataset.reload() and load the one that took its place"
            )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            if not self.folder.exists():
                folders.make(self.folder)
            self._lock.acquire()
        except OSError as error:
            raise BrainRunError(
                f"{self.folder}, where the index is to be, cannot be written ({error}); have "
                "FIFTYONE_DATABASE_DIR name a folder beside which there is room for it"
            ) from error
        try:
            yield
        finally:
            self._lock.release()

    def _commit(
        self, made: Sidecar, whitening: Whitening | None, *, learnt: bool, fitted_on: int | None = None
    ) -> None:
        """Make a version the index's version, for all processes and machines at once."""
        name = self._metric[0]
        if whitening is not self._metric[1]:
            name = None
            if whitening is not None and self._run is not None:
                name = state.add_metric(self._dataset, self._run, whitening)
            self._metric = (name, whitening)
        fitted_on = int(made.table.alive.sum()) if fitted_on is None else fitted_on
        now = State(name, made.version, fitted_on, learnt, sc.stand(made.table))
        if self._run is None:
            self._own = now
        else:
            state.save(self._dataset, self._run, now)
        self._keep(made)

    def _keep(self, made: Sidecar) -> None:
        """Have a version at hand, and no other."""
        rows.adopt(self.folder, made)
        sc.tidy(self.folder, made)

    def _parts_of(self, dim: int) -> list[Part] | None:
        return self._parts if self._parts and self._parts[-1].stop == dim else None

    def _grown(self, count: int) -> bool:
        fitted_on = self.state().fitted_on
        return abs(count - fitted_on) > GROWN * fitted_on

    def _drifted(self) -> bool:
        """Whether a whitening fitted today would give other scores; what was learnt from labels stays in any case."""
        now, whitening = self.state(), self.whitening()
        if whitening is None or now.learnt:
            return False
        samples, _ = self._source.versions()
        rng = np.random.default_rng(SEED)
        some = rng.choice(len(samples), min(DRIFT_SAMPLES, len(samples)), replace=False)
        columns = builder.Columns()
        found = [columns.take(batch, self._source.path, None) for batch in self._source.batches(samples[np.sort(some)])]
        vectors = np.concatenate([some for some in found if len(some)] or [np.empty((0, 0), np.float32)])
        if len(vectors) < 2 or vectors.shape[1] != whitening.parts[-1].stop:
            return len(vectors) >= 2
        left, right = rng.permutation(len(vectors)), rng.permutation(len(vectors))
        scores = []
        for way in (whitening, wh.fit(vectors, whitening.parts)):
            unit = np.nan_to_num(way.apply(vectors))
            scores.append(np.einsum("ij,ij->i", unit[left], unit[right]))
        return float(np.abs(scores[0] - scores[1]).mean()) > DRIFT


def remove(dataset: Any, run: str) -> None:
    """Remove all versions of the index of a run, on this machine and in the database."""
    folder = sc.home(dataset._doc.id, run)
    rows.forget(folder)
    shutil.rmtree(folder, ignore_errors=True)
    state.forget(dataset, run)


def _untouched(before: Table, now: Table) -> bool:
    """Whether there are the same samples, none of which was modified since."""
    same = np.array_equal(before.samples, now.samples) and np.array_equal(before.modified, now.modified)
    return same and bool(now.modified.all())
