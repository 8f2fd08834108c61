"""No file or message is read by anything that runs what it reads."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path
    for folder in ("ttt_ros", "scripts", "launch", "tools", "extras")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and path.suffix in (".py", "")
)

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
CALLS = {
    "torch.load",
    "torch.save",
    "torch.hub.load",
    "torch.jit.load",
    "numpy.load",
    "np.load",
    "np.loadtxt",
    "fabric.load",
    "yaml.load",
    "yaml.load_all",
    "yaml.unsafe_load",
    "yaml.unsafe_load_all",
    "yaml.full_load",
    "yaml.full_load_all",
    "os.system",
    "os.popen",
}
LOADERS = {"yaml.Loader", "yaml.FullLoader", "yaml.UnsafeLoader"}
NAMES = {"eval", "exec", "compile", "__import__"}


def _dangers(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {alias.name}" for alias in node.names if alias.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            dangerous = module.partition(".")[0] in MODULES
            yield from (f"from {module}" for alias in node.names if dangerous or f"{module}.{alias.name}" in CALLS | LOADERS)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in LOADERS:
            yield ast.unparse(node)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func).removeprefix("self._").removeprefix("self.")
            if called in CALLS or called in NAMES:
                yield f"{called}()"
            elif any(keyword.arg in ("allow_pickle", "shell") and ast.unparse(keyword.value) != "False" for keyword in node.keywords):
                yield f"{called}({', '.join(map(ast.unparse, node.keywords))})"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_what_it_reads(path: Path) -> None:
    assert list(_dangers(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from dill import load",
        "from torch import load",
        "torch.load(path)",
        "torch.hub.load(path)",
        "np.load(p, allow_pickle=True)",
        "eval(text)",
        "yaml.load(text)",
        "loader = yaml.UnsafeLoader",
        "subprocess.run(text, shell=True)",
    ],
)
def test_what_would_run_it_is_recognised(text: str) -> None:
    assert list(_dangers(ast.parse(text)))
