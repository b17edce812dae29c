"""The command line as a whole: help, errors, exit codes, and how long it takes."""

from __future__ import annotations

import errno
import importlib
import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from lreg import cli
from lreg.errors import BlobUnknown, LregError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`lreg --help` lists all there is, with a line each."""
    assert cli.run(["--help"]) == 0
    said = capsys.readouterr().out
    for name, (_, line) in cli.COMMANDS.items():
        assert f"  {name} " in said
        assert line in " ".join(said.split())


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command that is listed exists and explains itself."""
    assert cli.run([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: lreg {name}")


def test_help_is_quick() -> None:
    """`lreg --help` answers in under 150 ms: it imports no command.

    Counted in seconds of CPU, so that what else runs on the machine does not matter.
    """

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "lreg", "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(once() for _ in range(7)) < 0.150


def test_help_imports_no_server_and_no_client() -> None:
    """What makes a start slow is loaded by those commands only that use it."""
    heavy = "h11 asyncio cryptography rich bcrypt prometheus_client lreg.config tomllib"
    code = (
        "import sys; from lreg import cli; cli.run(['--help']); "
        f"print(*(set({heavy.split()!r}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stderr.strip() == ""


def test_nothing_given_is_help_and_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """`lreg` alone shows the help, where errors go."""
    assert cli.run([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Usage: lreg")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sevre"], "no command 'sevre'; the nearest is 'serve' (lreg --help says more)"),
        (["node", "emti"], "no command 'emti'; the nearest is 'emit' (lreg node --help says more)"),
        (["serve", "--storre", "x"], "No such option '--storre'"),
        (["serve", "--grace", "soon"], "--grace: 'soon' is not a duration"),
        (["config", "show", "--listen", "x"], "--listen: 'x' is no place to listen"),
        (["completion", "tcsh"], "tcsh"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake is said in one line on stderr, exit code 2."""
    assert cli.run(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("lreg: ")
    assert said.err.count("\n") == 1
    assert says in said.err


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (LregError("broken: mend it"), 1, "lreg: broken: mend it\n"),
        (UsageError("not so"), 2, "lreg: not so\n"),
        (BlobUnknown(), 4, "lreg: The repository does not hold this blob.\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1, "lreg: /x: Permission"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1, ""),
    ],
)
def test_exit_codes(
    error: BaseException,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Each kind of failure has its exit code for scripts, and never a traceback."""

    def fail() -> None:
        raise error

    failing = click.command()(fail)
    monkeypatch.setattr(importlib.import_module("lreg.cli.ca"), "command", failing)
    try:
        got: object = cli.run(["ca"])
    except SystemExit as exited:
        got = exited.code
    assert got == code
    said = capfd.readouterr().err
    assert said.strip("\n").startswith(says.strip("\n"))
    assert "Traceback" not in said


def test_a_reader_that_leaves_is_no_error() -> None:
    """`lreg … | head -1` says nothing on stderr."""
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m lreg config show --help | head -1; sleep 0.3"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("Usage")
    assert done.stderr == ""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`lreg --version` says the version."""
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("lreg 0.")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The completion script of each shell asks lreg itself."""
    assert cli.run(["completion", shell]) == 0
    assert f"_LREG_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_completion_completes(tmp_path: Path) -> None:
    """In a real bash, `lreg st<TAB>` offers start, stop and status."""
    program = tmp_path / "lreg"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m lreg "$@"\n')
    program.chmod(0o755)
    asked = (
        f'PATH={tmp_path}:$PATH; eval "$(lreg completion bash)"; '
        "COMP_WORDS=(lreg st) COMP_CWORD=1; _lreg_completion lreg; "
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "-c", asked], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["start", "stop", "status"]


def test_end_of_a_process(tmp_path: Path) -> None:
    """All that was printed is out, and temporary folders are gone, when a command has ended."""
    code = (
        "import tempfile; from lreg import cli; kept = []; cli.conclude(lambda: "
        "kept.append(tempfile.TemporaryDirectory(dir='.')) or print('said', end='') or 7)"
    )
    with (tmp_path / "out").open("wb") as out:
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, stdout=out, check=False)
    assert done.returncode == 7
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_text() == "said"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "call", ["cli.run(['--help'])", "seed.run(['help'])", "cli.exit_code(lambda: print('said'))"]
)
def test_nowhere_to_print(call: str, unbuffered: str) -> None:
    """A full disk that output goes to is an error, in a line."""
    code = f"from lreg import cli; from lreg.cli import seed; cli.conclude(lambda: {call})"
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.endswith(b": No space left on device\n")
    assert done.stderr.count(b"\n") == 1
