"""The launch files compile, and what they name exists; needs no ROS."""

import ast
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "launch").glob("*.launch.py"))
MANIFEST = ElementTree.parse(ROOT / "package.xml").getroot()
PACKAGE = MANIFEST.findtext("name")

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def _literals(values: list[ast.expr]) -> set[object]:
    return {value.value for value in values if isinstance(value, ast.Constant)}


def _given(tree: ast.AST, name: str) -> set[object]:
    """Literals given for ``name``, as a keyword argument or as a key of a dict."""
    values = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == name]
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            values += [value for key, value in zip(node.keys, node.values, strict=True) if key is not None and _literals([key]) == {name}]
    return _literals(values)


def _names_of_files(tree: ast.AST, ending: str) -> set[str]:
    strings = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {string for string in strings if re.fullmatch(rf"\w+{re.escape(ending)}", string)}


@each_file
def test_a_launch_file_compiles(path: Path) -> None:
    compile(path.read_text(), path, "exec")


@each_file
def test_each_executable_that_a_launch_file_names_is_a_script_that_the_build_installs(path: Path) -> None:
    executables = _given(_tree(path), "executable")
    installed = re.findall(r"scripts/(\w+)", (ROOT / "CMakeLists.txt").read_text())
    assert executables
    assert executables <= {script.name for script in (ROOT / "scripts").iterdir()} & set(installed)


@each_file
def test_each_file_that_a_launch_file_names_exists(path: Path) -> None:
    tree = _tree(path)
    assert _names_of_files(tree, ".yaml") <= {file.name for file in (ROOT / "config").iterdir()}
    assert _names_of_files(tree, ".launch.py") <= {file.name for file in FILES}


@each_file
def test_a_launch_file_starts_nodes_of_this_package_alone(path: Path) -> None:
    tree = _tree(path)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    shares = {literal for call in calls if call.func.id == "FindPackageShare" for literal in _literals(call.args)}
    assert _given(tree, "package") | shares == {PACKAGE}


@each_file
def test_what_a_launch_file_imports_is_a_dependency_of_the_package(path: Path) -> None:
    imported = {node.module.split(".")[0] for node in ast.walk(_tree(path)) if isinstance(node, ast.ImportFrom) and node.module}
    dependencies = {element.text for element in MANIFEST if element.tag in ("depend", "exec_depend")}
    assert imported <= dependencies | {PACKAGE}
