"""`lreg start`: the registry in the background."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import click

from lreg.cli.options.settings import as_flags, with_settings
from lreg.cli.registries import running
from lreg.errors import LregError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.config import Loaded


@click.command(epilog="Example: lreg start --listen :5000")
@with_settings()
@click.option(
    "--wait", default=30.0, metavar="SECONDS", help="How long it may take.  [default: 30]"
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
    # What it says besides its log is for who started it only: a new token may be in it. No file, so
    # that it starts on a full disk too.
    said = os.memfd_create("lreg-stderr")
    try:
        found = _wait(_spawn(as_flags(loaded), log, said), store, said, wait)
        click.echo(_content(said), err=True, nl=False)
    finally:
        os.close(said)
    for url in found.urls:
        click.echo(f"listening on {url}")
    click.echo(f"store in {store}\nlog in {log}")


def _spawn(flags: list[str], log: Path, stderr: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "lreg", "serve", *flags, "--log-file", str(log)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        # Its own session: the hang-up of the terminal does not reach it.
        start_new_session=True,
        cwd="/",
    )


def _wait(process: subprocess.Popen[bytes], store: Path, said: int, wait: float) -> running.Running:
    end = time.monotonic() + wait
    while time.monotonic() < end:
        if (code := process.poll()) is not None:
            last = _content(said).strip().rpartition("\n")[2].removeprefix("lreg: ")
            kind = UsageError if code == UsageError.exit_code else LregError
            raise kind(last or f"it ended at once with exit code {code}")
        found = running.find(store)
        if found is not None and found.pid == process.pid:
            return found
        time.sleep(0.02)
    process.terminate()
    raise LregError(f"it did not answer within {wait:g} s and was stopped")


def _content(fd: int) -> str:
    return os.pread(fd, 1 << 16, 0).decode(errors="replace")
