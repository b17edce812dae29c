"""`lreg start`, `stop`, `status`, `address`, `ca`: the registry as a program that runs here."""

from __future__ import annotations

import errno
import http.client
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from lreg import certificates, cli
from lreg.cli.registries import running
from tests.support.processes import Said, attempt, clean_environment, free_port, run
from tests.support.registries import Namespace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class Shell:
    """Runs lreg's commands on a store of its own."""

    def __init__(self, folder: Path, inside: Sequence[str] = ()) -> None:
        self.store = folder / "store"
        self._argv = (*inside, sys.executable, "-m", "lreg")
        self.env = clean_environment(folder, LREG_STORE=str(self.store))

    def __call__(self, *arguments: str) -> Said:
        """Run one of them to its end."""
        return attempt(*self._argv, *arguments, env=self.env)

    def state(self) -> running.Running:
        """Return what the running server says of itself."""
        found = running.find(self.store)
        assert found
        return found


@pytest.fixture
def lreg(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    try:
        yield shell
    finally:
        if (found := running.find(shell.store)) is not None:
            running.send(shell.store, found, signal.SIGKILL)


def _status(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status
    finally:
        connection.close()


def test_start_status_stop(lreg: Shell) -> None:
    """A started registry answers when `start` returns, and is gone when `stop` does."""
    port = free_port()
    started = lreg("start", "--listen", f"127.0.0.1:{port}")
    assert started.code == 0, started.err
    url = f"http://127.0.0.1:{port}"
    assert f"listening on {url}\n" in started.out
    assert _status(port) == 200

    status = lreg("status", "--json")
    assert status.code == 0
    told = json.loads(status.out)
    assert told["running"] is True
    assert told["urls"] == [url]
    assert told["store"] == str(lreg.store)
    assert f"running, pid {told['pid']}" in lreg("status").out
    assert lreg("address").out == f"127.0.0.1:{port}\n"

    stopped = lreg("stop")
    assert (stopped.code, stopped.out) == (0, f"stopped, pid {told['pid']}\n")
    with pytest.raises(OSError, match="refused"):
        _status(port)
    assert not (running.run_folder(lreg.store) / "serve.json").read_text().strip()
    assert "server.ready" in (running.run_folder(lreg.store) / "log").read_text()


def test_a_ca_that_ends_soon(lreg: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """`status` says of a CA that ends within half a year when that is, and what to do."""
    monkeypatch.setattr(certificates, "_CA_LIFE", timedelta(days=100, hours=1))
    certificates.ensure_ca(lreg.store / "lreg/ca")
    assert lreg("start", "--tls=auto", f"--listen=127.0.0.1:{free_port()}").code == 0
    assert json.loads(lreg("status", "--json").out)["ca_days_left"] == 100
    said = lreg("status").out
    assert f"the CA ends in 100 days: remove {lreg.store}/lreg/ca, restart" in said


def test_it_is_in_a_session_of_its_own(lreg: Shell) -> None:
    """The end of the shell that started it, and Ctrl-C there, do not reach it."""
    assert lreg("start", "--listen", "127.0.0.1:0").code == 0
    pid = lreg.state().pid
    assert os.getsid(pid) == pid
    assert os.getsid(pid) != os.getsid(0)
    assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"


def test_not_running(lreg: Shell) -> None:
    """Nothing running: `status` is 3, `stop` is no error, `address` says what to do."""
    assert lreg("status").code == 3
    assert json.loads(lreg("status", "--json").out)["running"] is False
    assert lreg("stop").code == 0
    assert lreg("address").err.endswith("`lreg start` one\n")


def test_started_by_several_at_once(lreg: Shell) -> None:
    """One of them starts it; each of the others is told why not, and nobody what others hear."""
    with ThreadPoolExecutor() as threads:
        started = list(threads.map(lambda _: lreg("start", "--listen", "127.0.0.1:0"), range(4)))
    (won,) = (said for said in started if said.code == 0)
    assert won.err == ""
    for said in started:
        if said is not won:
            assert said.code == 2
            assert "another lreg serves" in said.err or "it runs already" in said.err
            assert len(said.err.splitlines()) == 1
    assert sorted(path.name for path in running.run_folder(lreg.store).iterdir()) == [
        *("lock", "log", "serve.json"),
    ]


def test_started_twice(lreg: Shell) -> None:
    """A second start says that it runs, and where."""
    assert lreg("start", "--listen", "127.0.0.1:0").code == 0
    again = lreg("start")
    assert again.code == 2
    assert lreg.state().urls[0] in again.err
    assert again.err.count("\n") == 1


def test_a_taken_port(lreg: Shell) -> None:
    """A taken port is one line that says how to choose another, not a log to search."""
    with running.hold(lreg.store):
        pass
    assert lreg("start", "--listen", "127.0.0.1:0").code == 0
    taken = lreg.state().urls[0].removeprefix("http://")
    other = attempt(
        sys.executable,
        *("-m", "lreg", "start", "--store", f"{lreg.store}2", "--listen", taken),
        env=lreg.env,
    )
    assert other.code == 2
    assert taken in other.err
    assert "--listen" in other.err
    assert other.err.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (("--store", f"{__file__}/store"), ("the store can't be written", "--store")),
        (("--listen", "192.0.2.1:5000"), ("192.0.2.1:5000: this machine has no such", ":5000 is")),
        (
            ("--listen", "127.0.0.1:5000", "--listen", "127.0.0.1:5000"),
            ("another place to listen",),
        ),
    ],
)
@pytest.mark.parametrize("command", ["serve", "start"])
def test_what_can_not_start(
    lreg: Shell, command: str, option: tuple[str, ...], says: tuple[str, ...]
) -> None:
    """Why it can't start is one line, with what to do instead; in the background too."""
    said = lreg(command, *option)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1), said
    assert all(part in said.err for part in says)


