"""What `lreg pulled` makes of the journal."""

from __future__ import annotations

from lreg.admin.values import Pull
from lreg.cli.pulled import locked, summary

_ONE, _OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def pull(time: float, tag: str | None = "1", digest: str = _ONE, **more: str) -> Pull:
    """One pull of docker.io/library/a."""
    client, agent = more.get("client", "10.0.0.1"), more.get("agent", "containerd/2")
    platforms = tuple(filter(None, more.get("platforms", "").split(",")))
    name = more.get("name", "docker.io/library/a")
    return Pull(time, client, agent, name, digest, tag, None, platforms)


def test_one_line_for_each_client_agent_and_image() -> None:
    """Pulls are counted by who asked for what; the last one and all platforms are kept."""
    found = summary(
        [
            pull(1, platforms="linux/amd64"),
            pull(2, client="10.0.0.2"),
            pull(3, tag=None, digest=_OTHER, platforms="linux/arm64"),
            pull(4, digest=_OTHER, platforms="linux/arm64"),
            pull(5, agent="podman"),
        ]
    )
    assert [(one.last.client, one.last.agent, one.image, one.count) for one in found] == [
        ("10.0.0.1", "containerd/2", "docker.io/library/a:1", 2),
        ("10.0.0.1", "containerd/2", f"docker.io/library/a@{_OTHER}", 1),
        ("10.0.0.1", "podman", "docker.io/library/a:1", 1),
        ("10.0.0.2", "containerd/2", "docker.io/library/a:1", 1),
    ]
    assert found[0].last.digest == _OTHER
    assert found[0].platforms == {"linux/amd64", "linux/arm64"}


def test_lock_has_what_a_tag_meant_last() -> None:
    """A tag that moved stands once in a lock file, as it is now, for all platforms pulled."""
    (one,) = locked(
        [
            pull(1, digest=_OTHER, platforms="linux/s390x"),
            pull(2, platforms="linux/arm64"),
            pull(3, platforms="linux/amd64", client="10.0.0.2"),
        ]
    )
    assert (one.name.text, str(one.tag), str(one.digest)) == ("docker.io/library/a", "1", _ONE)
    assert list(map(str, one.platforms)) == ["linux/amd64", "linux/arm64"]


def test_lock_by_digest() -> None:
    """What was pulled by digest alone is locked so, unless a tag names it already."""
    found = locked([pull(1), pull(2, tag=None), pull(3, tag=None, digest=_OTHER)])
    assert [(one.tag and one.tag.text, str(one.digest)) for one in found] == [
        ("1", _ONE),
        (None, _OTHER),
    ]


def test_nothing() -> None:
    """Nothing pulled is nothing listed."""
    assert summary([]) == []
    assert locked([]) == []
