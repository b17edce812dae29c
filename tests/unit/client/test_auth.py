"""Tokens: asked for when needed, kept until they end, shown to nobody else."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from lreg.client.auth import Authorizer, Scope
from lreg.client.challenges import parse_challenges, trusted_realm
from lreg.client.credentials import Credentials, Only
from lreg.client.registry import Registry
from lreg.client.transport import Transport
from lreg.errors import BlobUnknown, TransferBroken, Unauthorized
from tests.fakes.faults import Fault, Reply
from tests.fakes.tokens import Tokens
from tests.fakes.upstream import Upstream
from tests.unit.client.conftest import HASTE, NAME

if TYPE_CHECKING:
    from lreg.client.repository import RemoteRepository

ME = Credentials("me", "s3cret")


def client(upstream: Upstream, credentials: Credentials | None = ME) -> Registry:
    return Registry(upstream.host, credentials=Only(credentials), patience=HASTE)


def alpine(registry: Registry, upstream: Upstream) -> RemoteRepository:
    return registry.repository(upstream.repository(NAME))


async def names(repository: RemoteRepository) -> list[str]:
    return [str(tag) async for tag in repository.tags()]


@pytest.fixture
def guarded(upstream: Upstream) -> Upstream:
    """A registry with one image that demands tokens; pulling needs no name."""
    upstream.tokens = Tokens(users={"me": "s3cret"}, refresh={"identity": "me"})
    upstream.put_image(NAME, "1", b"layer")
    return upstream


HUB = {"realm": "https://a/token", "service": "r", "scope": "repository:a/b:pull,push"}
WRITTEN = "Bearer " + ",".join(f'{name}="{value}"' for name, value in HUB.items())


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        (WRITTEN, [("bearer", HUB)]),
        ('Basic realm="a \\"b\\", c"', [("basic", {"realm": 'a "b", c'})]),
        (
            "Basic realm=x, Bearer realm = y ,service=z",
            [("basic", {"realm": "x"}), ("bearer", {"realm": "y", "service": "z"})],
        ),
        ("Negotiate, Basic", [("negotiate", {}), ("basic", {})]),
        ("", []),
        ('"', []),
    ],
)
def test_challenges(header: str, challenges: list[tuple[str, dict[str, str]]]) -> None:
    """Challenges are read as RFC 9110 writes them, several in one header too."""
    assert [(one.scheme, one.parameters) for one in parse_challenges(header)] == challenges


@pytest.mark.parametrize(
    ("realm", "registry", "insecure", "trusted"),
    [
        ("https://auth.docker.io/token", "https://registry-1.docker.io", False, True),
        ("https://r.example/token", "https://r.example", False, True),
        ("http://r.example/token", "https://r.example", False, False),
        ("http://r.example/token", "https://r.example", True, False),
        ("http://127.0.0.1/token", "https://r.example", False, False),
        ("https://auth.example/token", "http://r.example", True, True),
        ("http://r.example:81/token", "http://r.example", True, True),
        ("http://other.example/token", "http://r.example", True, False),
        ("http://127.0.0.1:1/token", "http://localhost:2", False, True),
        ("http://127.0.0.1:1/token", "http://r.example", True, False),
        ("https://me:pw@r.example/token", "https://r.example", False, False),
        ("ftp://r.example/token", "https://r.example", False, False),
        ("/token", "https://r.example", False, False),
        ("", "https://r.example", False, False),
    ],
)
def test_realms(realm: str, registry: str, insecure: bool, trusted: bool) -> None:
    """A realm gets credentials where TLS vouches for it, or where it is the registry itself."""
    assert trusted_realm(realm, registry, insecure=insecure) is trusted


async def test_anonymous(guarded: Upstream) -> None:
    """A public image is pulled without a name, by a token that nobody asked us for."""
    async with client(guarded, None) as registry:
        assert await names(alpine(registry, guarded)) == ["1"]
        with pytest.raises(Unauthorized, match="docker login"):
            await alpine(registry, guarded).push_blob(guarded.put_blob("x", b"x"), b"x")
    (request, *_) = guarded.requests("GET", "/token")
    assert "authorization" not in request.headers
    assert "scope=repository%3Alibrary%2Falpine%3Apull" in request.target
    assert f"service=127.0.0.1%3A{guarded.port}" in request.target


async def test_with_credentials(guarded: Upstream) -> None:
    """A name and a password get what they allow; the registry itself never sees them."""
    async with client(guarded) as registry:
        repository = alpine(registry, guarded)
        await repository.push_blob(guarded.put_blob("x", b"x"), b"x")
        assert await names(repository) == ["1"]
        assert [str(name) async for name in registry.catalog()] == [NAME, "x"]
    for seen in guarded.seen:
        basic = seen.headers.get("authorization", "").startswith("Basic")
        assert basic is (seen.path == "/token")


async def test_token_is_kept(guarded: Upstream) -> None:
    """One token serves every request of its scope, and no request is refused first."""
    async with client(guarded, None) as registry:
        for _ in range(3):
            await names(alpine(registry, guarded))
    assert len(guarded.requests("GET", "/token")) == 1
    assert len(guarded.requests("GET", "/tags/list")) == 3


async def test_token_ends(guarded: Upstream) -> None:
    """A token at its end is replaced before it is refused; one that is refused early, after."""
    assert guarded.tokens
    guarded.tokens.life = 1
    async with client(guarded, None) as registry:
        await names(alpine(registry, guarded))
        await names(alpine(registry, guarded))
        assert len(guarded.requests("GET", "/tags/list")) == 2
        assert len(guarded.requests("GET", "/token")) == 2
        guarded.tokens.life = 300
        await names(alpine(registry, guarded))
        guarded.tokens.issued.clear()
        assert await names(alpine(registry, guarded)) == ["1"]
    assert len(guarded.requests("GET", "/tags/list")) == 5


async def test_identity_token(guarded: Upstream) -> None:
    """An identity token is shown by OAuth2's refresh, in a body, and never as a password."""
    async with client(guarded, Credentials(identity_token="identity")) as registry:
        repository = alpine(registry, guarded)
        await repository.push_blob(guarded.put_blob("x", b"x"), b"x")
    (request,) = guarded.requests("POST", "/token")
    assert b"grant_type=refresh_token" in request.body
    assert b"refresh_token=identity" in request.body
    assert not guarded.requests("GET", "/token")


