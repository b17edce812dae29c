"""Go programs the tests and the benchmark run, each pinned by a Go module in a folder here.

A folder's ``go.mod`` names one program by its ``tool`` line, ``go.sum`` pins every source file of
it, and the Go module proxy serves them. One module a program, so that none pulls up another's
libraries.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

TOOLS = tuple(sorted(path.parent.name for path in HERE.glob("*/go.mod")))
"""The names ``build`` takes: one a module folder."""


class ToolUnavailable(Exception):
    """A pinned program could not be had; the text says why and what to do."""


def build(name: str) -> Path:
    """Return the binary of the pinned program ``name``, compiled first if that was not done yet.

    Binaries lie outside the source tree, in ``$XDG_CACHE_HOME/lreg-tools/<hash>/<name>``, where the
    hash is that of go.mod and go.sum. Any number of processes may ask at once; one compiles.

    Raises:
        ToolUnavailable: No module of that name, no Go here, or the build failed.
    """
    if name not in TOOLS:
        raise ToolUnavailable(f"no pinned Go program {name!r}; there are: {', '.join(TOOLS)}")
    module = HERE / name
    folder = _cache() / _pin(module)
    binary = folder / name
    if binary.exists():
        return binary
    if (go := shutil.which("go")) is None:
        raise ToolUnavailable(
            f"{name} is built from source: put Go 1.26 or later on the PATH and run again"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            _compile(go, module, binary)
    return binary


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "lreg-tools"


def _pin(module: Path) -> str:
    digest = hashlib.sha256()
    for file in ("go.mod", "go.sum"):
        digest.update((module / file).read_bytes())
    return digest.hexdigest()[:16]


def _compile(go: str, module: Path, binary: Path) -> None:
    sys.stderr.write(f"building {binary.name} (once; minutes on a small machine) …\n")
    partial = binary.with_name(binary.name + ".partial")
    package = _run([go, "list", "tool"], module).strip()
    _run([go, "build", "-mod=readonly", "-trimpath", "-o", str(partial), package], module)
    partial.replace(binary)


def _run(command: list[str], module: Path) -> str:
    done = subprocess.run(command, cwd=module, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolUnavailable(
            f"{' '.join(command)} failed in {module.name}:\n{done.stderr.strip()}"
        )
    return done.stdout
