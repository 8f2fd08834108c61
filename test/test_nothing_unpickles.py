"""No file or message is read by anything that runs what it reads."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ttt_ros"

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
CALLS = {
    "torch.load",
    "torch.save",
    "numpy.load",
    "np.load",
    "np.loadtxt",
    "fabric.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "os.system",
}
NAMES = {"eval", "exec", "compile", "__import__"}


def _dangers(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {alias.name}" for alias in node.names if alias.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            yield f"from {node.module}"
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func).removeprefix("self._").removeprefix("self.")
            if called in CALLS or called in NAMES:
                yield f"{called}()"
            elif called == "yaml.load" and "Loader" not in {keyword.arg for keyword in node.keywords}:
                yield "yaml.load() without a loader"
            elif any(keyword.arg in ("allow_pickle", "shell") and ast.unparse(keyword.value) != "False" for keyword in node.keywords):
                yield f"{called}({', '.join(map(ast.unparse, node.keywords))})"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_runs_what_it_reads(path: Path) -> None:
    assert list(_dangers(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "text", ["import pickle", "from dill import load", "torch.load(path)", "np.load(p, allow_pickle=True)", "eval(text)", "yaml.load(text)"]
)
def test_what_would_run_it_is_recognised(text: str) -> None:
    assert list(_dangers(ast.parse(text)))
