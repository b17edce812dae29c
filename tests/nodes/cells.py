"""The tests of the matrix: what a runtime pulls comes from lreg, and only from there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.nodes.page import FILE, Row
from tests.nodes.runtimes import RUNTIMES
from tests.nodes.ways import MIRROR, REFUSED, UNQUALIFIED, WAYS, Way
from tests.nodes.world import HOSTS
from tests.support.images import hello
from tests.support.processes import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.nodes.patients import Patient
    from tests.nodes.runtimes import Installed
    from tests.nodes.world import World
    from tests.support.images import Image

PLACES = {"docker.io": "library/app", "registry.k8s.io": "pause", "quay.io": "org/team/app"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image that a runtime is to pull.

    Attributes:
        name: what a person calls it, without a tag.
        repository: the end of what the runtime calls it.
        upstream: whose image it is for lreg.
        image: what has to come.
    """

    name: str
    repository: str
    upstream: str
    image: Image


class Told:
    """A runtime that is told where to look.

    Args:
        patient: the runtime.
        row: where it is noted.
    """

    def __init__(self, patient: Patient, row: Row) -> None:
        self.runtime = patient.runtime
        self._ca = patient.ca
        self._row = row

    def apply(self, way: Way) -> tuple[str, ...]:
        """Tell it, and return the hosts whose images it then has from lreg.

        What can't work has to be refused first, for the reason that REFUSED says.
        """
        options = [f"--mechanism={way.mechanism.value}", f"--registry={way.registry}"]
        options += [f"--for-version={self.runtime.version}", f"--ca={self._ca}"]
        hosts: tuple[str, ...] = HOSTS
        if refusal := REFUSED.get((self.runtime.title, way.title)):
            refused = self.runtime.lreg("apply", *options, *_upstreams(hosts))
            assert refused.code == 2
            assert refusal.reason in refused.err
            self._row.notes[way.title] = refused.err.strip().removeprefix("lreg: ")
            options += refusal.mend
            hosts = refusal.hosts
        said = self.runtime.lreg("apply", "--reload", *options, *_upstreams(hosts))
        assert said.code == 0, said.err
        return hosts

    def works(self, column: str) -> None:
        """Note that it does what a column says."""
        refusal = REFUSED.get((self.runtime.title, column))
        self._row.marks[column] = refusal.mark if refusal else "✓"


def _upstreams(hosts: Sequence[str]) -> list[str]:
    return [f"--upstream={host}" for host in hosts]


class Look:
    """A look at what a node asks from now on: of lreg, and of the name server."""

    def __init__(self, world: World, runtime: Installed) -> None:
        self._world, self._node = world, runtime.node
        self._mark, self._asked = world.mark(), len(world.names.asked)

    def saw(self, repository: str, reference: str, upstream: str) -> None:
        """Wait until lreg's log has that this node got a manifest, and of whose images."""
        path = f"/{repository}/manifests/{reference}"
        try:
            eventually(lambda: any(self._got(path, upstream)))
        except AssertionError:
            asked = list(self._world.pulls(self._mark))
            raise AssertionError(f"nobody got {path} of {upstream}, but: {asked}") from None

    def _got(self, path: str, upstream: str) -> Iterator[bool]:
        for pull in self._world.pulls(self._mark):
            if pull.peer in self._node.addresses and pull.status == 200:
                # The log names none where a client did not say whose images it means.
                yield pull.path.endswith(path) and pull.upstream in {"", upstream}

    def no_names(self) -> None:
        """Hold it to have asked the name server for nothing."""
        new = self._world.names.asked[self._asked :]
        assert [each.name for each in new if each.by in self._node.addresses] == []


@pytest.mark.client("namespaces")
class Cells:
    """The tests of a row; to be parametrized with the runtimes that a file is for."""

    @pytest.mark.parametrize("way", WAYS, ids=str)
    def test_pull(self, told: Told, way: Way, world: World) -> None:
        """Images come from lreg with the right digests, online and offline; no name is asked."""
        tag = slug(f"{told.runtime.title}-{way}")
        wanted = [
            Wanted(f"{host}/{PLACES[host]}", PLACES[host], host, hello(f"{tag} {host}"))
            for host in told.apply(way)
        ]
        for each in wanted:
            world.internet[each.upstream].hold(each.repository, each.image, tag)
        _pull_all(world, told.runtime, wanted, tag)
        told.works(way.title)

    def test_unqualified(self, told: Told, world: World) -> None:
        """A name without a registry means lreg's own image where it has one, else docker.io's.

        It does so by tag and by digest, online and offline, and no name is asked.
        """
        tag = slug(told.runtime.title)
        told.apply(MIRROR)
        world.go_online()
        own, theirs = hello(f"own {tag}"), hello(f"theirs {tag}")
        for name in ("tiny", "library/tiny"):
            world.push(name, own, tag)
        for name in ("tiny", "other"):
            world.internet["docker.io"].hold(f"library/{name}", theirs, tag)
        wanted = [Wanted("tiny", "tiny", "docker.io", own)]
        wanted += [Wanted("other", "other", "docker.io", theirs)]
        _pull_all(world, told.runtime, wanted, tag)
        told.works(UNQUALIFIED)

    def test_page(self, row: Row) -> None:
        """docs/runtimes.md says what was found, of a runtime with which all was tried."""
        titles = [kind.title for kind in RUNTIMES]
        page = FILE.read_text()
        if os.environ.get("LREG_PAGE") == "write":
            assert row.is_whole, "only a whole row is written"
            FILE.write_text(row.onto(page, titles))
        elif row.is_whole:
            assert page == row.onto(page, titles), "docs/runtimes.md says otherwise: `make matrix`"


def slug(text: str) -> str:
    """Return a text as a tag can be."""
    return text.lower().replace(" ", "-")


def _pull_all(world: World, runtime: Installed, wanted: Sequence[Wanted], tag: str) -> None:
    """Have all of them pulled, by tag and by digest, online and then with no internet left."""
    for go in (world.go_online, world.go_offline):
        go()
        for by_digest in (False, True):
            look = Look(world, runtime)
            for each in wanted:
                digest = each.image.manifest.digest
                name = f"{each.name}@{digest}" if by_digest else f"{each.name}:{tag}"
                assert runtime.pull(name) == digest
                look.saw(each.repository, digest if by_digest else tag, each.upstream)
            look.no_names()
            runtime.forget()
