"""An image brought into an empty registry, by lreg's commands and by others that copy."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from bench.commands import Spent, spent
from bench.content import MIB, REPOSITORY, TAG
from bench.internet import Internet, make_image
from bench.result import LREG, Bar, Row
from bench.servers import Lreg
from bench.wire import HOST, LoadFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.internet import Image
    from bench.run import Run

TURNS = 5
LAYERS, LAYER_SIZE = 4, 256 * MIB
_IMAGE = f"{REPOSITORY}:{TAG}"
# Not the name that it has upstream: a registry that caches has everything under that.
_COPY = f"copies/{_IMAGE}"
_CLI = [sys.executable, "-m", "lreg"]


def lreg_copy(source: str, target: str) -> list[str]:
    """Return the command that copies through this machine, as the other programs do."""
    return [*_CLI, "copy", "--quiet", source, target]


def lreg_cache(source: str, target: str) -> list[str]:
    """Return the command that has the registry bring the image, by its name on the internet."""
    del source, target
    return [*_CLI, "cache", "--quiet", f"docker.io/{_IMAGE}"]


def measure(run: Run) -> Iterator[Row]:
    """One image of 1 GiB from nginx; each turn of each command into an lreg that has nothing."""
    if Lreg not in run.peers:
        return
    image = make_image(run.folder / "copied", LAYERS, LAYER_SIZE // (16 if run.quick else 1))
    commands = {"lreg copy": lreg_copy, "lreg cache": lreg_cache}
    others = {copier.name: copier.command for copier in run.copiers}
    figures: dict[str, list[Spent]] = {}
    with Internet(run.folder / "copied-from", image, None) as internet:
        run.say(f"copies of {image.size // MIB} MiB")
        for _ in range(run.times(TURNS)):
            for name, command in (commands | others).items():
                copied = _copied(run.folder / "copied-to", command, internet, image)
                figures.setdefault(name, []).append(copied)
    for own in commands:
        columns = {LREG: figures[own]} | {name: figures[name] for name in others}
        yield from _rows(f"{own} of an image of {image.size // MIB} MiB", columns)


def _copied(
    home: Path, command: Callable[[str, str], list[str]], internet: Internet, image: Image
) -> Spent:
    server = Lreg(home, upstream=internet.url)
    registry = f"{HOST}:{server.target.port}"
    words = command(f"{HOST}:{internet.port}/{_IMAGE}", f"{registry}/{_COPY}")
    server.start()
    try:
        found = spent([words], server)
        for layer in image.layers:
            if not server.data_file(layer).exists():
                raise LoadFailed(f"{' '.join(words)}: {layer.digest} did not arrive")
    finally:
        server.stop()
    shutil.rmtree(home)
    return found


def _rows(name: str, figures: dict[str, list[Spent]]) -> Iterator[Row]:
    seconds = {program: [one.seconds for one in many] for program, many in figures.items()}
    cpu = {program: [one.cpu for one in many] for program, many in figures.items()}
    bars = tuple(Bar(1.0, other, at_most=True) for other in ("skopeo", "crane"))
    yield Row("copies", name, "s", seconds, bars)
    yield Row("copies", f"{name}, processor time", "s", cpu)
