"""What the admin API makes of names, and of a registry that holds very much."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, cast

import pytest

from lreg.admin.values import Pull
from lreg.config import load
from lreg.errors import BadRequest, ManifestUnknown, NameInvalid
from lreg.oci.digest import Digest
from lreg.oci.reference import Reference, RepositoryName, Tag
from lreg.registry.admin import Known, answer
from lreg.registry.admin.routes import ListImages, ListPulls, OverrideTag
from lreg.registry.admin.selecting import called_here, select
from lreg.registry.canaries import Canaries
from lreg.registry.http.messages import Endpoint, Request
from lreg.store.caching import Tagged, TagRecord
from lreg.store.filesystem import FilesystemStore
from lreg.upstream.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from lreg.registry.admin.routes import AdminCall
    from lreg.registry.http.body import Body
    from lreg.registry.http.messages import Response
    from lreg.registry.pulls import Pulls

_DIGEST = Digest.of(b"image")


@pytest.fixture
async def mirror(tmp_path: Path) -> AsyncIterator[Mirror]:
    """A registry with an empty store."""
    config = load({"store": str(tmp_path / "store"), "offline": "true"}, environ={}).config
    store = FilesystemStore(config.store)
    await store.open()
    made = Mirror(config, store)
    yield made
    await made.close()
    await store.close()


class FakeBody:
    """The body of a request, in memory."""

    def __init__(self, value: object) -> None:
        self._raw = json.dumps(value).encode()

    async def read(self, limit: int) -> bytes:
        """Return it."""
        assert len(self._raw) <= limit
        return self._raw


class FakePulls:
    """A journal of so many pulls of one image, each by another client."""

    def __init__(self, count: int) -> None:
        self._count = count

    async def since(self, moment: float) -> list[Pull]:
        """Return them."""
        return [
            Pull(
                moment, f"10.0.{number >> 8}.{number & 255}", "agent", "some/app", str(_DIGEST), "1"
            )
            for number in range(self._count)
        ]


async def ask(mirror: Mirror, call: AdminCall, body: object = None, pulls: int = 0) -> Response:
    request = Request(
        "POST",
        "/lreg/v1/any",
        "",
        {},
        cast("Body", FakeBody(body)),
        "127.0.0.1:1",
        Endpoint("http://127.0.0.1:5000", tls=False, trusted=True),
        asyncio.get_running_loop().time(),
    )
    known = Known(mirror, cast("Pulls", FakePulls(pulls)), Canaries(mirror))
    return await answer(known, call, request)


async def lines_of(response: Response) -> list[bytes]:
    """Return the lines of a body, made as it would be for a client."""
    found = b""
    for part in response.body:
        if isinstance(part, bytes):
            found += part
        else:
            assert not isinstance(part, tuple)
            found += b"".join([piece async for piece in part])  # type: ignore[union-attr] # no file
    return found.splitlines()


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("alpine:1", "alpine"),
        ("docker.io/alpine:1", "docker.io/library/alpine"),
        ("index.docker.io/library/alpine:1", "docker.io/library/alpine"),
        ("registry-1.docker.io/some/app", "docker.io/some/app"),
        ("Quay.IO:443/org/app:1", "quay.io/org/app"),
        ("own.example:5000/app:1", "own.example/app"),
    ],
)
async def test_called_here(mirror: Mirror, image: str, name: str) -> None:
    """However a host is written, an image has one name here."""
    assert called_here(mirror, Reference.parse(image)).text == name


async def test_no_name(mirror: Mirror) -> None:
    """What can be the name of nothing here is refused with a reason, whoever asks."""
    with pytest.raises(NameInvalid, match="not the namespace"):
        called_here(mirror, Reference.parse("[::1]:5000/app:1"))
    with pytest.raises(ManifestUnknown, match="not the namespace"):
        await select(mirror, f"docker.io/{'a' * 250}:1")


@pytest.mark.parametrize("image", ["alpine:1", "own.example/app:1"])
async def test_until_of_a_name_without_upstream(mirror: Mirror, image: str) -> None:
    """A version can't be set to end where nothing is behind it to return to."""
    with pytest.raises(BadRequest, match=r"no upstream is behind this name.*docker\.io/library"):
        await ask(mirror, OverrideTag(), {"image": image, "until": time.time() + 60})


async def test_many_pulls(mirror: Mirror) -> None:
    """Others are served while a long journal is told: threads do what takes long."""
    loop, all_threads = time.thread_time(), time.process_time()
    found = await lines_of(await ask(mirror, ListPulls(), pulls=20_000))
    loop, all_threads = time.thread_time() - loop, time.process_time() - all_threads
    assert len(found) == 20_000
    assert json.loads(found[-1])["client"] == "10.0.78.31"
    assert loop < all_threads / 2


async def test_many_tags(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are served while many tags are told."""
    tags = {Tag(f"v{number}"): Tagged(_DIGEST, TagRecord()) for number in range(10_000)}

    async def tagged(prefix: str = "") -> dict[RepositoryName, dict[Tag, Tagged]]:
        return {RepositoryName("some/app"): tags} if "some/app".startswith(prefix) else {}

    monkeypatch.setattr(mirror.local, "tagged", tagged)
    loop, all_threads = time.thread_time(), time.process_time()
    (found,) = await lines_of(await ask(mirror, ListImages()))
    loop, all_threads = time.thread_time() - loop, time.process_time() - all_threads
    assert len(json.loads(found)["images"]) == 10_000
    assert loop < all_threads / 2
