"""What an application's answer comes to, whatever goes wrong on the way to it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from lreg.registry.http.messages import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from lreg.registry.http.messages import Application, Request

log = logging.getLogger(__name__)

GIVEN_UP = "it was given up on"
"""What a request's log line says where the server ended it."""


def begun(application: Application, request: Request) -> Response | Awaitable[Response]:
    """Return the application's answer, or 500 and a line in the log where it has a bug."""
    try:
        return application.handle(request)
    except Exception:  # noqa: BLE001 - a bug is answered, whatever it is
        return _failed(request)


async def settled(request: Request, answer: Response | Awaitable[Response]) -> Response:
    """Return the response of an answer that may have to be waited for; never raise."""
    try:
        return answer if isinstance(answer, Response) else await answer
    except asyncio.CancelledError:
        # By the server, which then has no connection any more, or what it waited for ended.
        return Response(503, {"Retry-After": "1"}, fields={"broken": GIVEN_UP})
    except Exception:  # noqa: BLE001 - a bug is answered, whatever it is
        return _failed(request)


def log_bug(request: Request) -> None:
    """Log the exception that is being handled."""
    extra = {"method": request.method, "path": request.path}
    log.exception("request.failed", extra=extra)  # noqa: LOG004 - called by handlers only


def _failed(request: Request) -> Response:
    log_bug(request)
    text = b'{"errors":[{"code":"UNKNOWN","message":"a bug in lreg: its log says more"}]}'
    return Response(500, {"Content-Type": "application/json"}, (text,))
