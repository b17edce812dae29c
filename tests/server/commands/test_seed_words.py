"""`images`, the script's other commands: what stands on stdout, and the exit codes."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.server.commands.conftest import DISTRIBUTION, Lreg, lreg_of
from tests.server.commands.test_images import manifests
from tests.support.images import hello, image
from tests.support.processes import Said, attempt

if TYPE_CHECKING:
    from tests.fakes.upstream import Upstream

PROGRAM = Path(sys.executable).with_name("images")
CTRAFFIC = "nordixorg/ctraffic"


@dataclass(frozen=True)
class Images:
    """`images`, beside the registry that an `lreg` means."""

    lreg: Lreg

    def attempt(self, *arguments: str, **more: str) -> Said:
        """Run it, however it ends."""
        env = {**self.lreg.env, **more}
        said = attempt(str(PROGRAM), *arguments, env=env, cwd=self.lreg.home)
        assert "Traceback" not in said.err, said.err
        return said

    def __call__(self, *arguments: str, **more: str) -> str:
        """Run it to success; return its stdout."""
        said = self.attempt(*arguments, **more)
        assert said.code == 0, said.err
        return said.out


@pytest.fixture
def images(caching: Lreg) -> Images:
    """The command beside an lreg that has an internet."""
    return Images(caching)


@pytest.fixture
def overlays(images: Images) -> dict[str, str]:
    """The variables of a shell with two overlays: `web`, and `crio`, which knows the pause."""
    folder = images.lreg.home / "ovls"
    (folder / "web").mkdir(parents=True)
    manifests(folder / "web", "org/web:1", "org/built:local")
    (folder / "crio").mkdir()
    script = folder / "crio/crio.sh"
    script.write_text('#! /bin/sh\ntest "$1" = pause_image && echo registry.k8s.io/pause:3.9\n')
    script.chmod(0o755)
    return {"XCLUSTER_OVLPATH": f"/nowhere:{folder}"}


@pytest.mark.parametrize("registry", ["server", DISTRIBUTION])
def test_ls(request: pytest.FixtureRequest, registry: str, tmp_path: Path) -> None:
    """`lreg_ls` prints `name:`, and below it, indented, a JSON list of the tags."""
    lreg = lreg_of(request.getfixturevalue(registry), tmp_path)
    with lreg.registry.wire() as wire:
        for tag in ("v0.2", "v0.1"):
            wire.push(CTRAFFIC, hello(f"ls-{tag}"), tag)
    lines = Images(lreg)("lreg_ls").splitlines()
    at = lines.index(f"{CTRAFFIC}:")
    assert lines[at + 1] == '  ["v0.1","v0.2"]'


def test_missing_and_preload(images: Images, hub: Upstream, overlays: dict[str, str]) -> None:
    """What an overlay lacks is listed by whole names alone, with exit code 1; then it is brought.

    What is built here (`:local`) is not asked for; the pause image is, where crio's overlay is.
    """
    hub.hold("org/web", hello("web"), "1")
    said = images.attempt("lreg_missingimages", "web", **overlays)
    assert (said.code, said.err) == (1, "")
    assert said.out.splitlines() == [
        "registry.k8s.io/pause:3.9",
        "docker.io/org/built:local",
        "docker.io/org/web:1",
    ]
    # As they are written in the manifests.
    assert images("getimages", "web", **overlays).split() == ["org/built:local", "org/web:1"]
    # No upstream here is registry.k8s.io.
    assert images.attempt("lreg_preload", "web", **overlays).code
    assert images.attempt("lreg_isloaded", "org/web:1").code == 1
    assert images.attempt("lreg_preload", "--keep-going", "web", **overlays).code
    assert images.attempt("lreg_isloaded", "docker.io/org/web:1").code == 0
    with images.lreg.registry.wire() as wire:
        wire.push("registry.k8s.io/pause", hello("pause"), "3.9")
        wire.push("org/built", hello("built"), "local")
    assert images("lreg_missingimages", "web", **overlays) == ""
    assert images("lreg_missingimages") == ""
    assert images("lreg_preload") == ""
    assert images("lreg_cache") == ""
    assert images("getimages") == ""
    asked = len(hub.seen)
    forced = images(
        "lreg_preload", "--force", "web", XCLUSTER_OVLPATH=str(images.lreg.home / "ovls")
    )
    assert "docker.io/org/web:1@" in forced
    assert len(hub.seen) > asked


def test_ip(images: Images) -> None:
    """`lreg_ip` prints $LOCAL_REGISTRY as it is, else where the lreg that runs here is."""
    assert images("lreg_ip", LOCAL_REGISTRY="fd00::1") == "fd00::1\n"
    store = str(images.lreg.registry.store)
    env = {"LOCAL_REGISTRY": "", "LREG_STORE": store}
    assert images("lreg_ip", **env) == f"{images.lreg.registry.host}\n"
    said = images.attempt("lreg_ip", LOCAL_REGISTRY="", LREG_STORE=f"{store}/none")
    assert said.code == 1
    assert "no lreg runs here" in said.err


def test_option_without_a_value(images: Images) -> None:
    """`--tag=` is as if it were not there, as `--tag=$tag` is where nothing is in $tag."""
    folder = images.lreg.home / "dockerfile"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    said = images.attempt("mkimage", "--upload", "--tag=", str(folder))
    assert (said.code, said.out) == (2, "")
    assert "say what the image is called by --tag=" in said.err


def test_help_of_a_command(images: Images) -> None:
    """`--help` after a command prints how it is called, and does nothing."""
    assert images("lreg_rm", "--help").startswith("images lreg_rm <image:tag>\n")


def test_whole_names_mean_the_registry_here(images: Images, quay: Upstream) -> None:
    """A name with a host is one of the registry here: it is looked into and removed there alone."""
    quay.hold("org/app", hello("app"), "1")
    images("lreg_cache", "quay.io/org/app:1")
    said = json.loads(images("lreg_inspect", "quay.io/org/app:1"))
    assert said["Name"] == f"{images.lreg.registry.host}/quay.io/org/app"
    assert said["RepoTags"] == ["1"]
    images("lreg_rm", "quay.io/org/app:1")
    assert images.attempt("lreg_isloaded", "quay.io/org/app:1").code == 1


def test_files(images: Images) -> None:
    """`docker_ls`, `docker_ls_layers`, `docker_export`, `docker_save_layers`: from the registry."""
    made = image({"a": b"1", "b": b"2"}, {"a": b"3"})
    with images.lreg.registry.wire() as wire:
        wire.push(CTRAFFIC, made, "v1")
    name = f"{CTRAFFIC}:v1"
    assert images("docker_ls", name).split() == ["a", "b"]
    layers = images("docker_ls_layers", name).splitlines()
    assert [line for line in layers if not line.startswith("===")] == ["a", "b", "a"]
    digests = [line.split()[-1] for line in layers if line.startswith("===")]
    for arguments, content in (
        (("docker_export", name), {"a": b"3", "b": b"2"}),
        (("docker_save_layers", name, digests[0]), {"a": b"1", "b": b"2"}),
    ):
        with tarfile.open(fileobj=io.BytesIO(images(*arguments).encode())) as tar:
            found = {one.name: tar.extractfile(one) for one in tar}
            assert {key: file.read() for key, file in found.items() if file} == content


def test_save_and_make(images: Images, hub: Upstream, overlays: dict[str, str]) -> None:
    """`docker_save` and `make` write images into a file: named ones, and those of overlays."""
    hub.hold("org/web", hello("web"), "1")
    folder = Path(overlays["XCLUSTER_OVLPATH"].rpartition(":")[2]) / "web/image"
    folder.mkdir()
    (folder / "tar").write_text("#! /bin/sh\ntar -C $(dirname $0) -cf $1 manifest.json\n")
    (folder / "tar").chmod(0o755)
    labels = [{"name": "version", "value": "v1"}]
    fields = {"name": "org/made", "labels": labels, "app": {"exec": ["/x"]}}
    (folder / "manifest.json").write_text(json.dumps(fields))
    home = images.lreg.home
    images("make", "org/web:1", "web", XCLUSTER_TMP=str(home), **overlays)
    images("docker_save", "--output=saved.tar", "org/web:1", "org/made:v1")
    for file in ("images.tar", "saved.tar"):
        with tarfile.open(home / file) as tar:
            listed = tar.extractfile("manifest.json")
            assert listed
            tags = [tag for one in json.load(listed) for tag in one["RepoTags"]]
        assert [tag.rpartition("org/")[2] for tag in tags] == ["web:1", "made:v1"]
    said = images.attempt("make", "org/web:1")
    assert "--tar=FILE, or set $XCLUSTER_TMP" in said.err


def test_mkimage_of_a_dockerfile(images: Images) -> None:
    """A folder with a Dockerfile needs a --tag, and gets ovl.tar; the tag is the last line."""
    folder = images.lreg.home / "image"
    folder.mkdir()
    (folder / "tar").write_text("#! /bin/sh\ntar -C $(dirname $0) -cf $1 tar\n")
    (folder / "tar").chmod(0o755)
    (folder / "Dockerfile").write_text('FROM scratch\nADD --chown=0:0 ovl.tar /\nCMD ["/tar"]\n')
    said = images.attempt("mkimage", "--upload", "image")
    assert (said.code, said.out) == (2, "")
    assert "--tag=" in said.err
    out = images("mkimage", "--force", "--tag=library/metallb:latest", "--upload", "image")
    assert out.splitlines()[-1] == "library/metallb:latest"
    assert images("docker_ls", "library/metallb:latest").split() == ["tar"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), "there is no command 'nothing'"),
        (("lreg_rm",), "lreg_rm needs more words: images lreg_rm <image:tag>"),
        (("lreg_ls", "--all"), "lreg_ls has no option --all"),
        (("docker_save", "x:1"), "docker_save needs --output=FILE.tar"),
        (("getimages", "no-such"), "'no-such' is no file or folder"),
        (("mkimage", "no-such"), "no-such/manifest.json can't be read"),
    ],
)
def test_usage(lreg_here: Lreg, arguments: tuple[str, ...], message: str) -> None:
    """A wrong command line is one line, with exit code 2."""
    said = Images(lreg_here).attempt(*arguments)
    assert (said.code, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert line.startswith("images: ")
    assert message in line


def test_help(lreg_here: Lreg) -> None:
    """A bare `images`, `help` and `-h` print the same, and that is no error."""
    images = Images(lreg_here)
    assert images() == images("help") == images("-h") == images("--help")
    assert images().startswith("images -- ")
