"""Who is told a secret: the upstream that it is for, and nobody else."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import bcrypt
import pytest

from tests.fakes.tokens import Tokens
from tests.fakes.upstream import Upstream
from tests.support.images import hello, sha256
from tests.support.processes import free_port
from tests.support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.faults import Seen
    from tests.fakes.stage import Stage
    from tests.support.mirrors import Start

LAYERS = {"hub": hello("secrets hub", 100_000), "quay": hello("secrets quay", 100_000)}


@pytest.fixture
def storage(stage: Stage) -> Iterator[Upstream]:
    """Where upstreams send those who want a blob."""
    made = stage.enter(Upstream("127.0.0.8"))
    yield made
    stage.leave(made)


def with_password(upstream: Upstream, folder: Path, user: str, password: str) -> dict[str, object]:
    """Return an upstream's table by which lreg logs in."""
    file = folder / f"password of {user}"
    file.write_text(f"{password}\n")
    return {"address": upstream.url, "username": user, "password-file": str(file)}


def shown(requests: list[Seen]) -> set[str]:
    """Return the Authorization headers of some requests, but for none."""
    return {one.headers.get("authorization", "") for one in requests} - {""}


def basic(user: str, password: str) -> str:
    """Return an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_each_its_own(
    start: Start, hub: Upstream, quay: Upstream, storage: Upstream, tmp_path: Path
) -> None:
    """No upstream sees another's password or token, and none follows a redirect."""
    hub.tokens = Tokens(users={"ann": "for the hub"}, anonymous=frozenset())
    quay.tokens = Tokens(users={"bob": "for quay"}, anonymous=frozenset())
    hub.hold("some/app", LAYERS["hub"], "v1")
    quay.hold("some/app", LAYERS["quay"], "v1")
    for each in LAYERS.values():
        storage.hold("some/app", each)
    hub.blobs_at = quay.blobs_at = storage.url
    mirror = start(
        {
            "docker.io": with_password(hub, tmp_path, "ann", "for the hub"),
            "quay.io": with_password(quay, tmp_path, "bob", "for quay"),
        }
    )
    with mirror.wire() as wire:
        assert wire.pull("docker.io/some/app", "v1") == LAYERS["hub"].manifest.digest
        assert wire.pull("quay.io/some/app", "v1") == LAYERS["quay"].manifest.digest
    its = {f"Bearer {token}" for token in hub.tokens.issued} | {basic("ann", "for the hub")}
    assert shown(hub.seen) <= its
    its = {f"Bearer {token}" for token in quay.tokens.issued} | {basic("bob", "for quay")}
    assert shown(quay.seen) <= its
    assert storage.requests("GET", "/blobs/")
    assert shown(storage.seen) == set()
    mirror.stop()
    for secret in ("for the hub", "for quay", *hub.tokens.issued, *quay.tokens.issued):
        assert secret not in mirror.process.log


@pytest.mark.parametrize("what", ["blobs", "everything"])
def test_sent_on_to_another_upstream(
    start: Start, hub: Upstream, quay: Upstream, tmp_path: Path, what: str
) -> None:
    """An upstream that sends us on to another, which we have a login for, learns none of it.

    Nor does the other one learn the first's.
    """
    hub.tokens = Tokens(users={"ann": "for the hub"}, anonymous=frozenset())
    quay.tokens = Tokens(users={"bob": "for quay"}, anonymous=frozenset())
    for each in (hub, quay):
        each.hold("some/app", LAYERS["hub"], "v1")
    mirror = start(
        {
            "docker.io": with_password(hub, tmp_path, "ann", "for the hub"),
            "quay.io": with_password(quay, tmp_path, "bob", "for quay"),
        },
        "--no-prefetch",
    )
    with mirror.wire() as wire:
        # Both have a token of ours by then.
        wire.manifest("docker.io/some/app", "v1").expect(200)
        wire.manifest("quay.io/some/app", "v1").expect(200)
        hub.blobs_at = quay.url
        if what == "everything":
            hub.moved_to = quay.url
        before = len(quay.seen)
        wire.blob("docker.io/some/app", LAYERS["hub"].blobs[-1].digest).expect(403, 502)
        sent_on = quay.seen[before:]
    assert [one for one in sent_on if "/blobs/" in one.path]
    assert shown(sent_on) == set()
    theirs = {f"Bearer {token}" for token in quay.tokens.issued} | {basic("bob", "for quay")}
    assert not shown(hub.seen) & theirs


def test_clients_secrets_stay_here(start: Start, hub: Upstream) -> None:
    """What a client shows to this registry goes to no upstream."""
    hub.hold("some/app", LAYERS["hub"], "v1")
    with start({"docker.io": hub.url}).wire() as wire:
        headers = {"Authorization": basic("ann", "for lreg"), "Cookie": "a=b"}
        wire.ask("GET", "/v2/docker.io/some/app/manifests/v1", headers=headers).expect(200)
        path = f"/v2/docker.io/some/app/blobs/{LAYERS['hub'].blobs[-1].digest}"
        wire.ask("GET", path, headers=headers).expect(200)
    assert shown(hub.seen) == set()
    assert not any("cookie" in one.headers for one in hub.seen)


