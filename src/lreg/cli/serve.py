"""`lreg serve`: the registry in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lreg import __version__
from lreg.cli import running
from lreg.cli.options import with_settings

if TYPE_CHECKING:
    from lreg.config import Config, Loaded

log = logging.getLogger(__name__)


@click.command()
@with_settings()
@click.option(
    "--example",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Into an empty store, build and push the image of this folder.",
)
@click.option("--log-file", type=click.Path(path_type=Path), hidden=True)
def command(loaded: Loaded, *, example: Path | None, log_file: Path | None) -> None:
    """Serve the registry in the foreground until SIGINT or SIGTERM."""
    from lreg.log import set_up  # noqa: PLC0415 -- `lreg --help` needs none of it

    config = loaded.config
    set_up(config.log_level, config.log_format, log_file)
    with running.hold(config.store):
        asyncio.run(_serve(config, example, log_file))


async def _serve(config: Config, example: Path | None, log_file: Path | None) -> None:
    from lreg.registry.server import serve  # noqa: PLC0415

    pushes: set[asyncio.Task[None]] = set()
    is_new = example is not None and _is_empty(config.store)

    def ready(urls: list[str]) -> None:
        running.announce(
            config.store,
            running.Running(
                pid=os.getpid(),
                urls=tuple(urls),
                started=time.time(),
                version=__version__,
                grace=config.grace,
                ca=str(config.ca_folder / "ca.pem") if config.tls == "auto" else None,
                log=str(log_file.absolute()) if log_file else None,
            ),
        )
        _tell_systemd()
        for url in urls:
            click.echo(f"listening on {url}")
        click.echo(f"store in {config.store}")
        if config.tls == "auto":
            click.echo(f"CA in {config.ca_folder / 'ca.pem'} (`lreg ca` prints it)")
        sys.stdout.flush()
        if example is not None:
            push = asyncio.create_task(_show(urls[0], example if is_new else None))
            pushes.add(push)
            push.add_done_callback(pushes.discard)

    await serve(config, ready)
    for push in pushes:
        push.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await push


async def _show(url: str, example: Path | None) -> None:
    """Push the example if there is one to push, then print what to try."""
    if example is not None:
        from lreg.cli.example import push_example  # noqa: PLC0415
        from lreg.errors import LregError  # noqa: PLC0415

        try:
            await push_example(url, example)
        except LregError as error:
            click.echo(f"lreg: the example was not pushed: {error}", err=True)
            return
    host = url.partition("://")[2]
    click.echo(
        "in another shell:\n"
        f"  curl {url}/v2/_catalog\n"
        "  lreg ls\n"
        f"  skopeo inspect --tls-verify=false docker://{host}/hello:latest"
    )


def _is_empty(store: Path) -> bool:
    try:
        return not any((store / "docker/registry/v2/repositories").iterdir())
    except OSError:
        return True


def _tell_systemd() -> None:
    # sd_notify(3): Type=notify units wait for this.
    if path := os.environ.get("NOTIFY_SOCKET"):
        name = "\0" + path[1:] if path.startswith("@") else path
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"READY=1", name)