async def test_wrong_password(guarded: Upstream) -> None:
    """Wrong credentials are said to be that, with the way to better ones, and not their text."""
    async with client(guarded, Credentials("me", "wr0ng")) as registry:
        with pytest.raises(Unauthorized, match="docker login") as refused:
            await names(alpine(registry, guarded))
    assert "wr0ng" not in str(refused.value)


async def test_basic(upstream: Upstream) -> None:
    """A registry behind plain Basic authentication gets name and password, once it asked."""
    demand = Reply(401, headers={"WWW-Authenticate": 'Basic realm="r"'})
    upstream.script.add("GET", "/v2/", Fault(reply=demand))
    async with client(upstream) as registry:
        await names(alpine(registry, upstream))
    assert [one.headers.get("authorization") for one in upstream.seen] == [
        None,
        "Basic bWU6czNjcmV0",
    ]


@pytest.mark.parametrize(
    ("registry", "insecure", "shown"),
    [
        ("https://r.example:5000", False, True),
        ("http://127.0.0.1:5000", False, True),
        ("http://r.example:5000", True, True),
        ("http://r.example:5000", False, False),
        ("http://10.0.0.7:5000", False, False),
    ],
)
async def test_basic_in_the_clear(registry: str, insecure: bool, shown: bool) -> None:
    """A login goes in plain HTTP to this machine only, unless that is asked for."""
    async with Transport() as transport:
        for keyring, has_login in ((Only(ME), True), (Only(None), False)):
            authorizer = Authorizer("r.example:5000", keyring, transport, insecure=insecure)
            authorizer.learn(registry, 'Basic realm="x"')
            if has_login and not shown:
                with pytest.raises(Unauthorized, match="--insecure"):
                    await authorizer.header(Scope())
            else:
                assert (await authorizer.header(Scope()) is not None) is has_login


