"""What may happen to a running registry that is not a request."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import signal
import socket
import ssl
import sys
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from typing import TYPE_CHECKING

import pytest

from lreg.certificates import ensure_ca
from lreg.cli.registries import running
from lreg.store.layout import Layout
from lreg.store.lock import StoreLock
from tests.support.disks import Disk, on_small_disk
from tests.support.images import hello
from tests.support.processes import (
    Program,
    attempt,
    clean_environment,
    eventually,
    run,
)
from tests.support.registries import Running, start_lreg
from tests.support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lreg.certificates import CertificateAuthority

UPLOADS = "/v2/app/blobs/uploads/"


HALF = b"PUT /v2/app/manifests/1 HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf"


@pytest.fixture(autouse=True)
def _heeds_hang_ups() -> Iterator[None]:
    """Who starts the tests with nohup has them ignore hang-ups, and so would all they start."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@contextmanager
def started(
    folder: Path, *options: str, few_files: bool = False, tls: bool = False
) -> Iterator[Running]:
    """A registry that at its end exits with 0 and has shown no traceback."""
    inside = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh") if few_files else ()
    registry = start_lreg(folder, *options, inside=inside, tls=tls)
    try:
        yield registry
    finally:
        registry.stop()


def test_the_store_is_removed(tmp_path: Path) -> None:
    """Its folders are made again; who pushes until then is told to try again, nothing is lost."""
    with started(tmp_path) as registry, registry.wire() as wire:
        wire.push("app", hello("before"), "1")
        begun = wire.start_upload("app")
        # At once: the folders may be made again while the old ones are being emptied.
        registry.store.rename(tmp_path / "away")
        wire.ask("GET", "/v2/app/manifests/1").expect(404)
        wire.ask("PATCH", begun, b"into the void").expect(404)
        eventually(lambda: wire.ask("POST", UPLOADS).expect(202, 503).status == 202)
        wire.push("app", hello("after"), "1")
        wire.ask("GET", "/v2/app/manifests/1").expect(200)
        assert "store.remade" in registry.process.log

        found = eventually_running(registry.store)
        assert (found.pid, found.urls) == (registry.process.pid, (registry.url,))
        second = run_serve(tmp_path, registry.store)
        assert second.startswith("lreg: another lreg serves")


def eventually_running(store: Path) -> running.Running:
    """What the server of the store says of itself, once it does."""
    eventually(lambda: running.find(store))
    found = running.find(store)
    assert found
    return found


def run_serve(folder: Path, store: Path) -> str:
    """What `lreg serve` has to say on a store that it may not serve."""
    arguments = ("serve", "--store", str(store), "--listen", "127.0.0.1:0")
    env = clean_environment(folder)
    return attempt(sys.executable, "-m", "lreg", *arguments, env=env).err


def test_another_takes_the_store(tmp_path: Path) -> None:
    """Where another lreg has the folder by then, this one ends and says so: never two on one."""
    registry = start_lreg(tmp_path)
    os.kill(registry.process.pid, signal.SIGSTOP)
    shutil.rmtree(registry.store)
    other = StoreLock(Layout(str(registry.store)))
    other.take()
    try:
        os.kill(registry.process.pid, signal.SIGCONT)
        assert registry.process.wait() == 2
    finally:
        other.release()
    last = registry.process.log.splitlines()[-1]
    assert last.startswith("lreg: another lreg (process ")
    assert "Traceback" not in registry.process.log


@pytest.mark.client("namespaces")
def test_the_disk_of_the_store_goes(tmp_path: Path) -> None:
    """While its disk is away nothing is pushed to what lies below; then it goes on."""
    store = tmp_path / "store"
    registry = start_lreg(tmp_path, store=store, inside=on_small_disk(store, 24))
    beside = ("nsenter", "--mount", "--target", str(registry.process.pid))
    env = clean_environment(tmp_path)
    try:
        with registry.wire() as wire:
            wire.push("app", hello("x"), "1")
            run(*beside, "mount", "-t", "tmpfs", "other", str(store), env=env)
            eventually(lambda: "store.gone" in registry.process.log)
            wire.ask("GET", "/v2/app/manifests/1").expect(404)
            wire.ask("POST", UPLOADS).expect(503)
            run(*beside, "umount", str(store), env=env)
            wire.ask("GET", "/v2/app/manifests/1").expect(200)
            wire.push("app", hello("y"), "2")
    finally:
        registry.stop()
    assert "mount it again" in registry.process.log


@pytest.mark.client("namespaces")
def test_it_starts_on_a_full_disk(tmp_path: Path) -> None:
    """After a reboot, say, it serves what is there, and commands find it, until there is room."""
    store = tmp_path / "store"
    waits = [*on_small_disk(store, 24), "sh", "-c", "echo mounted; exec sleep infinity"]
    holder = Program(waits, tmp_path / "holder.log", clean_environment(tmp_path))
    holder.wait_until(lambda: "mounted" in holder.log)
    inside = ("nsenter", "--mount", "--target", str(holder.pid))
    try:
        first = start_lreg(tmp_path, store=store, inside=inside)
        with first.wire() as wire:
            wire.push("app", hello("x"), "1")
        Disk(first).fill(0)
        first.stop()
        second = start_lreg(tmp_path, store=store, inside=inside)
        found = running.find(Disk(second).root)
        assert found
        assert found.pid == second.process.pid
        with second.wire() as wire:
            wire.ask("GET", "/v2/app/manifests/1").expect(200)
            wire.ask("POST", UPLOADS).expect(507)
            Disk(second).empty()
            wire.push("app", hello("y"), "2")
        second.stop()
    finally:
        holder.kill()


