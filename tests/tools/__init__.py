"""Go programs the tests and the benchmark run, each pinned by a Go module in a folder here.

A folder's ``go.mod`` names a project's program or programs by its ``tool`` lines, ``go.sum`` pins
every source file of them, and the Go module proxy serves them. One module a project, so that none
pulls up another's libraries.
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

_SEVERAL = {
    "buildkit": ("buildctl", "buildkitd"),
    "containerd": ("containerd", "ctr"),
    "dockerd": ("docker", "dockerd"),
}
_TAGS = {
    # Without what needs C libraries: drivers of some file systems, signatures by GPG.
    "containerd": "no_btrfs,no_devmapper,no_zfs",
    "crio": "containers_image_openpgp,exclude_graphdriver_btrfs,exclude_graphdriver_zfs",
    "dockerd": "exclude_graphdriver_btrfs,no_embedded_containerd",
    # With what caches other registries.
    "zot": "sync,containers_image_openpgp",
}
# Docker's client has no go.mod of its own, and is taken for one of Go 1.16.
_FLAGS = {"dockerd": ("-gcflags=github.com/docker/cli/...=-lang=go1.25",)}
# The release of Docker Engine that is moby's v2.0.0-beta.24.
_VERSIONS = {
    "dockerd": (
        "github.com/docker/cli/cli/version.Version=29.8.1",
        "github.com/moby/moby/v2/dockerversion.Version=29.8.1",
    )
}

_MODULES = {
    program: module.parent
    for module in sorted(HERE.glob("*/go.mod"))
    for program in _SEVERAL.get(module.parent.name, (module.parent.name,))
}
TOOLS = tuple(_MODULES)
"""The names ``build`` takes: one a module folder, or those of the programs in it."""


class ToolUnavailable(Exception):
    """A pinned program could not be had; the text says why and what to do."""


def build(name: str) -> Path:
    """Return the binary of the pinned program ``name``, compiled first if that was not done yet.

    Binaries lie outside the source tree, in ``$XDG_CACHE_HOME/lreg-tools/<hash>/<name>``, where the
    hash is that of go.mod, go.sum and the build's tags. Any number of processes may ask at once;
    one compiles, all programs of a project at a time.

    Raises:
        ToolUnavailable: No module of that name, no Go here, or the build failed.
    """
    if name not in TOOLS:
        raise ToolUnavailable(f"no pinned Go program {name!r}; there are: {', '.join(TOOLS)}")
    module = _MODULES[name]
    folder = cache_folder() / _pin(module)
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
            _compile(go, module, folder)
    return binary


def cache_folder() -> Path:
    """Return where what is had once is kept."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "lreg-tools"


def _pin(module: Path) -> str:
    digest = hashlib.sha256()
    for file in ("go.mod", "go.sum"):
        digest.update((module / file).read_bytes())
    digest.update(" ".join([_TAGS.get(module.name, ""), *_VERSIONS.get(module.name, ())]).encode())
    return digest.hexdigest()[:16]


def _compile(go: str, module: Path, folder: Path) -> None:
    sys.stderr.write(f"building {module.name} (once; minutes on a small machine) …\n")
    packages = _run([go, "list", "tool"], module).split()
    flags = [f"-tags={_TAGS.get(module.name, '')}", f"-ldflags=-s -w {_version(go, module)}"]
    flags += _FLAGS.get(module.name, ())
    partial = folder / "partial"
    partial.mkdir(exist_ok=True)
    command = [go, "build", "-mod=readonly", "-trimpath", *flags, "-o", f"{partial}/"]
    _run([*command, *packages], module)
    for package in packages:
        built = package.rpartition("/")[2]
        name = built if module.name in _SEVERAL else module.name
        (partial / built).replace(folder / name)
    partial.rmdir()


def _version(go: str, module: Path) -> str:
    """Return the linker's flags by which a program knows its version, where it has a place for it.

    Its project's own builds set it; doctor asks programs for it.
    """
    form = "{{.Module.Path}}/version.Version={{.Module.Version}}"
    places = list(_VERSIONS.get(module.name, ()))
    if not places:
        places = _run([go, "list", "-f", form, "tool"], module).splitlines()[:1]
    return " ".join(f"-X {place}" for place in places)


def _run(command: list[str], module: Path) -> str:
    # No C compiler needed; and the same program on every machine.
    env = os.environ | {"CGO_ENABLED": "0"}
    done = subprocess.run(command, cwd=module, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolUnavailable(
            f"{' '.join(command)} failed in {module.name}:\n{done.stderr.strip()}"
        )
    return done.stdout
