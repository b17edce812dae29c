"""The running server: its parts put together, from the first listener to the last response."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

from lreg.registry.app import Registry
from lreg.registry.auth import TOKEN_USER, Accounts, Policy, ensure_token
from lreg.registry.http.server import HttpServer
from lreg.registry.pulls import Pulls
from lreg.registry.records import Records
from lreg.registry.sockets import bind
from lreg.store.filesystem import FilesystemStore
from lreg.upstream.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.config import Config
    from lreg.registry.http.sessions import TlsContext

log = logging.getLogger(__name__)


async def serve(config: Config, ready: Callable[[list[str]], None]) -> None:
    """Serve until SIGTERM or SIGINT; a second SIGINT cuts what is still running then.

    Args:
        config: every setting.
        ready: called once every listener answers, with their URLs.

    Raises:
        UsageError: it can't be served like this, or another lreg took the store; says why.
    """
    _raise_file_limit()
    context = _tls_context(config) if config.has_tls else None
    listeners = bind(config)
    store = FilesystemStore(
        config.store, upload_expiry=config.upload_expiry, reserve=config.disk_reserve
    )
    await store.open()
    mirror = Mirror(config, store)
    pulls = Pulls(config.store / "lreg" / "pulls")
    records = Records(mirror)
    registry = Registry(mirror, _policy(config), records, pulls, allow_delete=config.delete)
    server = HttpServer(registry)
    records.connections.set_function(lambda: len(server.connections))
    stop = _stop_signal(server)
    for sock, endpoint in listeners:
        await server.listen(sock, endpoint, context if endpoint.tls else None)
    urls = [endpoint.url for _, endpoint in listeners]
    log.info("server.ready", extra={"urls": " ".join(urls), "store": str(config.store)})
    ready(urls)
    kept = asyncio.create_task(store.keep())
    await asyncio.wait((stop, kept), return_when=asyncio.FIRST_COMPLETED)
    log.info("server.stopping", extra={"grace": config.grace})
    await server.close(config.grace)
    records.flush()
    await mirror.close()
    await pulls.close()
    kept.cancel()
    await store.close()
    log.info("server.stopped")
    if error := None if kept.cancelled() else kept.exception():
        raise error


def _tls_context(config: Config) -> TlsContext:
    from lreg.registry.identities import tls_context  # noqa: PLC0415 - OpenSSL takes a while

    return tls_context(config)


def _policy(config: Config) -> Policy:
    """Return who may write; make and print a token where nobody could otherwise."""
    exposed = any(not address.is_loopback for address in config.listen)
    token_file = None
    if exposed and config.htpasswd is None and not config.allow_anonymous_push:
        token_file = config.store / "lreg" / "token"
        if token := ensure_token(token_file):
            sys.stderr.write(
                f"writing needs this token, shown only now: {token}\n"
                f"  docker login -u {TOKEN_USER} -p {token} HOST:PORT\n"
            )
        else:
            # It can't be shown again: only its hash is kept.
            log.info("token.kept", extra={"file": str(token_file), "renew": "remove the file"})
    accounts = Accounts(config.htpasswd, token_file)
    return Policy(accounts, open_to_all=config.allow_anonymous_push)


def _stop_signal(server: HttpServer) -> asyncio.Task[bool]:
    stop = asyncio.Event()

    def interrupt() -> None:
        # Who presses Ctrl-C again does not want to wait.
        if stop.is_set():
            server.hurry()
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    # Whoever started it with nohup has said what a hang-up is to do.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, stop.set if _has_terminal() else _hang_up)
    return loop.create_task(stop.wait())


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _hang_up() -> None:
    # Other servers reopen their log or read their settings again: it is no reason to end.
    log.warning("server.hangup", extra={"hint": "the log needs none; for settings restart it"})


def _raise_file_limit() -> None:
    """Allow as many open files as the system lets this process: every connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
