"""What is remembered of canaries, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from lreg.config import load
from lreg.oci.reference import RepositoryName
from lreg.registry.canaries import Canaries
from lreg.registry.http.messages import Endpoint, Request
from lreg.store.filesystem import FilesystemStore
from lreg.upstream.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from lreg.registry.http.body import Body


@pytest.fixture
async def canaries(tmp_path: Path) -> AsyncIterator[Canaries]:
    config = load({"store": str(tmp_path / "store"), "offline": "true"}, environ={}).config
    mirror = Mirror(config, FilesystemStore(config.store))
    yield Canaries(mirror)
    await mirror.close()


def ask(canaries: Canaries, number: int, moment: float = 0.0) -> str:
    """Ask for the canary of a number at a moment of the loop's clock; return its nonce."""
    nonce = f"{number:032x}"
    asked = RepositoryName(f"lreg-canary/{nonce}")
    request = Request(
        "GET",
        f"/v2/{asked}/manifests/latest",
        "ns=quay.io",
        {"host": "10.0.0.1:5000"},
        cast("Body", None),
        "192.0.2.1:4711",
        Endpoint("http://10.0.0.1:5000", tls=False, trusted=False),
        moment,
    )
    canaries.note(request, asked, RepositoryName(f"quay.io/{asked}"))
    return nonce


async def test_memory_is_bounded(canaries: Canaries) -> None:
    """However many canaries are asked for, and however often, only the latest are remembered."""
    nonces = [ask(canaries, number) for number in range(3000)]
    remembered = [nonce for nonce in nonces if canaries.sightings(nonce)]
    assert remembered == nonces[-1024:]
    for _ in range(1000):
        ask(canaries, 3000)
    assert len(canaries.sightings(f"{3000:032x}")) == 64


async def test_an_hour_later_it_is_forgotten(canaries: Canaries) -> None:
    """What nobody asked for any more in an hour goes, as soon as another canary is asked for."""
    old, kept = ask(canaries, 1), ask(canaries, 2)
    ask(canaries, 2, 3000.0)
    new = ask(canaries, 3, 4000.0)
    assert not canaries.sightings(old)
    assert len(canaries.sightings(kept)) == 2
    assert len(canaries.sightings(new)) == 1
