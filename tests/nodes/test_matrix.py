"""Every runtime by every way that can work: what it pulls comes from lreg, and only from there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from lreg.node.plan import Mechanism
from tests.nodes.page import FILE, Matrix
from tests.nodes.runtimes import RUNTIMES
from tests.nodes.world import HOSTS, PORT, World
from tests.support.images import hello
from tests.support.processes import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.nodes.runtimes import Installed
    from tests.support.images import Image

pytestmark = pytest.mark.client("namespaces")


@dataclass(frozen=True, slots=True)
class Way:
    """A column: what `lreg node apply` is told.

    Attributes:
        title: its head.
        mechanism: how.
        registry: where lreg is.
    """

    title: str
    mechanism: Mechanism
    registry: str

    def __str__(self) -> str:
        return self.title


V4, V6 = World.address, World.address6
MIRROR = Way("mirror", Mechanism.MIRROR, f"http://{V4}:{PORT}")
IPV6 = Way("IPv6", Mechanism.MIRROR, f"http://[{V6}]:{PORT}")
WAYS = (
    MIRROR,
    Way("spoof-http", Mechanism.SPOOF_HTTP, f"http://{V4}"),
    Way("spoof-tls", Mechanism.SPOOF_TLS, f"https://{V4}"),
    IPV6,
    Way("IPv6 spoof", Mechanism.SPOOF_TLS, f"https://[{V6}]"),
)
UNQUALIFIED = "unqualified"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What can't work.

    Attributes:
        reason: words of the refusal.
        mend: the options with which it works all the same.
        mark: how the matrix says so.
    """

    reason: str
    mend: tuple[str, ...]
    mark: str


BY_NAME = ("--registry-name=lreg.test",)
_SILENT = Refusal("silently asks the internet", BY_NAME, "✓ᴺ")
_NO_IPV6 = Refusal("registries.conf can't have an IPv6 address", BY_NAME, "✓ᴺ")
_HUB_ONLY = Refusal("has mirrors for docker.io only", ("--upstream=docker.io",), "✓ᴰ")
REFUSED = {
    ("containerd 1.6", "IPv6"): _SILENT,
    ("CRI-O 1.36", "IPv6"): _NO_IPV6,
    ("podman 4.3", "IPv6"): _NO_IPV6,
    ("skopeo 1.9", "IPv6"): _NO_IPV6,
    ("Docker 20.10", "mirror"): _HUB_ONLY,
    ("Docker 20.10", "IPv6"): _HUB_ONLY,
}
PLACES = {"docker.io": "library/app", "registry.k8s.io": "pause", "quay.io": "org/team/app"}


@pytest.fixture(scope="session")
def matrix() -> Matrix:
    """What was found so far."""
    return Matrix([*(way.title for way in WAYS), UNQUALIFIED])


