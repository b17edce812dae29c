"""The house rules that a program can hold: who imports whom, docstrings, the tree of errors."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
from functools import cache
from importlib.metadata import requires
from pathlib import Path
from typing import TYPE_CHECKING

import lreg
from lreg import errors
from lreg.cli import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PACKAGE = Path(lreg.__file__).parent

# Imports run downward only; two rooms of one floor never see each other.
FLOORS = {
    "clock": 0,
    "errors": 0,
    "home": 0,
    "oci": 1,
    "admin": 2,
    "kinds": 2,
    "locks": 2,
    "network": 2,
    "transfer": 2,
    "settings": 3,
    "tls": 3,
    "upstreams": 4,
    "config": 5,
    "log": 5,
    "certificates": 6,
    "store": 7,
    "client": 7,
    "images": 7,
    "node": 7,
    "upstream": 8,
    "registry": 9,
    "cli": 10,
    "__main__": 11,
}
# Inside of the command line what commands share lies in rooms; all else there is a command.
CLI_FLOORS = {
    "options": 0,
    "output": 0,
    "registries": 1,
    "looking": 2,
    "carrying": 2,
    "bringing": 2,
    "building": 2,
}
# What is no command, and no room of theirs.
CLI_OTHERS = {"lazy", "reference", "node", "seed"}
# Libraries that only one room knows of.
ONLY_IN = {
    "h11": "client",
    "h2": "node",
    "OpenSSL": "registry",
    "prometheus_client": "registry",
    "click": "cli",
    "rich": "cli",
}

# Exceptions that never leave their room.
INTERNAL = {
    "lreg.client.sending.OutletClosed": "ends a source's pump where nobody takes its pieces",
    "lreg.client.wire.SourceFailed": "carries a reader's own error past the transport's retries",
    "lreg.images.contents.find._Unsure": "ends a search from above that links below may change",
}


@cache
def _modules() -> Sequence[tuple[str, ast.Module]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["lreg", *path.relative_to(PACKAGE).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        found.append((".".join(parts), ast.parse(path.read_text())))
    return found


@cache
def _imports(tree: ast.Module) -> Sequence[str]:
    """Return what a module imports: at its top, in functions, for type checking only."""
    return list(_imported(tree))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they lead"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "lreg" and len(parts) > 1 else None


def test_imports_run_downward() -> None:
    """No module knows what stands on it, nor its siblings: each can be changed alone."""
    wrong = []
    for module, tree in _modules():
        if (here := _room(module)) is None:
            continue
        for name in _imports(tree):
            there = _room(name)
            if there in (None, here, "__version__"):
                continue
            assert there in FLOORS, f"which floor is {there} on?"
            if FLOORS[there] >= FLOORS[here]:
                wrong.append(f"{module} imports {name}")
    assert not wrong


def test_the_command_line_is_commands_and_rooms() -> None:
    """Who looks for a command finds the file of its name; what several share knows none of them."""
    assert {path.stem for path in (PACKAGE / "cli").glob("[!_]*")} == {
        *(COMMANDS | CLI_FLOORS),
        *CLI_OTHERS,
    }
    wrong = []
    for module, tree in _modules():
        here = _cli_room(module)
        if here not in CLI_FLOORS:
            continue
        for name in _imports(tree):
            there = _cli_room(name)
            if there and there != here and CLI_FLOORS.get(there, 9) >= CLI_FLOORS[here]:
                wrong.append(f"{module} imports {name}")
    assert not wrong


def _cli_room(module: str) -> str | None:
    _, _, inside = module.partition("lreg.cli.")
    return inside.partition(".")[0] if inside and inside[0].islower() else None


def test_libraries_stay_in_their_room() -> None:
    """The HTTP, metrics and terminal libraries can each be replaced in one room."""
    wrong = [
        f"{module} imports {name}"
        for module, tree in _modules()
        for name in _imports(tree)
        if (room := ONLY_IN.get(name.split(".")[0])) and room != _room(module)
    ]
    assert not wrong


def test_every_library_is_declared() -> None:
    """What `pip install lreg` brings along is what lreg imports, no less and no more."""
    declared = {
        re.split(r"[<>=!~;\[ ]", text)[0].replace("-", "_")
        for text in requires("lreg") or ()
        if "extra ==" not in text
    }
    imported = {_library(name) for _, tree in _modules() for name in _imports(tree)}
    assert imported - set(sys.stdlib_module_names) - {"lreg"} == declared


def _library(module: str) -> str:
    """Return what a library is called when it is installed, with _ for -."""
    first, _, rest = module.partition(".")
    if first == "OpenSSL":
        return "pyopenssl"
    return f"{first}_{rest.partition('.')[0]}" if first == "ruamel" else first


def test_what_is_imported_by_name_exists() -> None:
    """Every module imports: none is broken and unnoticed."""
    for info in pkgutil.walk_packages([str(PACKAGE)], "lreg."):
        if not info.name.endswith("__main__"):
            importlib.import_module(info.name)


def test_everything_public_has_a_docstring() -> None:
    """Every public module, class and function says what it is for."""
    bare = []
    for module, tree in _modules():
        if not ast.get_docstring(tree):
            bare.append(module)
        bare += [f"{module}.{name}" for name in _undocumented(tree)]
    assert not bare


def _undocumented(parent: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in parent.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_"):
            continue
        overload = any(getattr(each, "id", "") == "overload" for each in node.decorator_list)
        if not overload and not ast.get_docstring(node):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{name}" for name in _undocumented(node))


def _tree(error: type[errors.LregError]) -> Iterator[type[errors.LregError]]:
    yield error
    for child in error.__subclasses__():
        yield from _tree(child)


def test_every_error_states_what_its_edges_need() -> None:
    """Each error has a sentence and an exit code; one for clients a code and a status as well."""
    for info in pkgutil.walk_packages([str(PACKAGE)], "lreg."):
        if not info.name.endswith("__main__"):
            importlib.import_module(info.name)
    for error in _tree(errors.LregError):
        assert str(error()).endswith((".", "token")), error
        assert 1 <= error.exit_code <= 125, error
        if issubclass(error, errors.RegistryError):
            assert error.code.isupper(), error
            assert 400 <= error.status <= 599, error


def test_no_error_outside_of_the_tree() -> None:
    """The package defines no exception that `lreg: …` would not catch."""
    wrong = []
    for module, tree in _modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and module != "lreg.errors":
                bases = {ast.unparse(base) for base in node.bases}
                if bases & {"Exception", "BaseException", "ValueError", "RuntimeError", "OSError"}:
                    wrong.append(f"{module}.{node.name}")
    assert wrong == list(INTERNAL)