@pytest.mark.parametrize("goes", ["renamed", "removed"])
def test_its_log_file_goes(tmp_path: Path, goes: str) -> None:
    """A log that was rotated or removed goes on in a new file of that name."""
    log = tmp_path / "log"
    with started(tmp_path, "--log-file", str(log)) as registry, registry.wire() as wire:
        wire.ask("GET", "/v2/")
        eventually(lambda: "path=/v2/ " in log.read_text())
        if goes == "renamed":
            log.rename(tmp_path / "log.1")
        else:
            log.unlink()
        wire.ask("GET", "/healthz")
        eventually(lambda: log.exists() and "path=/healthz " in log.read_text())


def test_a_hang_up_is_no_end(tmp_path: Path) -> None:
    """Who sends SIGHUP, as to servers that then reopen their log, does not lose the registry."""
    with started(tmp_path) as registry, registry.wire() as wire:
        os.kill(registry.process.pid, signal.SIGHUP)
        eventually(lambda: "server.hangup" in registry.process.log)
        wire.ask("GET", "/v2/").expect(200)


def test_a_second_interrupt_waits_for_nobody(tmp_path: Path) -> None:
    """Ctrl-C twice ends it at once, whoever is in the middle of a request."""
    registry = start_lreg(tmp_path, "--grace=10m")
    with socket.create_connection(("127.0.0.1", registry.port)) as slow:
        slow.sendall(HALF)
        with registry.wire() as wire:
            wire.ask("GET", "/v2/").expect(200)
        os.kill(registry.process.pid, signal.SIGINT)
        eventually(lambda: "server.stopping" in registry.process.log)
        assert not registry.process.has_ended
        os.kill(registry.process.pid, signal.SIGINT)
        registry.ended()


def test_its_terminal_is_closed(tmp_path: Path) -> None:
    """A registry in a terminal that is closed ends in order."""
    controller, terminal = pty.openpty()
    # The first terminal that a session's leader opens is the one that hangs up on it.
    script = f'exec <{os.ttyname(terminal)}; exec "$@" 2>>{tmp_path}/log'
    arguments = ("serve", "--store", str(tmp_path / "s"), "--listen", "127.0.0.1:0")
    argv = ["sh", "-c", script, "sh", sys.executable, "-m", "lreg", *arguments]
    program = Program(argv, tmp_path / "out", clean_environment(tmp_path), tmp_path)
    program.wait_until(lambda: "listening on" in program.log)
    os.close(terminal)
    os.close(controller)
    assert program.wait() == 0
    assert "server.stopped" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_more_connections_than_files(tls: bool, tmp_path: Path) -> None:
    """Who holds all connections open keeps nobody else out, and the log short."""
    with (
        started(tmp_path, few_files=True, tls=tls) as registry,
        contextlib.ExitStack() as crowd,
    ):
        for _ in range(100):
            crowd.enter_context(socket.create_connection(("127.0.0.1", registry.port)))
        eventually(lambda: "connections.too_many" in registry.process.log)
        eventually(lambda: pushed(registry))
        assert len(registry.process.log) < 100_000


def test_it_stops_among_too_many_connections(tmp_path: Path) -> None:
    """A stop that has to wait is in order too while there are more connections than it can take."""
    with (
        contextlib.ExitStack() as crowd,
        started(tmp_path, "--grace=2s", few_files=True) as registry,
    ):
        connect = partial(socket.create_connection, ("127.0.0.1", registry.port))
        slow = crowd.enter_context(connect())
        slow.sendall(HALF)
        with registry.wire() as wire:
            wire.ask("GET", "/v2/").expect(200)
        for _ in range(100):
            crowd.enter_context(connect())
        eventually(lambda: "connections.too_many" in registry.process.log)


def pushed(registry: Running) -> bool:
    """Whether a push comes through."""
    with contextlib.suppress(OSError, HTTPException, AssertionError), registry.wire() as wire:
        return bool(wire.push("app", hello("x"), "1"))
    return False


def test_its_certificate_is_renewed(tmp_path: Path) -> None:
    """A certificate of one's own that is replaced is shown without a restart, once it is whole."""
    old, new = (ensure_ca(tmp_path / name) for name in ("old", "new"))
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    place(old.issue({"127.0.0.1"}), files)
    arguments = ("--listen", "127.0.0.1:0", "--tls-cert", str(files[0]), "--tls-key", str(files[1]))
    argv = [sys.executable, "-m", "lreg", "serve", "--store", str(tmp_path / "s"), *arguments]
    program = Program(argv, tmp_path / "log", clean_environment(tmp_path), tmp_path)
    program.wait_until(lambda: "listening on https://" in program.log)
    url = program.log.partition("listening on ")[2].split()[0]
    try:
        assert trusts(url, old)
        made = new.issue({"127.0.0.1"})
        place(made[1:], files[1:])
        assert trusts(url, old)
        place(made, files)
        assert trusts(url, new)
        assert not trusts(url, old)
        for file in files:
            file.unlink()
        assert trusts(url, new)
    finally:
        assert program.stop() == 0
    assert "Traceback" not in program.log


def place(made: Sequence[Path], files: Sequence[Path]) -> None:
    """Put new files where the old ones are, each at once, as those do who renew certificates."""
    for source, target in zip(made, files, strict=True):
        shutil.copy(source, target.with_suffix(".new"))
        target.with_suffix(".new").rename(target)


def trusts(url: str, authority: CertificateAuthority) -> bool:
    """Whether who trusts that authority gets an answer."""
    try:
        with Wire(url, authority.path) as wire:
            return wire.ask("GET", "/v2/").status == 200
    except ssl.SSLCertVerificationError:
        return False
