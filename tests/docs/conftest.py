# FiftyOne must not be imported here at the top: pytest loads this file before the environment is set.
from typing import Any, NamedTuple

import pytest


class Page(NamedTuple):
    """What the blocks of a page print, the names that they leave, and the folder that they worked in."""

    printed: str
    names: dict[str, Any]
    folder: Any


@pytest.fixture(scope="module")
def page(request, tmp_path_factory):
    """The ``BLOCKS`` of the test module, run one after the other, as a reader would."""
    folder = tmp_path_factory.mktemp("page")
    names, printed = {}, []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setitem(names, "print", lambda *values: printed.append(" ".join(map(str, values))))
        for number, block in enumerate(request.module.BLOCKS):
            exec(compile(block, f"{request.module.__name__}, block {number}", "exec"), names)
    yield Page("\n".join(printed), names, folder)
    names["dataset"].delete()
