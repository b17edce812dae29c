"""`lreg rm`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.images import hello

if TYPE_CHECKING:
    from tests.server.commands.conftest import Lreg
    from tests.support.wire import Wire


@pytest.fixture
def distribution(lreg_on_distribution: Lreg) -> Lreg:
    """The command beside registry:2, which deletes by digest only."""
    return lreg_on_distribution


def test_tag(lreg: Lreg, wire: Wire, repository: str) -> None:
    """A tag that is alone on its manifest goes, and what went is printed with its digest."""
    digest = wire.push(repository, hello("x"), "1")
    wire.push(repository, hello("y"), "2")
    removed = lreg.lines("rm", f"{repository}:1")
    assert removed[0] == f"removed {lreg.registry.host}/{repository}:1 ({digest})"
    assert wire.tags(repository) == ["2"]
    wire.manifest(repository, "1").expect(404)


def test_one_of_two_tags(lreg_here: Lreg, repository: str) -> None:
    """Where the registry removes tags alone, another tag on the manifest stays."""
    with lreg_here.registry.wire() as wire:
        digest = wire.push(repository, hello("x"), "1")
        wire.push(repository, hello("x"), "2")
        removed = lreg_here.lines("rm", f"{repository}:1")
        assert removed == [f"removed {lreg_here.registry.host}/{repository}:1 ({digest})"]
        assert wire.pull(repository, "2") == digest


@pytest.mark.client("docker-registry")
def test_shared_digest_refused(distribution: Lreg, repository: str) -> None:
    """On registry:2 a tag whose manifest has other tags stays, and those are named."""
    with distribution.registry.wire() as wire:
        digest = wire.push(repository, hello("x"), "1")
        for tag in "2", "3":
            wire.push(repository, hello("x"), tag)
        said = distribution.fail(1, "rm", f"{repository}:1")
        assert f"{digest} is also {repository}:2, {repository}:3, which would be lost" in said
        assert "--force" in said
        assert wire.pull(repository, "1") == digest


@pytest.mark.client("docker-registry")
def test_shared_digest_forced(distribution: Lreg, repository: str) -> None:
    """With --force all of its tags go, and each is printed."""
    with distribution.registry.wire() as wire:
        digest = wire.push(repository, hello("x"), "1")
        wire.push(repository, hello("x"), "2")
        name = f"{distribution.registry.host}/{repository}"
        assert distribution.lines("rm", "--force", f"{repository}:1") == [
            f"removed {name}:1 ({digest})",
            f"removed {name}:2 ({digest})",
            f"removed {name}@{digest}",
        ]
        assert wire.tags(repository) == []


def test_all_tags_of_a_digest(lreg: Lreg, wire: Wire, repository: str) -> None:
    """Tags that share a manifest go together without --force when all of them are named."""
    wire.push(repository, hello("x"), "1")
    wire.push(repository, hello("x"), "2")
    removed = lreg.lines("rm", f"{repository}:1", f"{lreg.registry.host}/{repository}:2")
    assert {line.split()[1].rpartition(":")[2] for line in removed[:2]} == {"1", "2"}
    assert wire.tags(repository) == []


def test_digest(lreg: Lreg, wire: Wire, repository: str) -> None:
    """A manifest without tags goes by its digest."""
    digest = wire.push(repository, hello("x"))
    name = f"{lreg.registry.host}/{repository}@{digest}"
    assert lreg.lines("rm", f"{repository}@{digest}") == [f"removed {name}"]
    wire.manifest(repository, digest).expect(404)


def test_tagged_digest(lreg: Lreg, wire: Wire, repository: str) -> None:
    """A digest with tags is refused, naming them, unless --force is given."""
    digest = wire.push(repository, hello("x"), "1")
    said = lreg.fail(1, "rm", f"{repository}@{digest}")
    assert f"is also {repository}:1, which would be lost" in said
    assert wire.pull(repository, "1") == digest
    removed = lreg.lines("rm", "--force", f"{repository}@{digest}")
    assert removed[0].startswith(f"removed {lreg.registry.host}/{repository}:1 ")
    wire.manifest(repository, "1").expect(404)


def test_tag_with_its_digest(lreg: Lreg, wire: Wire, repository: str) -> None:
    """NAME:TAG@DIGEST, as tools print it, is that manifest, with its own tag."""
    digest = wire.push(repository, hello("x"), "1")
    lreg.run("rm", f"{repository}:1@{digest}")
    wire.manifest(repository, digest).expect(404)


def test_several_repositories(lreg: Lreg, wire: Wire, repository: str) -> None:
    """Images of several repositories go in one command."""
    names = [f"{repository}/{letter}" for letter in "ab"]
    for name in names:
        wire.push(name, hello(name), "latest")
    lreg.run("rm", *names)
    assert [wire.tags(name) for name in names] == [[], []]


def test_not_there(lreg: Lreg, wire: Wire, repository: str) -> None:
    """What is not there can't be removed: exit code 4."""
    wire.push(repository, hello("x"), "1")
    assert f"{repository}:2" in lreg.fail(4, "rm", f"{repository}:2")
    assert wire.tags(repository) == ["1"]


def test_nothing_named(lreg_here: Lreg) -> None:
    """Without an image there is nothing to do: exit code 2."""
    assert "Missing argument" in lreg_here.fail(2, "rm")
