"""What tests of every kind share: real clients, said loudly when missing, and real registries."""

from __future__ import annotations

import gc
import os
import re
import signal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.fakes.stage import Stage
from tests.fakes.upstream import Upstream
from tests.support import clients
from tests.support.daemons import Docker
from tests.support.needs import NEEDS
from tests.support.registries import Namespace, Running, start_docker_registry, start_lreg
from tests.tools import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.clients import Client

# How long an example takes is the machine's affair.
settings.register_profile("lreg", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# `make test` tries a hundred of each.
settings.register_profile("quick", parent=settings.get_profile("lreg"), max_examples=25)
settings.load_profile("quick" if os.environ.get("QUICK") == "true" else "lreg")

MISSING = pytest.StashKey[dict[str, str]]()

# Where the files are that take longest: so that none of them is the last to begin.
LONG = (
    "vm",
    "nodes",
    "crash",
    "unit/store",
    "server",
    "clients",
    "upstream",
    "contract",
    "interop",
)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MISSING] = {}
    # To look for garbage among tests that all stay takes a quarter of the time to collect them.
    gc.disable()
    # Who starts this in a script's background has it ignore Ctrl-C, and so would all it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long."""

    @cache
    def place(folder: Path) -> int:
        inside = folder.relative_to(Path(__file__).parent)
        return next((at for at, long in enumerate(LONG) if inside.is_relative_to(long)), len(LONG))

    items.sort(key=lambda item: place(item.path.parent))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Look for garbage among what is made from here on."""
    gc.freeze()
    gc.enable()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let xdist's worker, where this is one, tell what it missed."""
    if output := getattr(session.config, "workeroutput", None):
        output["missing"] = session.config.stash[MISSING]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear what a worker of xdist's missed; one that crashed says nothing."""
    node.config.stash[MISSING] |= getattr(node, "workeroutput", {}).get("missing", {})


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Hold a test back whose client is missing; in CI that is a failure."""
    for marker in item.iter_markers("client"):
        for name in marker.args:
            if why := NEEDS[name].lacks():
                item.config.stash[MISSING][name] = why
                if os.environ.get("CI") == "true":
                    pytest.fail(f"CI=true, and {name}: {why}", pytrace=False)
                pytest.skip(f"{name}: {why}")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say loudly which clients were missing: their tests promise nothing about this run."""
    if missing := config.stash[MISSING]:
        terminalreporter.section("MISSING CLIENTS: their tests did not run", red=True, bold=True)
        for name, why in sorted(missing.items()):
            terminalreporter.line(f"{name}: {why}", red=True, bold=True)


@pytest.fixture
def repository(request: pytest.FixtureRequest) -> str:
    """A repository name that no other test uses."""
    return "tests/" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """Where fakes run."""
    with Stage() as made:
        yield made


@pytest.fixture
def hub(stage: Stage) -> Iterator[Upstream]:
    """A docker.io of the test's own."""
    made = stage.enter(Upstream("127.0.0.5"))
    yield made
    stage.leave(made)


@pytest.fixture
def quay(stage: Stage) -> Iterator[Upstream]:
    """A quay.io of the test's own."""
    made = stage.enter(Upstream("127.0.0.6"))
    yield made
    stage.leave(made)


@pytest.fixture(scope="session", params=["http", "tls"])
def registry(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A running lreg, over plain HTTP and over TLS."""
    scheme: str = request.param
    running = start_lreg(tmp_path_factory.mktemp(f"lreg-{scheme}"), tls=scheme == "tls")
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running docker-registry of Debian's; for tests marked with that client."""
    folder = tmp_path_factory.mktemp("docker-registry")
    running = start_docker_registry(folder, folder / "store")
    try:
        yield running
    finally:
        running.process.kill()


@pytest.fixture(scope="session")
def namespace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """A network namespace; for tests marked with the client `namespaces`."""
    made = Namespace(tmp_path_factory.mktemp("namespace"))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def skopeo(tmp_path: Path) -> Client:
    """A skopeo."""
    return clients.skopeo(tmp_path / "skopeo")


@pytest.fixture(scope="session")
def dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """A dockerd of the tests' own."""
    daemon = Docker(tmp_path_factory.mktemp("docker") / "d")
    try:
        yield daemon
    finally:
        daemon.close()


@pytest.fixture(scope="session")
def dockerd29(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """A dockerd with the containerd image store; for tests marked with the client `Docker 29`."""
    programs = [build(name) for name in ("dockerd", "containerd")]
    options = ("--ip6tables=false", "--userland-proxy=false")
    daemon = Docker(tmp_path_factory.mktemp("docker29") / "d", *options, programs=programs)
    try:
        yield daemon
    finally:
        daemon.close()
