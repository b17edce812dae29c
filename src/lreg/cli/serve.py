"""`lreg serve`: the registry in the foreground."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lreg import __version__
from lreg.cli.options.settings import with_settings
from lreg.cli.registries import running
from lreg.cli.registries.target import reachable
from lreg.config import CA_FILE
from lreg.errors import LregError, UsageError

if TYPE_CHECKING:
    from lreg.config import Config, Loaded

log = logging.getLogger(__name__)

# What pulls an image, the likeliest first. Docker asks no certificate of loopback.
_PULLS = {
    "docker": "docker pull",
    "podman": "podman pull --tls-verify=false",
    "skopeo": "skopeo inspect --tls-verify=false",
}
# The log writes its lines in bunches, and the example's push must not push up what is to be read.
_AFTER_LOG = 0.5
_LOOK_EVERY = 1.0


@click.command(epilog="Example: lreg serve --store /srv/images --listen :5000 --tls auto")
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
    with running.hold(config.store) as held:
        set_up(config.log_level, config.log_format, log_file)
        try:
            asyncio.run(_serve(config, held, example, log_file))
        except (LregError, OSError):
            raise
        except Exception:
            # In the background nobody reads what it would say on stderr.
            log.exception("server.crashed")
            raise


async def _serve(
    config: Config, held: running.Hold, example: Path | None, log_file: Path | None
) -> None:
    from lreg.registry.server import serve  # noqa: PLC0415

    ca = config.ca_folder / CA_FILE if config.has_ca else None
    is_new = _is_empty(config.store)
    beside: set[asyncio.Task[None]] = set()

    def ready(urls: list[str]) -> None:
        said = running.Running(
            pid=os.getpid(),
            urls=tuple(urls),
            started=time.time(),
            version=__version__,
            grace=config.grace,
            ca=str(ca) if ca else None,
            log=str(log_file.absolute()) if log_file else None,
        )
        is_announced = _announced(config.store, said)
        beside.add(asyncio.create_task(_keep_announced(config.store, held, said, is_announced)))
        _tell_systemd()
        for url in urls:
            click.echo(f"listening on {url}")
        click.echo(f"store in {config.store}")
        if ca:
            click.echo(f"CA in {ca} (`lreg ca` prints it)")
        if example is not None and (base := reachable(urls)):
            beside.add(asyncio.create_task(_show(base, ca, example if is_new else None)))
        sys.stdout.flush()

    try:
        await serve(config, ready)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


def _announced(store: Path, said: running.Running) -> bool:
    # Serving what is there matters more than being found by the commands beside it.
    try:
        running.announce(store, said)
    except OSError as error:
        log.warning("server.not_announced", extra={"error": str(error)})
        return False
    return True


async def _keep_announced(
    store: Path, held: running.Hold, said: running.Running, is_announced: bool
) -> None:
    """Let the commands find this server, also where somebody removes the store under it."""
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        # Where it can't be held, the store says so in the log, and it is tried again.
        with suppress(UsageError, OSError):
            if await asyncio.to_thread(held.renew) or not is_announced:
                running.announce(store, said)
                is_announced = True


async def _show(url: str, ca: Path | None, example: Path | None) -> None:
    """Push the example if there is one to push, then print three lines to try."""
    host = url.partition("://")[2]
    image = f"{host}/IMAGE"
    if example is not None:
        from lreg.cli.building.example import push_example  # noqa: PLC0415

        try:
            image = str(await push_example(url, example, ca=ca))
        except LregError as error:
            click.echo(f"lreg: the example was not pushed: {error}", err=True)
        await asyncio.sleep(_AFTER_LOG)
    trust = f" --cacert {ca}" if ca and url.startswith("https://") else ""
    tools = [tool for tool in _PULLS if shutil.which(tool)] or list(_PULLS)
    click.echo(
        "try, in another shell:\n"
        f"  curl{trust} {url}/v2/_catalog\n"
        f"  {_lreg()} ls\n"
        f"  {_PULLS[tools[0]]} {image}",
    )
    sys.stdout.flush()


def _lreg() -> str:
    """Return how this program is called by who stands in the current folder."""
    program = Path(sys.argv[0])
    if shutil.which("lreg") or program.name != "lreg":
        return "lreg"
    return os.path.relpath(program)


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
