"""Who may import whom, and what an import may cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "fiftyone_simfind"

HEAVY = {"ray", "torch", "torchvision", "ultralytics", "umap"}
NOT_ALLOWED = {
    "numerics/*.py": {"fiftyone", "torch", "ultralytics", "fiftyone_simfind._", "fiftyone_simfind.models"},
    "models/*.py": {"fiftyone", "fiftyone_simfind._fields", "fiftyone_simfind._gallery"},
    "_*.py": HEAVY | {"fiftyone_simfind.models"},
    "_fields.py": {"fiftyone_simfind._gallery", "fiftyone_simfind._search", "fiftyone_simfind.models"},
    "../operators/*.py": HEAVY | {"fiftyone_simfind."},
}
VERBS = {"_compare", "_detect", "_embed", "_evaluate", "_fit", "_index", "_neighbors", "_robustness", "_search"} | {
    "_detect_query",
    "_location",
    "_map",
    "_visualize",
    "_whole_images",
}
# What the verbs search in where the vectors lie in a database of another kind.
ENGINES = {"_engines", "_objects", "_paging", "_rules", "_vendors"}


def imports(path: Path, *, everywhere: bool = False) -> set[str]:
    """The modules that a file imports when it is imported; ``everywhere`` adds those that its functions import."""
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree) if everywhere else _at_import(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _at_import(tree):
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node


def is_below(module: str, forbidden: str) -> bool:
    return module == forbidden or module.startswith(forbidden if forbidden[-1] in "._" else forbidden + ".")


@pytest.mark.parametrize("pattern", NOT_ALLOWED)
def test_nobody_imports_whom_they_may_not(pattern):
    files = [path for path in PACKAGE.glob(pattern) if path.name != "__init__.py" or pattern[0] != "_"]
    assert files
    for path in files:
        wrong = {m for m in imports(path) for f in NOT_ALLOWED[pattern] if is_below(m, f)}
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_a_verb_imports_no_other_verb():
    for verb in VERBS:
        others = {f"fiftyone_simfind.{other}" for other in VERBS - {verb}}
        assert not imports(PACKAGE / f"{verb}.py", everywhere=True) & others, verb


def test_what_searches_in_engines_imports_no_verb():
    verbs = {f"fiftyone_simfind.{verb}" for verb in VERBS}
    for name in ENGINES:
        assert not imports(PACKAGE / f"{name}.py", everywhere=True) & verbs, name


def test_only_fields_reads_and_writes_samples():
    """``dataset.values(path)``, ``set_values`` and their like are called in one module."""
    calls = {"values", "set_values", "set_label_values", "set_field", "add_samples", "iter_samples"}
    for path in PACKAGE.glob("_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and bool(node.args)
            if is_call and node.func.attr in calls:
                assert path.name == "_fields.py", f"{path.name}:{node.lineno} calls {node.func.attr}"


def test_importing_the_package_loads_nothing_heavy():
    heavy = ("torch", "ultralytics", "umap", "fiftyone")
    code = f"import sys, fiftyone_simfind; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_operators_load_nothing_heavy():
    code = "import sys, operators; print([m for m in ('torch', 'ultralytics', 'umap') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip().splitlines()[-1:] == ["[]"], done.stderr


def test_every_public_name_has_a_docstring():
    import fiftyone_simfind as simfind

    for name in simfind.__all__:
        if name != "__version__":
            assert (getattr(simfind, name).__doc__ or "").strip(), name


@pytest.mark.parametrize("folder", ["fiftyone_simfind", "operators", "tools"])
def test_a_function_fits_in_the_eye(folder):
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                length = node.end_lineno - body[0].lineno + 1 if body else 0
                assert length <= 40, f"{path.relative_to(ROOT)}: {node.name} has {length} lines"
