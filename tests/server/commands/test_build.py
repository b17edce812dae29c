"""`lreg build` of folders: xcluster's, roots, and those with an image.json."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from tests.support.processes import Program

if TYPE_CHECKING:
    from tests.server.commands.conftest import Lreg
    from tests.support.clients import Client
    from tests.support.wire import Wire

HELLO = Path(__file__).parents[3] / "examples" / "hello"
# As xcluster's overlays have them.
MANIFEST = {
    "acKind": "ImageManifest",
    "acVersion": "0.8.11",
    "name": "library/coredns",
    "labels": [
        {"name": "version", "value": "v0.2"},
        {"name": "arch", "value": "amd64"},
        {"name": "os", "value": "linux"},
    ],
    "app": {"exec": ["/init", "-x"], "user": "0", "group": "0"},
}
SCRIPT = """#! /bin/sh
dir=$(dirname $0); dir=$(readlink -f $dir)
tmp=$(mktemp -d)
mkdir -p $tmp/bin $tmp/etc
echo '#! /bin/sh' > $tmp/bin/coredns
chmod 755 $tmp/bin/coredns
ln $tmp/bin/coredns $tmp/bin/other
ln -s bin/coredns $tmp/init
chmod 1777 $tmp/etc
echo "building $1" >&2
cd $tmp
tar cf "$1" --owner=0 --group=0 *
cd - > /dev/null
rm -rf $tmp
"""


def write_overlay(folder: Path, script: str = SCRIPT, **more: Any) -> Path:
    """Write a folder with `tar` and manifest.json."""
    folder.mkdir()
    (folder / "tar").write_text(script)
    (folder / "tar").chmod(0o755)
    (folder / "manifest.json").write_text(json.dumps(MANIFEST | more))
    return folder


def layer_of(wire: Wire, name: str, tag: str) -> list[tarfile.TarInfo]:
    """The files in the only layer of an image that was pushed."""
    manifest = wire.manifest(name, tag).json()
    (layer,) = manifest["layers"]
    blob = wire.blob(name, layer["digest"]).body
    if layer["mediaType"].endswith("+zstd"):
        blob = zstandard.ZstdDecompressor().decompressobj().decompress(blob)
    with tarfile.open(fileobj=io.BytesIO(blob)) as tar:
        return tar.getmembers()


def config_of(wire: Wire, name: str, tag: str) -> dict[str, Any]:
    """The config of an image that was pushed."""
    manifest = wire.manifest(name, tag).json()
    config: dict[str, Any] = wire.blob(name, manifest["config"]["digest"]).json()
    return config


def test_xclusters_folder(lreg: Lreg, wire: Wire, tmp_path: Path) -> None:
    """`./tar -` becomes the one layer and app.exec the command; the last line is the tag."""
    folder = write_overlay(tmp_path / "image")
    assert lreg.lines("build", "--push", str(folder))[-1] == "library/coredns:v0.2"
    files = {file.name: file for file in layer_of(wire, "library/coredns", "v0.2")}
    assert list(files) == ["bin", "bin/coredns", "bin/other", "etc", "init"]
    assert files["bin/other"].linkname == "bin/coredns"
    assert files["init"].issym()
    assert oct(files["etc"].mode) == "0o1777"
    config = config_of(wire, "library/coredns", "v0.2")
    assert config["config"]["Cmd"] == ["/init", "-x"]
    assert (config["os"], config["architecture"]) == ("linux", "amd64")


def test_same_digest_anywhere_any_day(lreg_here: Lreg, tmp_path: Path) -> None:
    """Two folders with the same content, made at different times, make the same image."""
    one, two = write_overlay(tmp_path / "one"), write_overlay(tmp_path / "elsewhere")
    os.utime(two / "tar", (1, 1))
    built = [lreg_here.json("build", str(folder)) for folder in (one, two)]
    assert built[0]["digest"] == built[1]["digest"]
    later = {**lreg_here.env, "SOURCE_DATE_EPOCH": "1700000000"}
    dated = type(lreg_here)(lreg_here.registry, later, lreg_here.home).json("build", str(one))
    assert dated["digest"] != built[0]["digest"]


def test_a_root(lreg_here: Lreg, wire_here: Wire, tmp_path: Path) -> None:
    """Any folder becomes an image: modes kept, everything owned by root, several tags at once."""
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/shadow").write_text("secret")
    (tmp_path / "root/etc/shadow").chmod(0o640)
    os.chown(tmp_path / "root/etc/shadow", 1234, 1234) if os.geteuid() == 0 else None
    options = ["--cmd", "/bin/app --flag 'a b'", "--entrypoint", '["/init"]', "--env", "A=b=c"]
    options += ["--user", "7", "--workdir", "/srv", "--label", "x=y", "--annotation", "n=m"]
    options += ["--compression", "zstd", "--tag", "t/root:1", "--tag", "t/root:2"]
    lines = lreg_here.lines("build", "--from-dir", "root", "--push", *options)
    assert lines == ["t/root:1", "t/root:2"]
    assert config_of(wire_here, "t/root", "2")["config"] == {
        "Cmd": ["/bin/app", "--flag", "a b"],
        "Entrypoint": ["/init"],
        "Env": ["A=b=c"],
        "Labels": {"x": "y"},
        "User": "7",
        "WorkingDir": "/srv",
    }
    manifest = wire_here.manifest("t/root", "1").json()
    assert manifest["annotations"] == {"n": "m"}
    shadow = layer_of(wire_here, "t/root", "1")[-1]
    assert (shadow.name, oct(shadow.mode), shadow.uid, shadow.mtime) == (
        "etc/shadow",
        "0o640",
        0,
        0,
    )


def test_times_of_their_own(lreg_here: Lreg, wire_here: Wire, tmp_path: Path) -> None:
    """--keep-times gives files the times that they have."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root/file").touch()
    os.utime(tmp_path / "root/file", (1_600_000_000, 1_600_000_000))
    lreg_here.run("build", "--from-dir", "root", "--keep-times", "--push", "--tag", "t/times:1")
    assert [file.mtime for file in layer_of(wire_here, "t/times", "1")] == [1_600_000_000]


