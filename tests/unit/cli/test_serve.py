"""`lreg serve`: what it says, and to whom, once it answers."""

from __future__ import annotations

import json
import logging
import socket
import sys
from pathlib import Path

import pytest

from lreg import cli
from lreg.cli.registries import running
from tests.support.processes import Program, attempt, clean_environment, free_port, listens

EXAMPLE = Path(__file__).parents[3] / "examples" / "hello"


def _serve(folder: Path, *options: str, **environ: str) -> tuple[Program, int]:
    port = free_port()
    program = Program(
        [
            *(sys.executable, "-m", "lreg", "serve", "--store", str(folder / "store")),
            *("--listen", f"127.0.0.1:{port}", *options),
        ],
        folder / "log",
        clean_environment(folder, **environ),
        folder,
    )
    program.wait_until(lambda: listens(port) and running.find(folder / "store") is not None)
    return program, port


def _ls(folder: Path) -> list[str]:
    env = clean_environment(folder, LREG_STORE=str(folder / "store"))
    return attempt(sys.executable, "-m", "lreg", "ls", env=env).out.split()


@pytest.mark.parametrize("mode", [(), ("--tls", "auto")])
def test_the_example_goes_into_an_empty_store(tmp_path: Path, mode: tuple[str, ...]) -> None:
    """A new registry has something in it to pull, and says how; TLS or not."""
    program, port = _serve(tmp_path, "--example", str(EXAMPLE), *mode)
    try:
        program.wait_until(lambda: "/hello:latest\n" in program.log)
        scheme = "https" if mode else "http"
        assert f"listening on {scheme}://127.0.0.1:{port}\n" in program.log
        assert f"{scheme}://127.0.0.1:{port}/v2/_catalog\n" in program.log
        assert "lreg ls\n" in program.log
        assert _ls(tmp_path) == ["hello:latest", "pushed"]
    finally:
        assert program.stop() == 0


def test_the_example_stays_out_of_a_store_in_use(tmp_path: Path) -> None:
    """An image that was removed does not come back, and nothing of the user's is replaced."""
    (tmp_path / "store/docker/registry/v2/repositories/mine").mkdir(parents=True)
    program, _ = _serve(tmp_path, "--example", str(EXAMPLE))
    try:
        program.wait_until(lambda: "lreg ls\n" in program.log)
        assert _ls(tmp_path) == []
    finally:
        assert program.stop() == 0


def test_systemd_is_told_when_it_answers(tmp_path: Path) -> None:
    """Under Type=notify whatever is ordered after lreg starts when it answers, not before."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        program, _ = _serve(tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify"))
        try:
            assert systemd.recv(100) == b"READY=1"
        finally:
            program.stop()


def test_a_json_log_is_json(tmp_path: Path) -> None:
    """Every line of a JSON log is one object with a time, a level and an event."""
    program, port = _serve(tmp_path, "--log-format", "json", "--log-file", str(tmp_path / "events"))
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert program.stop() == 0
    events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    assert all(event["time"] and event["level"] for event in events)
    assert [event["event"] for event in events][::3] == ["server.ready", "server.stopped"]


def test_a_store_that_cannot_be_made(tmp_path: Path) -> None:
    """A store in an impossible place is said in one line."""
    (tmp_path / "file").touch()
    said = attempt(
        *(sys.executable, "-m", "lreg", "serve", "--listen", "127.0.0.1:0"),
        *("--store", str(tmp_path / "file" / "store")),
        env=clean_environment(tmp_path),
    )
    assert said.code in (1, 2)
    assert said.err.startswith("lreg: ")
    assert said.err.count("\n") == 1


def test_a_crash_is_in_the_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a bug ends in the background is told by its log: nobody reads its stderr."""

    async def crash(*_: object) -> None:
        raise RuntimeError("boom")

    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    root.handlers[:] = []
    monkeypatch.setattr("lreg.registry.server.serve", crash)
    log = tmp_path / "log"
    try:
        with pytest.raises(RuntimeError):
            cli.run(["serve", "--store", str(tmp_path / "store"), "--log-file", str(log)])
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:], root.level, logging.raiseExceptions = before
    assert "server.crashed" in log.read_text()
    assert "boom" in log.read_text()