@pytest.fixture(scope="session")
def ca(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of lreg's CA."""
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    file.write_text(world.ca)
    return file


@pytest.fixture
def told(runtime: Installed, ca: Path, matrix: Matrix) -> Iterator[Told]:
    """The runtime, to be told by `lreg node apply`; at the end that is undone."""
    yield Told(runtime, ca, matrix)
    said = runtime.lreg("undo", "--reload")
    assert said.code == 0, said.err


class Told:
    """A runtime that is told where to look.

    Args:
        runtime: the runtime.
        ca: the CA that it is to trust.
        matrix: where it is noted.
    """

    def __init__(self, runtime: Installed, ca: Path, matrix: Matrix) -> None:
        self.runtime = runtime
        self._ca = ca
        self._matrix = matrix
        matrix.versions[runtime.title] = runtime.version

    def apply(self, way: Way) -> tuple[str, ...]:
        """Tell it, and return the hosts whose images it then has from lreg.

        What can't work has to be refused first, for the reason that REFUSED says.
        """
        options = [f"--mechanism={way.mechanism.value}", f"--registry={way.registry}"]
        options += [f"--for-version={self.runtime.version}", f"--ca={self._ca}"]
        upstreams = [f"--upstream={host}" for host in HOSTS]
        refusal = REFUSED.get((self.runtime.title, way.title))
        if refusal:
            refused = self.runtime.lreg("apply", *options, *upstreams)
            assert refused.code == 2
            assert refusal.reason in refused.err
            why = refused.err.strip().removeprefix("lreg: ")
            self._matrix.notes[self.runtime.title, way.title] = why
            options += refusal.mend
        hub_only = refusal is _HUB_ONLY
        said = self.runtime.lreg("apply", "--reload", *options, *([] if hub_only else upstreams))
        assert said.code == 0, said.err
        return ("docker.io",) if hub_only else HOSTS

    def works(self, column: str) -> None:
        """Note that it does what a column says."""
        refusal = REFUSED.get((self.runtime.title, column))
        self._matrix.marks[self.runtime.title, column] = refusal.mark if refusal else "✓"


class Look:
    """A look at what a node asks from now on: of lreg, and of the name server."""

    def __init__(self, world: World, runtime: Installed) -> None:
        self._world, self._node = world, runtime.node
        self._mark, self._asked = world.mark(), len(world.names.asked)

    def saw(self, repository: str, reference: str, upstream: str = "") -> None:
        """Wait until lreg's log has that this node got a manifest, and of whose images."""
        path = f"/{repository}/manifests/{reference}"
        eventually(lambda: any(self._got(path, upstream)))

    def _got(self, path: str, upstream: str) -> Iterator[bool]:
        for pull in self._world.pulls(self._mark):
            if pull.peer in self._node.addresses and pull.status == 200:
                # The log names none where a client did not say whose images it means.
                yield pull.path.endswith(path) and pull.upstream in {"", upstream}

    def no_names(self) -> None:
        """Hold it to have asked the name server for nothing."""
        new = self._world.names.asked[self._asked :]
        assert [each.name for each in new if each.by in self._node.addresses] == []


def slug(text: str) -> str:
    """Return a text as a tag can be."""
    return text.lower().replace(" ", "-")


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_pull(told: Told, way: Way, world: World) -> None:
    """Images come from lreg with the right digests, online and offline, and no name is asked."""
    runtime, tag = told.runtime, slug(f"{told.runtime.title}-{way}")
    images = {host: hello(f"{tag} {host}") for host in told.apply(way)}
    for host, image in images.items():
        world.internet[host].hold(PLACES[host], image, tag)
    world.go_online()
    _pull_all(world, runtime, images, tag)
    world.go_offline()
    _pull_all(world, runtime, images, tag)
    told.works(way.title)


def _pull_all(world: World, runtime: Installed, images: Mapping[str, Image], tag: str) -> None:
    for by_digest in (False, True):
        look = Look(world, runtime)
        for host, image in images.items():
            digest = image.manifest.digest
            name = f"{host}/{PLACES[host]}"
            assert runtime.pull(f"{name}@{digest}" if by_digest else f"{name}:{tag}") == digest
            look.saw(PLACES[host], digest if by_digest else tag, host)
        look.no_names()
        runtime.forget()


def test_unqualified(told: Told, world: World) -> None:
    """A name without a registry means lreg's own image where it has one, else docker.io's."""
    runtime, tag = told.runtime, slug(told.runtime.title)
    told.apply(MIRROR)
    world.go_online()
    own, theirs = hello(f"own {tag}"), hello(f"theirs {tag}")
    for name in ("tiny", "library/tiny"):
        world.push(name, own, tag)
    for name in ("tiny", "other"):
        world.internet["docker.io"].hold(f"library/{name}", theirs, tag)
    look = Look(world, runtime)
    assert runtime.pull(f"tiny:{tag}") == own.manifest.digest
    look.saw("tiny", tag, "docker.io")
    assert runtime.pull(f"other:{tag}") == theirs.manifest.digest
    look.saw("other", tag, "docker.io")
    look.no_names()
    runtime.forget()
    told.works(UNQUALIFIED)


def test_page(matrix: Matrix) -> None:
    """docs/runtimes.md says what was found."""
    if os.environ.get("LREG_PAGE") == "write":
        assert matrix.is_whole(len(RUNTIMES)), "only a whole matrix is a page"
        FILE.write_text(matrix.text())
    said = FILE.read_text().splitlines()
    wrong = [line for line in matrix.lines() if line not in said]
    assert not wrong, "docs/runtimes.md does not say so: `make matrix`"
