"""The registries that the commands have to work against, and `lreg` as a user of one runs it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.mirrors import start_mirror
from tests.support.others import start_zot
from tests.support.processes import Said, attempt, clean_environment
from tests.support.registries import Running, start_lreg
from tests.support.shells import read_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.fakes.upstream import Upstream
    from tests.support.wire import Wire

DISTRIBUTION = pytest.param("docker_registry", marks=pytest.mark.client("docker-registry"))
ZOT = pytest.param("zot", marks=pytest.mark.client("zot"))
# The pinned zot takes no Docker schema 2, no config that is no JSON and no referrers of OCI 1.1,
# and has every blob in every repository, so that none is mounted.
NOT_ZOT = pytest.mark.parametrize("lreg", ["server", "tls_server", DISTRIBUTION], indirect=True)


@dataclass(frozen=True)
class Lreg:
    """The command, with one registry as the local one.

    Attributes:
        registry: that registry.
        env: the environment it runs in.
        home: where it runs.
    """

    registry: Running
    env: Mapping[str, str]
    home: Path

    def attempt(self, *arguments: str) -> Said:
        """Run it, however it ends; it never shows a traceback."""
        said = attempt(sys.executable, "-m", "lreg", *arguments, env=self.env, cwd=self.home)
        assert "Traceback" not in said.err, said.err
        return said

    def run(self, *arguments: str) -> str:
        """Run it to success; return its stdout."""
        said = self.attempt(*arguments)
        assert said.code == 0, said.err
        return said.out

    def lines(self, *arguments: str) -> list[str]:
        """Run it to success; return the lines of its stdout."""
        return self.run(*arguments).splitlines()

    def on_terminal(self, *arguments: str) -> tuple[Said, bytes]:
        """Run it with a terminal for its stderr; return also what that was shown."""
        controller, terminal = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "lreg", *arguments],
            env={**self.env, "TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=terminal,
            text=True,
        ) as process:
            os.close(terminal)
            shown = read_terminal(controller)
            out, _ = process.communicate(timeout=60)
        return Said(process.returncode, out, ""), shown

    def json(self, *arguments: str) -> Any:
        """Run it to success with --json; return what it printed."""
        return json.loads(self.run(*arguments, "--json"))

    def fail(self, code: int, *arguments: str) -> str:
        """Run it to that exit code; return its one line on stderr."""
        said = self.attempt(*arguments)
        assert (said.code, said.out) == (code, ""), said
        (line,) = said.err.splitlines()
        assert line.startswith("lreg: ")
        return line


def lreg_of(registry: Running, home: Path, **more: str) -> Lreg:
    """Return the command for `registry`: found by its store if it is an lreg with a private CA."""
    if registry.ca is not None:
        env = clean_environment(home, LREG_STORE=str(registry.store), **more)
    else:
        env = clean_environment(home, LOCAL_REGISTRY=registry.host, **more)
    return Lreg(registry, env, home)


@pytest.fixture(scope="session")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running lreg with a private CA."""
    running = start_lreg(tmp_path_factory.mktemp("tls-server"), tls=True)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def zot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running zot; for tests marked with that client."""
    folder = tmp_path_factory.mktemp("zot")
    running = start_zot(folder, folder / "store")
    try:
        yield running
    finally:
        running.process.kill()


@pytest.fixture(params=["server", "tls_server", DISTRIBUTION, ZOT])
def lreg(request: pytest.FixtureRequest, tmp_path: Path) -> Lreg:
    """The command beside lreg, lreg over TLS, registry:2, and zot."""
    return lreg_of(request.getfixturevalue(request.param), tmp_path)


@pytest.fixture
def lreg_here(server: Running, tmp_path: Path) -> Lreg:
    """The command beside lreg alone: for what the registry has no say in."""
    return lreg_of(server, tmp_path)


@pytest.fixture
def lreg_on_distribution(docker_registry: Running, tmp_path: Path) -> Lreg:
    """The command beside registry:2 alone; for tests marked with that client."""
    return lreg_of(docker_registry, tmp_path)


@pytest.fixture
def wire(lreg: Lreg) -> Iterator[Wire]:
    """A connection to the registry that `lreg` means."""
    with lreg.registry.wire() as opened:
        yield opened


@pytest.fixture
def wire_here(server: Running) -> Iterator[Wire]:
    """A connection to the registry that `lreg_here` means."""
    with server.wire() as opened:
        yield opened


@contextmanager
def mirroring(folder: Path, hub: Upstream, quay: Upstream) -> Iterator[Lreg]:
    """Give the command beside a new lreg whose internet are `hub` and `quay`."""
    folder.mkdir()
    running = start_mirror(folder, {"docker.io": hub.url, "quay.io": quay.url})
    try:
        yield lreg_of(running, folder.parent)
    finally:
        running.stop()


@pytest.fixture
def caching(hub: Upstream, quay: Upstream, tmp_path: Path) -> Iterator[Lreg]:
    """The command beside an lreg whose internet are `hub` and `quay`."""
    with mirroring(tmp_path / "mirror", hub, quay) as lreg:
        yield lreg
