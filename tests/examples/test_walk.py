"""``examples/walk.ipynb`` is run as Jupyter would, and is kept without what it printed."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "examples" / "walk.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook after it was run, in an empty folder."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = tmp_path_factory.mktemp("walk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def outputs(notebook, kind):
    """What the cells showed of a kind."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [made.data[kind] for cell in cells for made in cell.outputs if kind in made.get("data", {})]


def test_it_is_kept_without_outputs():
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


def test_every_cell_runs_and_shows_something(executed):
    for cell in executed.cells:
        assert cell.cell_type != "code" or cell.outputs, cell.source


def test_the_pictures_are_shown(executed):
    assert len(outputs(executed, "image/png")) == 6