def test_tokens_are_kept(start: Start, hub: Upstream) -> None:
    """Anonymous pulls ask for one token a repository, and use it until it ends."""
    hub.tokens = Tokens()
    for name in ("some/one", "some/two"):
        hub.hold(name, hello(f"tokens {name}", 50_000), "v1")
    with start({"docker.io": hub.url}).wire() as wire:
        for name in ("some/one", "some/two"):
            wire.pull(f"docker.io/{name}", "v1")
    scopes = [scope for scopes in hub.tokens.issued.values() for scope in scopes]
    assert sorted(scopes) == ["repository:some/one:pull", "repository:some/two:pull"]


def test_a_token_that_ended(start: Start, hub: Upstream) -> None:
    """A token that upstream no longer takes is replaced by a new one, unseen by clients."""
    hub.tokens = Tokens()
    made = hello("token ended", 50_000)
    hub.hold("some/app", made, "v1")
    with start({"docker.io": hub.url}, settings="prefetch = false\n").wire() as wire:
        wire.manifest("docker.io/some/app", "v1").expect(200)
        hub.tokens.issued.clear()
        assert wire.pull("docker.io/some/app", "v1") == made.manifest.digest


def test_authenticated_readers(start: Start, hub: Upstream, tmp_path: Path) -> None:
    """With `readers = "authenticated"` what an upstream gave to us is not for everybody."""
    users = tmp_path / "htpasswd"
    users.write_text(f"ann:{bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}\n")
    made = hello("readers", 50_000)
    hub.hold("library/app", made, "v1")
    table = {"address": hub.url, "readers": "authenticated"}
    # Who connects to a loopback address is this machine's user, and trusted.
    port = free_port()
    mirror = start({"docker.io": table}, f"--htpasswd={users}", f"--listen=0.0.0.0:{port}")
    names = ("docker.io/library/app", "library/app")
    blob, subject = made.blobs[-1].digest, made.manifest.digest
    paths = ("manifests/v1", f"blobs/{blob}", f"referrers/{subject}", "tags/list")
    wrong, login = ({"Authorization": basic("ann", word)} for word in ("wrong", "secret"))
    with mirror.wire() as own, Wire(f"http://127.0.0.1:{port}") as wire:
        for _ in ("cold", "warm"):
            for path in (f"/v2/{name}/{path}" for name in names for path in paths):
                refused = wire.ask("GET", path).expect(401, 404)
                assert sha256(refused.body) != made.manifest.digest
                wire.ask("GET", path, headers=wrong).expect(401, 404)
            for path in paths[:3]:
                wire.ask("GET", f"/v2/{names[0]}/{path}").expect(401)
                wire.ask("GET", f"/v2/{names[0]}/{path}", headers=login).expect(200)
        assert own.pull(names[0], "v1") == made.manifest.digest


def test_private_names(start: Start, hub: Upstream, quay: Upstream, tmp_path: Path) -> None:
    """With `readers = "authenticated"` nobody else hears what is cached of an upstream."""
    users = tmp_path / "htpasswd"
    users.write_text(f"ann:{bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}\n")
    private = {"address": quay.url, "readers": "authenticated"}
    port = free_port()
    mirror = start(
        {"docker.io": hub.url, "quay.io": private},
        f"--htpasswd={users}",
        f"--listen=0.0.0.0:{port}",
    )
    open_names = ["docker.io/some/a", "docker.io/some/b", "some/own"]
    with mirror.wire() as own:
        own.push("some/own", hello("own"), "v1")
        for upstream, host, names in ((hub, "docker.io", "ab"), (quay, "quay.io", "cde")):
            for name in names:
                upstream.hold(f"some/{name}", hello(name), "v1")
                own.pull(f"{host}/some/{name}", "v1")
    wrong, login = ({"Authorization": basic("ann", word)} for word in ("wrong", "secret"))
    with Wire(f"http://127.0.0.1:{port}") as wire:
        everything = wire.ask("GET", "/v2/_catalog", headers=login).expect(200).json()
        assert everything["repositories"] == sorted(
            [*open_names, *map("quay.io/some/{}".format, "cde")]
        )
        assert wire.ask("GET", "/v2/_catalog").expect(200).json()["repositories"] == open_names
        page = wire.ask("GET", "/v2/_catalog?n=2").expect(200)
        assert page.json()["repositories"] == open_names[:2]
        assert "last=docker.io%2Fsome%2Fb" in page.headers["link"]
        page = wire.ask("GET", "/v2/_catalog?n=2&last=docker.io/some/b").expect(200)
        assert page.json()["repositories"] == open_names[2:]
        assert "link" not in page.headers
        wire.ask("GET", "/v2/_catalog", headers=wrong).expect(401)
        wire.ask("GET", "/v2/quay.io/some/c/tags/list").expect(401)
        wire.ask("GET", "/lreg/v1").expect(200)
        for path in ("images", "usage", "pulls", "upstreams"):
            wire.ask("GET", f"/lreg/v1/{path}").expect(401)
            wire.ask("HEAD", f"/lreg/v1/{path}").expect(401)
            wire.ask("GET", f"/lreg/v1/{path}", headers=login).expect(200)
        wire.ask("POST", "/lreg/v1/missing", b'{"images": []}').expect(401)
