"""The journal of what nodes pulled."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, cast

import pytest

from lreg.oci.digest import Digest
from lreg.oci.reference import RepositoryName, Tag
from lreg.registry.http.messages import Endpoint, Request
from lreg.registry.pulls import Pulls
from tests.support.processes import in_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from lreg.admin.values import Pull
    from lreg.registry.http.body import Body

_ALPINE = RepositoryName("docker.io/library/alpine")
_INDEX, _IMAGE = Digest.of(b"index"), Digest.of(b"image")
_PORTS = itertools.count(1024)


def asked(
    want: object = "3.8",
    *,
    client: str = "10.0.0.7",
    agent: str = "containerd/2",
    query: str = "",
    later: float = 0.0,
    **headers: str,
) -> Request:
    """A request for a manifest, each from a connection of its own, `later` in seconds from now."""
    return Request(
        "GET",
        f"/v2/docker.io/library/alpine/manifests/{want}",
        query,
        {"user-agent": agent, **headers},
        cast("Body", None),
        f"{client}:{next(_PORTS)}",
        Endpoint("http://127.0.0.1:5000", tls=False, trusted=True),
        asyncio.get_running_loop().time() + later,
    )


@pytest.fixture
async def pulls(tmp_path: Path) -> AsyncIterator[Pulls]:
    """A journal in a folder that is not there yet."""
    made = Pulls(tmp_path / "pulls")
    yield made
    await made.close()


def told(found: list[Pull]) -> list[tuple[str, str | None, str]]:
    """Client, tag and the beginning of the digest of each pull."""
    return [(pull.client, pull.tag, Digest.parse(pull.digest).short) for pull in found]


async def test_what_is_noted(pulls: Pulls) -> None:
    """A pull has its time, the client's address and agent, the image and the namespace asked."""
    before = time.time()
    request = asked(query="ns=docker.io", client="::ffff:10.0.0.7")
    pulls.note(request, _ALPINE, Tag("3.8"), _INDEX)
    (pull,) = await pulls.since(before - 1)
    assert before - 1 < pull.time < time.time() + 1
    assert (pull.client, pull.agent, pull.namespace) == ("10.0.0.7", "containerd/2", "docker.io")
    assert (pull.repository, pull.tag, pull.digest) == (_ALPINE.text, "3.8", str(_INDEX))


async def test_one_pull_is_noted_once(pulls: Pulls) -> None:
    """HEAD and GET by tag and GET by digest are one pull; an image of the index is another."""
    for want, digest in ((Tag("3.8"), _INDEX), (Tag("3.8"), _INDEX), (_INDEX, _INDEX)):
        pulls.note(asked(want), _ALPINE, want, digest)
    pulls.note(asked(_IMAGE), _ALPINE, _IMAGE, _IMAGE)
    assert told(await pulls.since(0)) == [
        ("10.0.0.7", "3.8", _INDEX.short),
        ("10.0.0.7", None, _IMAGE.short),
    ]


async def test_everybody_is_noted(pulls: Pulls) -> None:
    """Two clients, two agents, or one client a while later, are pulls of their own."""
    pulls.note(asked(), _ALPINE, Tag("3.8"), _INDEX)
    pulls.note(asked(client="10.0.0.8"), _ALPINE, Tag("3.8"), _INDEX)
    pulls.note(asked(client="2001:db8::1"), _ALPINE, Tag("3.8"), _INDEX)
    pulls.note(asked(agent="podman"), _ALPINE, Tag("3.8"), _INDEX)
    pulls.note(asked(later=61.0), _ALPINE, Tag("3.8"), _INDEX)
    clients = [pull.client for pull in await pulls.since(0)]
    assert clients == ["10.0.0.7", "10.0.0.8", "2001:db8::1", "10.0.0.7", "10.0.0.7"]


async def test_own_commands_are_no_pulls(pulls: Pulls) -> None:
    """`lreg inspect` pulls nothing; a registry that caches from this one does."""
    pulls.note(asked(agent="lreg/1"), _ALPINE, Tag("3.8"), _INDEX)
    assert await pulls.since(0) == []
    pulls.note(asked(agent="lreg/1", via="1.1 edge (lreg/1)"), _ALPINE, Tag("3.8"), _INDEX)
    assert len(await pulls.since(0)) == 1


async def test_kept_over_a_restart(pulls: Pulls, tmp_path: Path) -> None:
    """What was noted is there after a restart, and is written within about a second."""
    pulls.note(asked(), _ALPINE, Tag("3.8"), _INDEX)
    await pulls.close()
    again = Pulls(tmp_path / "pulls")
    assert told(await again.since(0)) == [("10.0.0.7", "3.8", _INDEX.short)]
    again.note(asked(later=61.0), _ALPINE, Tag("3.8"), _INDEX)
    journal = tmp_path / "pulls" / "pulls.jsonl"
    await in_time(lambda: len(journal.read_text().splitlines()) == 2)


async def test_since(pulls: Pulls) -> None:
    """Only what is younger is told."""
    pulls.note(asked(later=-100.0), _ALPINE, Tag("3.8"), _INDEX)
    pulls.note(asked(), _ALPINE, Tag("3.9"), _IMAGE)
    assert [pull.tag for pull in await pulls.since(time.time() - 50)] == ["3.9"]
    await pulls.close()
    assert [pull.tag for pull in await pulls.since(time.time() - 50)] == ["3.9"]


async def test_half_a_line(pulls: Pulls, tmp_path: Path) -> None:
    """What a crash left of a line spoils no other."""
    file = tmp_path / "pulls" / "pulls.jsonl"
    file.parent.mkdir()
    file.write_text('{"time": 1')
    pulls.note(asked(), _ALPINE, Tag("3.8"), _INDEX)
    await pulls.close()
    assert told(await pulls.since(0)) == [("10.0.0.7", "3.8", _INDEX.short)]


async def test_bounded(tmp_path: Path) -> None:
    """The journal has two files of bounded size: the oldest goes, the newest is told."""
    pulls = Pulls(tmp_path, max_file=2000)
    for number in range(40):
        tag = Tag(str(number))
        pulls.note(asked(tag, client=f"10.0.0.{number}"), _ALPINE, tag, _INDEX)
        await pulls.close()
    tags = [pull.tag for pull in await pulls.since(0)]
    assert tags[-1] == "39"
    assert 8 < len(tags) < 40
    assert tags == [str(number) for number in range(40 - len(tags), 40)]
    sizes = [len((tmp_path / name).read_bytes()) for name in ("pulls.jsonl", "pulls.1.jsonl")]
    assert max(sizes) < 2300


async def test_full_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where it can't be written, pulls are lost and the log says so; serving goes on."""
    (tmp_path / "pulls").write_text("a file in the way")
    pulls = Pulls(tmp_path / "pulls")
    pulls.note(asked(), _ALPINE, Tag("3.8"), _INDEX)
    await pulls.close()
    assert "pulls.not_written" in caplog.text


async def test_many_clients(pulls: Pulls) -> None:
    """However many clients there are, what is remembered of them is bounded."""
    for number in range(20_000):
        client = f"10.0.{number >> 8}.{number & 255}"
        pulls.note(asked(client=client), _ALPINE, Tag("3.8"), _INDEX)
    assert len(await pulls.since(0)) == 20_000
    assert len(pulls._pulled) <= 8192
