"""lreg and docker-registry on one tree at the same time."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.support.images import artifact, hello, sha256
from tests.support.registries import start_docker_registry, start_lreg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.wire import Wire

pytestmark = pytest.mark.client("docker-registry")


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Wire, Wire]]:
    """Connections to a lreg and to a docker-registry on one store."""
    ours = start_lreg(tmp_path)
    theirs = start_docker_registry(tmp_path, ours.store)
    try:
        with ours.wire() as mine, theirs.wire() as other:
            yield mine, other
    finally:
        theirs.process.kill()
        ours.stop()


def test_their_changes_show_at_once(both: tuple[Wire, Wire]) -> None:
    """A tag that is moved or deleted by the other registry is never served from memory."""
    mine, theirs = both
    digest = ""
    for number in range(20):
        digest = theirs.push("image", hello(f"{number}"), "v1")
        for _ in range(2):
            assert mine.pull("image", "v1") == digest
            assert mine.pull("image", digest) == digest
    theirs.ask("DELETE", f"/v2/image/manifests/{digest}").expect(202)
    assert mine.manifest("image", digest).status == 404
    assert mine.manifest("image", "v1").status == 404
    assert mine.tags("image") == []

    blob = theirs.push_blob("image", b"a blob")
    assert mine.blob("image", blob).body == b"a blob"
    theirs.ask("DELETE", f"/v2/image/blobs/{blob}").expect(202)
    assert mine.blob("image", blob).status == 404


def test_our_changes_show_at_once(both: tuple[Wire, Wire]) -> None:
    """What lreg pushed, moved or deleted is so for the other registry at once."""
    mine, theirs = both
    digest = ""
    for number in range(20):
        digest = mine.push("image", hello(f"{number}"), "v1")
        assert theirs.pull("image", "v1") == digest
    mine.ask("DELETE", f"/v2/image/manifests/{digest}").expect(202)
    assert theirs.manifest("image", digest).status == 404
    assert theirs.tags("image") == []


def test_their_artifacts_are_our_referrers(both: tuple[Wire, Wire]) -> None:
    """An artifact that the other registry took or lost is listed or not, at once."""
    mine, theirs = both
    subject = hello("subject")
    mine.push("image", subject, "v1")
    path = f"/v2/image/referrers/{subject.manifest.digest}"
    assert mine.ask("GET", path).json()["manifests"] == []

    pushed = set()
    for number in range(5):
        signature = artifact(subject.manifest, "test/signature", b"%d" % number)
        pushed.add((mine, theirs)[number % 2].push("image", signature))
        listed = mine.ask("GET", path).json()["manifests"]
        assert {each["digest"] for each in listed} == pushed
    gone = pushed.pop()
    theirs.ask("DELETE", f"/v2/image/manifests/{gone}").expect(202)
    listed = mine.ask("GET", path).json()["manifests"]
    assert {each["digest"] for each in listed} == pushed


def test_alternating(both: tuple[Wire, Wire]) -> None:
    """Pushes and deletes by either, in any order: both always show the same."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 -- pytest shows it when the test fails
    chance = random.Random(seed)
    images = [hello(f"alternating {number}") for number in range(4)]
    repositories, tags = ("a", "a/b", "c"), ("v1", "v2", "latest")
    for _ in range(100):
        writer = chance.choice(both)
        image, repository = chance.choice(images), chance.choice(repositories)
        if chance.random() < 0.7:
            writer.push(repository, image, chance.choice(tags))
        else:
            path = f"/v2/{repository}/manifests/{image.manifest.digest}"
            writer.ask("DELETE", path).expect(202, 404)
        shown = [
            (
                wire.repositories(),
                sorted(wire.tags(repository)),
                [
                    sha256(wire.manifest(repository, tag).body)
                    for tag in tags
                    if tag in wire.tags(repository)
                ],
                wire.manifest(repository, image.manifest.digest).status,
            )
            for wire in both
        ]
        assert shown[0] == shown[1]
