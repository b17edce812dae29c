"""`lreg copy`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.server.commands.conftest import DISTRIBUTION, NOT_ZOT, Lreg, lreg_of
from tests.support.images import artifact, hello, multi_arch

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.registries import Running
    from tests.support.wire import Wire


@pytest.fixture(params=["server", DISTRIBUTION])
def other(request: pytest.FixtureRequest) -> Running:
    """A registry on the other side of a copy: lreg, and registry:2."""
    running: Running = request.getfixturevalue(request.param)
    return running


@NOT_ZOT
@pytest.mark.parametrize("docker", [False, True])
def test_all_platforms(
    lreg: Lreg, wire: Wire, other: Running, repository: str, docker: bool
) -> None:
    """Every platform of an index arrives byte for byte, and goes back under another name."""
    image = multi_arch(repository, docker=docker)
    with other.wire() as far:
        far.push(f"{repository}/far", image, "1")
    lreg.run("copy", f"{other.host}/{repository}/far:1", f"{repository}/near:2")
    assert wire.pull(f"{repository}/near", "2") == image.manifest.digest
    lreg.run("copy", f"{repository}/near:2", f"{other.host}/{repository}/back:3")
    with other.wire() as far:
        assert far.pull(f"{repository}/back", "3") == image.manifest.digest


def test_one_platform(lreg: Lreg, wire: Wire, repository: str) -> None:
    """With --platform that platform's image alone stands under the tag, its digest kept."""
    image = multi_arch(repository)
    wire.push(f"{repository}/a", image, "1")
    lreg.run("copy", "--platform", "linux/arm64", f"{repository}/a:1", f"{repository}/b:1")
    assert wire.pull(f"{repository}/b", "1") == image.images[1].manifest.digest
    wire.manifest(f"{repository}/b", image.images[0].manifest.digest).expect(404)


@NOT_ZOT
def test_referrers(lreg: Lreg, wire: Wire, server: Running, repository: str) -> None:
    """With --referrers the signature of an image comes along; without it does not."""
    image = hello(repository)
    signature = artifact(image.manifest, "application/vnd.test.signature", b"signed")
    with server.wire() as far:
        far.push(f"{repository}/far", image, "1")
        far.push(f"{repository}/far", signature)
    source = f"{server.host}/{repository}/far:1"
    lreg.run("copy", source, f"{repository}/without:1")
    wire.manifest(f"{repository}/without", signature.manifest.digest).expect(404)
    lreg.run("copy", "--referrers", source, f"{repository}/with:1")
    assert wire.pull(f"{repository}/with", signature.manifest.digest)
    (found,) = lreg.json("inspect", f"{repository}/with:1")["image"]["referrers"]
    assert found["digest"] == signature.manifest.digest


def test_last_line(lreg: Lreg, wire: Wire, other: Running, repository: str) -> None:
    """The last line names what now stands where, and the bytes copied and already there."""
    image = hello(repository, size=3 << 20)
    with other.wire() as far:
        far.push(f"{repository}/far", image, "1")
    arguments = ("copy", f"{other.host}/{repository}/far:1", f"{repository}/near")
    digest = image.manifest.digest
    target = f"{lreg.registry.host}/{repository}/near:1@{digest}"
    (line,) = lreg.lines(*arguments)
    # The same registry on both sides: layers are mounted.
    how = "mounted" if lreg.registry.host == other.host else "copied"
    assert line.startswith(f"{target}: ")
    assert f"3.0 MiB {how}" in line
    assert re.fullmatch(r".*, \d+\.\d s", line)
    (line,) = lreg.lines(*arguments)
    assert re.fullmatch(
        rf"{re.escape(target)}: 0 B copied, 3\.0 MiB already there, \d+\.\d s", line
    )
    assert wire.pull(f"{repository}/near", "1") == digest