@pytest.mark.parametrize("command", ["status", "stop"])
def test_the_store_of_another_user(
    command: str, lreg: Shell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What this user may not see is not called `not running`."""

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("lreg.cli.registries.running.os.open", refuse)
    assert cli.run([command, "--store", str(lreg.store)]) == 1
    assert "for its owner to see" in capsys.readouterr().err


def test_a_kill_leaves_nothing_that_misleads(lreg: Shell) -> None:
    """After a SIGKILL it counts as not running, and can be started again."""
    assert lreg("start", "--listen", "127.0.0.1:0").code == 0
    state = lreg.state()
    running.send(lreg.store, state, signal.SIGKILL)
    while running.is_held(lreg.store):
        pass
    assert lreg("status").code == 3
    assert lreg("start", "--listen", "127.0.0.1:0").code == 0
    assert lreg.state().pid != state.pid


def test_another_program_with_its_pid_is_left_alone(lreg: Shell) -> None:
    """`stop` never signals a process that is not the server, whatever the state file says."""
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        folder = running.run_folder(lreg.store)
        folder.mkdir(parents=True)
        (folder / "lock").touch()
        forged = running.Running(bystander.pid, ("http://127.0.0.1:1",), 0.0, "0", 0.0)
        running.announce(lreg.store, forged)
        assert lreg("stop").code == 0
        running.send(lreg.store, forged, signal.SIGTERM)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_new_token_is_shown_and_kept_nowhere(lreg: Shell) -> None:
    """What gives the right to write is printed to who started it, and lies in no log."""
    started = lreg("start", "--listen", "0.0.0.0:0")
    assert started.code == 0
    assert "token" in started.err
    token = started.err.split("now: ")[1].split()[0]
    for file in lreg.store.rglob("*"):
        if file.is_file():
            assert token not in file.read_text(errors="replace"), file


def test_addresses_for_others(lreg: Shell) -> None:
    """`address` gives scripts something to put into an image's name, for either family."""
    assert lreg("start", "--listen", "127.0.0.1:0", "--listen", "[::1]:0").code == 0
    four, six = lreg.state().urls
    said = lreg("address")
    assert f"http://{said.out}" == f"{four}\n"
    assert "only this machine" in said.err
    assert f"http://{lreg('address', '-6').out}" == f"{six}\n"


def test_an_address_of_the_other_family(lreg: Shell) -> None:
    """An IPv6 address that is not there is not made up."""
    assert lreg("start", "--listen", "127.0.0.1:0").code == 0
    said = lreg("address", "-6")
    assert said.code == 1
    assert "no IPv6 address" in said.err


def test_the_ca(lreg: Shell) -> None:
    """`lreg ca` says how to get one, then prints the one that `--tls auto` made."""
    before = lreg("ca")
    assert before.code == 1
    assert "--tls auto" in before.err
    assert lreg("start", "--listen", "127.0.0.1:0", "--tls", "auto").code == 0
    pem = lreg("ca").out
    assert pem.startswith("-----BEGIN CERTIFICATE-----\n")
    assert pem.count("BEGIN") == 1
    assert lreg("ca", "--path").out.strip() == lreg.state().ca


@pytest.mark.client("curl")
def test_plain_and_encrypted_listeners_in_one_server(lreg: Shell) -> None:
    """One server speaks HTTP and HTTPS; `status` tells which where, `address` a plain one."""
    places = [f"{scheme}127.0.0.1:{free_port()}" for scheme in ("https://", "", "http://")]
    started = lreg("start", *(word for place in places for word in ("--listen", place)))
    assert started.code == 0, started.err
    encrypted, bare, plain = lreg.state().urls
    assert [encrypted, bare, plain] == [places[0], f"http://{places[1]}", places[2]]
    assert all(f"listening on {url}\n" in lreg("status").out for url in lreg.state().urls)
    assert f"http://{lreg('address').out}" == f"{bare}\n"
    trust = ("--cacert", lreg("ca", "--path").out.strip())
    for url in (encrypted, bare, plain):
        said = attempt("curl", "--silent", "--show-error", *trust, f"{url}/v2/", env=lreg.env)
        assert (said.out, said.err) == ("{}", "")


def test_config_show_and_path(lreg: Shell, tmp_path: Path) -> None:
    """`config show` names each value's origin and prints a file that can be used."""
    shown = lreg("config", "show", "--listen", ":5001")
    lines = shown.out.splitlines()
    assert any(f'store = "{lreg.store}"' in line and "# $LREG_STORE" in line for line in lines)
    assert any('listen = [":5001"]' in line and "# --listen" in line for line in lines)
    file = tmp_path / "copy.toml"
    file.write_text(shown.out)
    again = json.loads(lreg("config", "show", "--json", "--config", str(file)).out)
    assert again["listen"] == {"value": [":5001"], "origin": str(file)}
    assert lreg("config", "path", "--config", str(file)).out == f"{file}\n"


@pytest.mark.client("namespaces")
def test_an_address_for_a_wildcard(tmp_path: Path) -> None:
    """Listening everywhere, the address is the one towards the world, or the lack of it is said."""
    network = Namespace(tmp_path)
    shell = Shell(tmp_path, inside=network.prefix)
    try:
        assert shell("start", "--listen", "0.0.0.0:0").code == 0
        assert "no route to anywhere" in shell("address").err
        route = ("ip", "route", "add", "default", "dev", "lo", "src", network.address)
        run(*network.prefix, *route, env=shell.env)
        port = shell.state().urls[0].rpartition(":")[2]
        said = shell("address")
        assert (said.out, said.err) == (f"{network.address}:{port}\n", "")
        assert shell("stop").code == 0
    finally:
        network.close()
