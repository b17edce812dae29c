"""`lreg start`: the registry in the background."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import click

from lreg.cli import running
from lreg.cli.options import as_flags, with_settings
from lreg.errors import LregError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.config import Loaded


@click.command()
@with_settings()
@click.option(
    "--wait", default=30.0, show_default=True, metavar="SECONDS", help="How long it may take."
)
def command(loaded: Loaded, *, wait: float) -> None:
    """Start the registry in the background; return when it answers.

    It survives the shell that started it, not the machine: for that, `lreg service install`. It
    logs to lreg/run/log under the store.
    """
    store = loaded.config.store
    if (already := running.find(store)) is not None:
        raise UsageError(f"it runs already, pid {already.pid}: {' '.join(already.urls)}")
    log = running.run_folder(store) / "log"
    log.parent.mkdir(parents=True, exist_ok=True)
    started = _spawn(as_flags(loaded), log)
    found = _wait(started, store, log, wait)
    for url in found.urls:
        click.echo(f"listening on {url}")
    click.echo(f"store in {store}, log in {log}, pid {found.pid}")


def _spawn(flags: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "lreg", "serve", *flags, "--log-file", str(log)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Its own session: the hang-up of the terminal does not reach it.
            start_new_session=True,
            cwd="/",
        )


def _wait(process: subprocess.Popen[bytes], store: Path, log: Path, wait: float) -> running.Running:
    end = time.monotonic() + wait
    while time.monotonic() < end:
        if (code := process.poll()) is not None:
            raise LregError(f"it ended at once, exit code {code}: {_last_line(log)}")
        found = running.find(store)
        if found is not None and found.pid == process.pid:
            return found
        time.sleep(0.02)
    process.terminate()
    raise LregError(f"it did not answer within {wait:g} s and was stopped; its log is {log}")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("lreg: ") if lines else "it said nothing"