def test_json(lreg: Lreg, wire: Wire, repository: str) -> None:
    """--json tells what was copied, mounted and already there, in bytes."""
    image = hello(repository)
    wire.push(f"{repository}/a", image, "1")
    wire.push(f"{repository}/b", image)
    found = lreg.json("copy", f"{repository}/a:1", f"{repository}/b:2")
    seconds = found.pop("seconds")
    blobs = {"count": 3, "size": sum(len(blob.data) for blob in image.blobs)}
    assert found == {
        "source": f"{lreg.registry.host}/{repository}/a:1",
        "target": f"{lreg.registry.host}/{repository}/b:2",
        "digest": image.manifest.digest,
        "media_type": image.manifest.media_type,
        "copied": {"count": 1, "size": len(image.manifest.data)},
        "mounted": {"count": 0, "size": 0},
        "already_there": blobs,
    }
    assert 0 < seconds < 60


def test_by_digest(lreg: Lreg, wire: Wire, repository: str) -> None:
    """An image named by digest stands at the target under its digest, or the tag given."""
    digest = wire.push(f"{repository}/a", hello(repository))
    source = f"{repository}/a@{digest}"
    (line,) = lreg.lines("copy", source, f"{repository}/b")
    assert line.startswith(f"{lreg.registry.host}/{repository}/b@{digest}: ")
    assert wire.tags(f"{repository}/b") == []
    lreg.run("copy", source, f"{repository}/b:1")
    assert wire.tags(f"{repository}/b") == ["1"]


@NOT_ZOT
def test_plain_lines(lreg: Lreg, wire: Wire, repository: str) -> None:
    """Off a terminal each piece is one plain line on stderr, and --quiet says nothing at all."""
    image = hello(repository)
    wire.push(f"{repository}/a", image, "1")
    said = lreg.attempt("copy", f"{repository}/a:1", f"{repository}/b")
    assert said.code == 0
    lines = said.err.splitlines()
    assert len(lines) == 4
    layer = image.blobs[1]
    assert f"{layer.digest[7:19]}  mounted, {len(layer.data)} B" in lines
    assert "\x1b" not in said.err
    said = lreg.attempt("copy", "--quiet", f"{repository}/a:1", f"{repository}/c")
    assert (said.code, said.out, said.err) == (0, "", "")


def test_bars_on_a_terminal(lreg: Lreg, wire: Wire, other: Running, repository: str) -> None:
    """On a terminal bars move on stderr; stdout is the last line all the same."""
    with other.wire() as far:
        far.push(f"{repository}/far", hello(repository, size=8 << 20), "1")
    said, shown = lreg.on_terminal(
        "copy", f"{other.host}/{repository}/far:1", f"{repository}/near:1"
    )
    assert (said.code, said.out.count("\n")) == (0, 1)
    assert b"\x1b[" in shown
    assert b"8.0 MiB" in shown
    assert wire.tags(f"{repository}/near") == ["1"]


def test_tls_needs_trust(tls_server: Running, server: Running, tmp_path: Path) -> None:
    """A certificate that nobody vouches for is refused, until --ca or --insecure is given."""
    lreg = lreg_of(server, tmp_path)
    with tls_server.wire() as far:
        digest = far.push("tests/trust", hello("trust"), "1")
    source = f"{tls_server.host}/tests/trust:1"
    assert "not trusted" in lreg.fail(6, "copy", source, "tests/trusted:1")
    lreg.run("copy", "--ca", str(tls_server.ca), source, "tests/trusted:1")
    lreg.run("copy", "--insecure", source, "tests/trusted:2")
    with server.wire() as near:
        assert [near.pull("tests/trusted", tag) for tag in ("1", "2")] == [digest, digest]


def test_source_missing(lreg: Lreg, wire: Wire, repository: str) -> None:
    """What is not there can't be copied: exit code 4, and nothing is made at the target."""
    lreg.fail(4, "copy", f"{repository}/a:1", f"{repository}/b:1")
    assert wire.tags(f"{repository}/b") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a:1", "b@sha256:" + "0" * 64), "the digest is that of SRC"),
        (("a:1", "b", "--platform", "linux/amd64", "--all-platforms"), "exclude each other"),
        (("a:1", "b", "--jobs", "0"), "--jobs"),
        (("a:1",), "Missing argument 'DST'"),
    ],
)
def test_usage(lreg_here: Lreg, arguments: tuple[str, ...], message: str) -> None:
    """A malformed command line is one line, with exit code 2."""
    assert message in lreg_here.fail(2, "copy", *arguments)
