"""A 401 is answered with what may help, and what it says of one request counts for that alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from lreg.client.auth import Authorizer, Scope
from lreg.client.credentials import Credentials, Only
from lreg.client.registry import Registry
from lreg.errors import Unauthorized
from lreg.oci.reference import RepositoryName
from tests.fakes.faults import Fault, Reply
from tests.fakes.tokens import Tokens
from tests.unit.client.conftest import HASTE, NAME

if TYPE_CHECKING:
    from lreg.client.credentials import Keyring
    from tests.fakes.upstream import Upstream

BASIC = Reply(401, b"", {"WWW-Authenticate": 'Basic realm="r"'})


class Changing:
    """A keyring whose password changes, as a cloud's helper programs' do every few hours."""

    def __init__(self, *passwords: str) -> None:
        self.passwords = list(passwords)
        self.asked = 0

    async def find(self, host: str, repository: str | None) -> Credentials | None:
        """Return the key of the day."""
        del host, repository
        self.asked += 1
        password = self.passwords.pop(0) if len(self.passwords) > 1 else self.passwords[0]
        return Credentials("me", password)


def client(upstream: Upstream, keyring: Keyring | None = None) -> Registry:
    return Registry(upstream.host, credentials=keyring or Only(None), patience=HASTE)


async def names(registry: Registry, name: str = NAME) -> list[str]:
    return [str(tag) async for tag in registry.repository(RepositoryName.parse(name)).tags()]


@pytest.fixture
def guarded(upstream: Upstream) -> Upstream:
    """A registry that demands tokens for its repositories, and says so only there."""
    upstream.tokens = Tokens(users={"me": "new"})
    upstream.put_image(NAME, "1")
    upstream.script.add("GET", "/v2/", Fault(reply=Reply(200)))
    return upstream


async def test_all_at_once(guarded: Upstream) -> None:
    """Many first requests that are refused together all come back with one token."""
    async with client(guarded) as registry:
        found = await asyncio.gather(*(names(registry) for _ in range(8)))
    assert found == [["1"]] * 8
    assert len(guarded.requests("GET", "/token")) == 1


async def test_revoked_for_all_at_once(guarded: Upstream) -> None:
    """A token that ends early is replaced for everybody who showed it, once or twice."""
    assert guarded.tokens
    async with client(guarded) as registry:
        await names(registry)
        guarded.tokens.issued.clear()
        found = await asyncio.gather(*(names(registry) for _ in range(8)))
    assert found == [["1"]] * 8
    assert len(guarded.requests("GET", "/token")) == 2


async def test_one_repository_refuses(guarded: Upstream) -> None:
    """A repository that is not for us takes nothing from those that are."""
    guarded.put_image("secret/app", "1")
    async with client(guarded) as registry:
        await names(registry)
        refusal = Fault(reply=Reply(401, b"", {"WWW-Authenticate": "Bearer realm=x"}))
        guarded.script.add("GET", "/token?service", Fault(reply=Reply(403)), times=9)
        guarded.script.add("GET", "/secret/", refusal, times=9)
        for _ in range(3):
            with pytest.raises(Unauthorized):
                await names(registry, "secret/app")
            assert await names(registry) == ["1"]
    assert len(guarded.requests("GET", "/tags/list")) >= 5


async def test_one_repository_is_behind_another_door(guarded: Upstream) -> None:
    """Where one repository wants a password the others still get their tokens."""
    async with client(guarded, Only(Credentials("me", "new"))) as registry:
        guarded.script.add("GET", "/other/", Fault(reply=BASIC))
        for _ in range(2):
            guarded.script.add("GET", "/other/", Fault(reply=Reply(200, b'{"tags":["2"]}')))
            assert await names(registry, "other/app") == ["2"]
            assert await names(registry) == ["1"]


async def test_password_changes(guarded: Upstream) -> None:
    """A password that is refused is looked up anew, once."""
    keyring = Changing("old", "new")
    async with client(guarded, keyring) as registry:
        assert await names(registry) == ["1"]
        assert await names(registry) == ["1"]
    assert keyring.asked == 2


async def test_basic_password_changes(upstream: Upstream) -> None:
    """So is one that the registry itself is shown; the same one is not shown twice."""
    keyring = Changing("old", "new")
    async with client(upstream, keyring) as registry:
        upstream.script.add("GET", "/v2/", Fault(reply=BASIC), times=2)
        assert await names(registry) == []
        upstream.script.add("GET", "/tags/", Fault(reply=BASIC), times=9)
        before = len(upstream.seen)
        with pytest.raises(Unauthorized):
            await names(registry)
    assert len(upstream.seen) == before + 1


async def test_much_is_forgotten(upstream: Upstream) -> None:
    """However many repositories are asked for, what is remembered of them stays small."""
    async with client(upstream) as registry:
        await registry.ping()
        authorizer = Authorizer("r", Only(None), registry.connection._transport, insecure=False)
        for n in range(10_000):
            authorizer.refused(
                upstream.url, "Bearer realm=http://127.0.0.1:1/", Scope.of(f"a/{n}"), None
            )
            if n % 1000 == 0:
                with pytest.raises(Exception, match=r"127\.0\.0\.1:1"):
                    await authorizer.header(Scope.of(f"a/{n}"))
        assert len(authorizer._wanted) < 6000
