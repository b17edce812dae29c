"""Images into a registry from archives, between registries in a file, and out of a folder."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.daemons import Docker

from bench.commands import Spent, spent
from bench.content import MANIFEST_TYPE, MIB
from bench.copiers import Skopeo
from bench.internet import make_image
from bench.result import LREG, Bar, Row
from bench.servers import Lreg
from bench.wire import HOST, LoadFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bench.internet import Image
    from bench.run import Run

TURNS = 3
LAYERS, LAYER_SIZE = 4, 256 * MIB
MOST_MEMORY = 150
_CLI = [sys.executable, "-m", "lreg"]
_NAME = "carried/image:1"
_DOCKER = "docker build, skopeo"

Commands = list[list[str]]


@dataclass(frozen=True, slots=True)
class Contest:
    """The same done by lreg and by others.

    Attributes:
        name: what is done.
        own: lreg's commands, for a registry HOST:PORT.
        other: whose figures they are held against, and the commands of those.
    """

    name: str
    own: Callable[[str], Commands]
    other: tuple[str, Callable[[str], Commands]]


def measure(run: Run) -> Iterator[Row]:
    """1 GiB: an OCI layout uploaded, a bundle made and loaded, a folder built and pushed."""
    if Lreg not in run.peers or Skopeo not in run.copiers:
        return
    size = LAYER_SIZE // (16 if run.quick else 1)
    folder = run.folder / "carried"
    image = make_image(folder / "image", LAYERS, size)
    layout = _layout(folder / "layout", image)
    source = Lreg(folder / "source")
    source.start()
    docker = Docker(folder / "d")
    try:
        here = f"{HOST}:{source.target.port}"
        spent([_skopeo(f"oci:{layout}:1", f"docker://{here}/{_NAME}")], source)
        contests = (
            _uploads(layout),
            _bundles(folder, here),
            _builds(_context(folder / "context", size), docker),
        )
        for contest in contests:
            run.say(contest.name)
            yield from _rows(contest, size * LAYERS, *_figures(run, contest))
    finally:
        docker.close()
        source.stop()


def _uploads(layout: Path) -> Contest:
    return Contest(
        "upload",
        lambda _: [[*_CLI, "upload", "--quiet", f"oci:{layout}", "--as", _NAME]],
        ("skopeo", lambda there: [_skopeo(f"oci:{layout}:1", f"docker://{there}/{_NAME}")]),
    )


def _bundles(folder: Path, here: str) -> Contest:
    bundle, archive = folder / "bundle", folder / "archive"
    create = ["env", f"LOCAL_REGISTRY={here}", *_CLI, "bundle", "create", "--quiet"]
    return Contest(
        "bundle create and load",
        lambda _: [
            [*create, "-o", str(bundle), _NAME],
            [*_CLI, "bundle", "load", "--quiet", str(bundle)],
        ],
        (
            "skopeo",
            lambda there: [
                ["rm", "-f", str(archive)],
                _skopeo(f"docker://{here}/{_NAME}", f"oci-archive:{archive}"),
                _skopeo(f"oci-archive:{archive}", f"docker://{there}/{_NAME}"),
            ],
        ),
    )


def _builds(context: Path, docker: Docker) -> Contest:
    built = "built:1"
    engine = ["docker", "--host", docker.host]
    return Contest(
        "build and push",
        lambda _: [[*_CLI, "build", str(context), "--tag", _NAME, "--push"]],
        (
            _DOCKER,
            lambda there: [
                [*engine, "build", "--no-cache", "--quiet", "--tag", built, str(context)],
                _skopeo(
                    f"docker-daemon:{built}",
                    f"docker://{there}/{_NAME}",
                    f"--src-daemon-host={docker.host}",
                ),
            ],
        ),
    )


def _skopeo(source: str, target: str, *more: str) -> list[str]:
    plain = ["--src-tls-verify=false", "--dest-tls-verify=false", *more]
    return ["skopeo", "--insecure-policy", "copy", *plain, source, target]


def _figures(run: Run, contest: Contest) -> tuple[list[Spent], list[Spent]]:
    own, others = [], []
    for _ in range(run.times(TURNS)):
        own.append(_into_empty(run, contest.own))
        others.append(_into_empty(run, contest.other[1]))
    return own, others


def _into_empty(run: Run, commands: Callable[[str], Commands]) -> Spent:
    home = run.folder / "carried-to"
    server = Lreg(home)
    server.start()
    try:
        there = f"{HOST}:{server.target.port}"
        found = spent(commands(there), server)
        tags = server.store / "docker/registry/v2/repositories/carried/image/_manifests/tags/1"
        if not tags.exists():
            raise LoadFailed(f"{commands(there)[-1]}: the image did not arrive")
    finally:
        server.stop()
    shutil.rmtree(home)
    return found


def _rows(
    contest: Contest, size: int, own: Sequence[Spent], others: Sequence[Spent]
) -> Iterator[Row]:
    other = contest.other[0]
    name = f"{contest.name} of {size // MIB} MiB"
    yield Row(
        "carrying",
        name,
        "s",
        {LREG: [one.seconds for one in own], other: [one.seconds for one in others]},
        (Bar(1.0, other, at_most=True),),
    )
    yield Row(
        "carrying",
        f"{name}, the command's memory",
        "MiB",
        {LREG: [one.memory for one in own], other: [one.memory for one in others]},
        (Bar(MOST_MEMORY, at_most=True),),
    )


def _layout(folder: Path, image: Image) -> Path:
    """Write an OCI layout whose one image has the tag 1; its blobs are links."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    for blob in (image.config, *image.layers):
        os.link(blob.path, blobs / blob.digest.removeprefix("sha256:"))
    (blobs / image.digest.removeprefix("sha256:")).write_bytes(image.manifest)
    described = {"mediaType": MANIFEST_TYPE, "digest": image.digest, "size": len(image.manifest)}
    described |= {"annotations": {"org.opencontainers.image.ref.name": "1"}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return folder


def _context(folder: Path, size: int) -> Path:
    """Write a folder to build from: a Dockerfile, and files of which half can be packed."""
    files = folder / "files"
    files.mkdir(parents=True)
    for number in range(LAYERS):
        half = os.urandom(size // 2)
        (files / str(number)).write_bytes(half + half.hex().encode()[: size // 2])
    (folder / "Dockerfile").write_text('FROM scratch\nCOPY files /files\nCMD ["/files/0"]\n')
    return folder