async def test_open_registry_sees_nothing(upstream: Upstream) -> None:
    """A registry that asks for nothing is shown nothing."""
    async with client(upstream) as registry:
        await names(alpine(registry, upstream))
    assert not any("authorization" in seen.headers for seen in upstream.seen)


async def test_realm_elsewhere_in_the_clear(guarded: Upstream) -> None:
    """A registry can't send our password to another host in the clear."""
    guarded.realm = "http://192.0.2.1/token"
    async with client(guarded) as registry:
        with pytest.raises(Unauthorized, match="refused"):
            await names(alpine(registry, guarded))


async def test_no_token_for_another_registry(guarded: Upstream) -> None:
    """What one registry's realm gave is shown to that registry only."""
    async with Upstream("127.0.0.2") as other, client(guarded) as first, client(other) as second:
        await names(alpine(first, guarded))
        await names(alpine(second, other))
    assert guarded.tokens
    assert guarded.tokens.issued
    assert not any("authorization" in seen.headers for seen in other.seen)


async def test_mount_scope(guarded: Upstream) -> None:
    """A mount asks for both repositories in one token."""
    blob = guarded.put_blob(NAME, b"shared")
    async with client(guarded) as registry:
        copy = registry.repository(guarded.repository("copy"))
        assert await copy.mount(blob.digest, guarded.repository(NAME))
    assert guarded.tokens
    assert list(guarded.tokens.issued.values())[-1] == [
        "repository:copy:pull,push",
        f"repository:{NAME}:pull",
    ]


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"{}", b'{"token": 5}', b'{"token": "a\\r\\nb"}', b'{"token":"\xc3\xa4"}'],
)
async def test_bad_tokens(guarded: Upstream, answer: bytes) -> None:
    """A realm that answers nonsense is said to, and nothing of it goes into a header."""
    guarded.script.add("GET", "/token", Fault(reply=Reply(200, answer)), times=9)
    async with client(guarded) as registry:
        with pytest.raises(Unauthorized, match="token"):
            await names(alpine(registry, guarded))


async def test_realm_fails(guarded: Upstream) -> None:
    """A realm that is down is waited for like a registry."""
    guarded.script.add("GET", "/token", Fault(reply=Reply(503)), times=2)
    async with client(guarded) as registry:
        assert await names(alpine(registry, guarded)) == ["1"]
        guarded.script.add("GET", "/token", Fault(hang_up=True), times=9)
        with pytest.raises(TransferBroken):
            await names(registry.repository(guarded.repository("other")))


async def test_unknown_is_not_unauthorized(guarded: Upstream) -> None:
    """With a token in hand what is not there is unknown, as it is without."""
    absent = guarded.put_blob("x", b"elsewhere")
    async with client(guarded) as registry:
        with pytest.raises(BlobUnknown):
            _ = [piece async for piece in alpine(registry, guarded).blob(absent)]


def test_nothing_secret_is_printed() -> None:
    """Credentials do not show in a traceback, a log line or a repr."""
    shown = repr(Credentials("me", "s3cret", "identity"))
    assert "s3cret" not in shown
    assert "identity" not in shown.partition("identity_token")[0]


async def test_nothing_secret_is_logged(
    guarded: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even at the debug level does a secret or a token reach a log."""
    caplog.set_level(logging.DEBUG)
    async with client(guarded) as registry:
        await names(alpine(registry, guarded))
    assert guarded.tokens
    said = json.dumps([record.getMessage() for record in caplog.records])
    assert not any(secret in said for secret in ["s3cret", *guarded.tokens.issued])


def test_scopes_join() -> None:
    """What a registry demands besides is asked for in the same token, once."""
    scope = Scope.of("a/b", "pull")
    assert scope.joined(["repository:a/b:pull", "x:y:z"]).texts == ("repository:a/b:pull", "x:y:z")