def test_several_platforms(lreg_here: Lreg, wire_here: Wire, tmp_path: Path) -> None:
    """A root for each of several platforms, or one for all of them, make an index."""
    for name in ("amd", "arm"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(name)
    roots = ["--from-dir", "linux/amd64=amd", "--from-dir", "linux/arm64=arm"]
    lreg_here.run("build", *roots, "--push", "--tag", "t/index:1")
    index = wire_here.manifest("t/index", "1").json()
    platforms = [child["platform"]["architecture"] for child in index["manifests"]]
    assert platforms == ["amd64", "arm64"]
    both = ["--platform", "linux/amd64,linux/arm/v7", "--from-dir", "amd"]
    assert lreg_here.json("build", *both)["platforms"] == ["linux/amd64", "linux/arm/v7"]


def test_the_examples_folder(lreg_here: Lreg, wire_here: Wire) -> None:
    """A folder with an image.json is built as it says."""
    assert lreg_here.lines("build", "--push", str(HELLO)) == ["hello:latest"]
    assert len(wire_here.manifest("hello", "latest").json()["manifests"]) == 2


def test_nothing_is_sent_twice(lreg: Lreg, tmp_path: Path) -> None:
    """What the registry has already stays there."""
    folder = write_overlay(tmp_path / "image", name="t/twice")
    lreg.run("build", "--push", str(folder))
    said = lreg.attempt("build", "--push", str(folder))
    pieces = [line for line in said.err.splitlines() if " B" in line and "  " in line]
    assert len(pieces) == 3
    assert all("already there" in piece for piece in pieces)


def test_kept_nowhere_is_said(lreg_here: Lreg, tmp_path: Path) -> None:
    """Without --push and --output an image is built to try, and that is said."""
    folder = write_overlay(tmp_path / "image", name="t/nowhere")
    said = lreg_here.attempt("build", str(folder))
    assert said.code == 0
    assert "kept nowhere" in said.err
    assert lreg_here.attempt("inspect", "t/nowhere:v0.2").code == 4


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("#! /bin/sh\nexit 3\n", "it is no tar"),
        ("#! /bin/sh\necho no tar\n", "it is no tar"),
        (SCRIPT + "exit 3\n", "failed: exit code 3"),
        ("#! /nowhere/sh\n", "can't be run"),
        ("#! /bin/sh\ncd /; tar cf - dev/null\n", "/dev/null is a character device"),
        ("#! /bin/sh\ntar cPf - /etc/../etc/hostname\n", "leads out of the image"),
    ],
)
def test_scripts_that_fail(lreg_here: Lreg, tmp_path: Path, script: str, message: str) -> None:
    """What is wrong with a `tar` script is said in one line that names it."""
    folder = write_overlay(tmp_path / "image", script)
    said = lreg_here.attempt("build", "--push", str(folder))
    line = said.err.splitlines()[-1]
    assert said.code in (1, 2)
    assert message in line
    assert f"{folder}/tar" in line


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": []}, '"version"'),
        ({"app": {}}, "app.exec must be"),
        ({"name": "Upper/case"}, "not a repository name"),
    ],
)
def test_manifests_that_lack_something(
    lreg_here: Lreg, tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    """What is wrong with a manifest.json is said in one line that names the file."""
    folder = write_overlay(tmp_path / "image", **fields)
    line = lreg_here.fail(2, "build", str(folder))
    assert message in line
    assert "manifest.json" in line


def test_what_makes_no_sense(lreg_here: Lreg, tmp_path: Path) -> None:
    """Options that contradict each other, or name nothing, are usage errors."""
    assert "no folder" in lreg_here.fail(2, "build", "missing")
    assert "neither" in lreg_here.fail(2, "build", str(tmp_path))
    assert "--push needs a --tag" in lreg_here.fail(2, "build", "--push", "--from-dir", ".")
    assert "stdout is for the tag" in lreg_here.fail(2, "build", "-o", "-", "--from-dir", ".")
    assert "not both" in lreg_here.fail(2, "build", "--from-dir", ".", ".")
    assert "not NAME=VALUE" in lreg_here.fail(2, "build", "--label", "x", "--from-dir", ".")


@pytest.mark.client("skopeo")
def test_archives_and_layouts(lreg_here: Lreg, tmp_path: Path, skopeo: Client) -> None:
    """--output writes what skopeo reads, with its name; the same bytes each time."""
    folder = write_overlay(tmp_path / "image")
    lreg_here.run("build", str(folder), "-o", "one.tar")
    lreg_here.run("build", str(folder), "-o", "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    lreg_here.run("build", str(folder), "-o", "layout/")
    digest = lreg_here.json("build", str(folder))["digest"]
    for place in (f"oci-archive:{tmp_path}/one.tar", f"oci:{tmp_path}/layout"):
        said = skopeo("inspect", "--format={{.Digest}}", f"{place}:library/coredns:v0.2")
        assert said.out.strip() == digest


def test_interrupted(lreg_here: Lreg, tmp_path: Path) -> None:
    """Ctrl-C ends it at once, without a traceback, and leaves no half file."""
    folder = tmp_path / "root"
    folder.mkdir()
    # Long enough for any machine, and nothing on the disk.
    with (folder / "zeroes").open("wb") as file:
        file.truncate(20 << 30)
    argv = [sys.executable, "-m", "lreg", "build", "--from-dir", "root", "-o", "out.tar"]
    process = Program(argv, tmp_path / "log", lreg_here.env, tmp_path)
    process.wait_until(lambda: "root" in process.log)
    time.sleep(1)  # into the middle of it
    os.kill(process.pid, signal.SIGINT)
    assert process.wait() == 130
    assert "Traceback" not in process.log
    assert not list(tmp_path.glob("out.tar*"))
