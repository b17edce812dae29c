"""Tokens by which clients of this registry show who they are."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from lreg.errors import Unauthorized
from lreg.registry.auth import Accounts, Policy

if TYPE_CHECKING:
    from lreg.registry.http.messages import Request


def asks(token: str = "") -> Request:
    """Return a request from another machine that shows a token."""
    headers = {"host": "registry", **({"authorization": f"Bearer {token}"} if token else {})}
    endpoint = SimpleNamespace(trusted=False, tls=True)
    return cast("Request", SimpleNamespace(headers=headers, endpoint=endpoint))


async def test_a_token_of_a_clock_that_was_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is good for its minutes, not for the year by which the clock was ahead."""
    policy = Policy(Accounts(None, None), open_to_all=False)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    token = str((await policy.token(asks()))["token"])
    for set_by, good in ((-60, True), (60, True), (301, False), (-3600, False)):
        monkeypatch.setattr(time, "time", lambda set_by=set_by: now + set_by)
        if good:
            await policy.greet(asks(token))
        else:
            with pytest.raises(Unauthorized, match="get a token"):
                await policy.greet(asks(token))
