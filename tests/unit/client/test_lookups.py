"""Names that nobody answers for."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from lreg.client.lookups import LookUps
from tests.support.processes import in_time

if TYPE_CHECKING:
    from collections.abc import Iterator


class Names:
    """A DNS: `dead` hangs until `go`, `none` is unknown, all others are found at once."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = threading.Event()

    def look_up(self, host: str, *_: object, **__: object) -> list[object]:
        """Stand in for socket.getaddrinfo."""
        self.asked.append(host)
        if host == "dead":
            assert self.go.wait(600)
        if host in {"dead", "none"}:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return []


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """The DNS of this process."""
    made = Names()
    monkeypatch.setattr(socket, "getaddrinfo", made.look_up)
    yield made
    made.go.set()


async def test_a_name_that_hangs(names: Names) -> None:
    """Hundreds that want a name which hangs hold one thread: other names are found meanwhile."""
    lookups = LookUps()
    waiting = [asyncio.create_task(lookups.find("http://dead:80/v2/", 600)) for _ in range(200)]
    await in_time(lambda: names.asked == ["dead"])
    with pytest.raises(TimeoutError):
        await lookups.find("http://dead/", 0.01)
    await lookups.find("https://alive/", 600)
    names.go.set()
    for ended in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(ended, socket.gaierror)
    assert names.asked == ["dead", "alive"]


async def test_nothing_is_looked_up_twice(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address is none to look up, and a name that was just found neither; an unknown one is."""
    monkeypatch.setattr("lreg.client.lookups._FRESH", 600.0)
    lookups = LookUps()
    for url in ("http://127.0.0.1:5000/", "http://[::1]/", "http://a/", "http://a:81/"):
        await lookups.find(url, 600)
    assert names.asked == ["a"]
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            await lookups.find("http://none/", 600)
    assert names.asked == ["a", "none", "none"]
