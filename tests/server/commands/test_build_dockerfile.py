"""`lreg build` of Dockerfiles; beside other builders it stands in tests/clients."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import tarfile
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.commands.conftest import NOT_ZOT, Lreg
from tests.server.commands.test_build import SCRIPT, config_of
from tests.support.flattened import flattened
from tests.support.images import hello, image, multi_arch
from tests.support.processes import clean_environment, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.upstream import Upstream
    from tests.support.wire import Wire

BASE = image({"etc/passwd": b"root:x:0:0::/:/bin/sh\napp:x:7:8::/:/bin/sh\n", "bin/sh": b"sh"})


def write(folder: Path, dockerfile: str, **files: str) -> Path:
    """Write a context with a Dockerfile; in names of files `__` is a slash, `_dot_` a dot."""
    folder.mkdir(exist_ok=True)
    for name, text in {"file": "file", **files}.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "Dockerfile").write_text(textwrap.dedent(dockerfile).lstrip())
    return folder


def tar_of(entries: list[tuple[str, dict[str, Any]]]) -> bytes:
    """A tar of headers alone."""
    out = io.BytesIO()
    for name, fields in entries:
        header = tarfile.TarInfo(name)
        for key, value in fields.items():
            setattr(header, key, value)
        out.write(header.tobuf())
    return out.getvalue() + bytes(1024)


def build(lreg: Lreg, folder: Path, *options: str, tag: str = "t/built:1") -> str:
    """Build and push; return the digest."""
    return str(lreg.json("build", "--push", "--tag", tag, *options, str(folder))["digest"])


@NOT_ZOT
def test_config_alone_moves_no_layer(lreg: Lreg, wire: Wire, tmp_path: Path) -> None:
    """What adds no file to its base neither reads nor sends a layer: those are mounted."""
    wire.push("t/big", hello("build base", 5 << 20), "1")
    folder = write(tmp_path / "c", f"FROM {lreg.registry.host}/t/big:1\nCMD x\nLABEL a=b\n")
    said = lreg.attempt("build", "--push", "--tag", "t/labelled:1", str(folder))
    assert said.code == 0, said.err
    assert said.err.count("mounted") == 2
    made = wire.manifest("t/labelled", "1").json()
    assert [layer["digest"] for layer in made["layers"]] == [
        blob.digest for blob in hello("build base", 5 << 20).blobs[1:]
    ]
    assert config_of(wire, "t/labelled", "1")["config"]["Cmd"] == ["/bin/sh", "-c", "x"]


def test_names_mean_what_they_mean_to_docker(caching: Lreg, hub: Upstream, tmp_path: Path) -> None:
    """`FROM alpine` is Docker Hub's, by way of the lreg here, which then has it."""
    hub.hold("library/alpine", BASE, "3.8")
    folder = write(tmp_path / "c", "FROM alpine:3.8\nCOPY file /\n")
    build(caching, folder)
    with caching.registry.wire() as wire:
        assert set(flattened(wire, "t/built", "1").files) == {"etc/passwd", "bin/sh", "file"}
    assert any("library/alpine" in asked.path for asked in hub.seen)


def test_own_names(lreg: Lreg, wire: Wire, tmp_path: Path) -> None:
    """A name without a host is also one of the registry here."""
    wire.push("mine/base", BASE, "1")
    folder = write(tmp_path / "c", "FROM mine/base:1\nCOPY --from=mine/base:1 /bin /copied\n")
    build(lreg, folder)
    assert "copied/sh" in flattened(wire, "t/built", "1").files


def test_a_missing_base(lreg_here: Lreg, tmp_path: Path) -> None:
    """What is not found is said with its line."""
    host = lreg_here.registry.host
    folder = write(tmp_path / "c", f"FROM {host}/not/there:1\n")
    line = lreg_here.fail(4, "build", "--quiet", str(folder))
    assert "Dockerfile: line 1: FROM" in line
    assert "not/there" in line


def test_each_platform_has_its_base(lreg_here: Lreg, wire_here: Wire, tmp_path: Path) -> None:
    """For several platforms each is built on its own base, and an index names them all."""
    host = lreg_here.registry.host
    wire_here.push("t/multi", multi_arch("build"), "1")
    text = f"FROM {host}/t/multi:1\nARG TARGETARCH\nENV ARCH=$TARGETARCH\nCOPY file /\n"
    folder = write(tmp_path / "c", text)
    build(lreg_here, folder, "--platform", "linux/amd64,linux/s390x")
    made = wire_here.manifest("t/built", "1").json()
    assert [one["platform"]["architecture"] for one in made["manifests"]] == ["amd64", "s390x"]
    for one, arch in zip(made["manifests"], ("amd64", "s390x"), strict=True):
        config = config_of(wire_here, "t/built", one["digest"])
        assert config["architecture"] == arch
        assert f"ARCH={arch}" in config["config"]["Env"]
    line = lreg_here.fail(4, "build", "--quiet", "--platform", "linux/mips", str(folder))
    assert "linux/mips" in line


def test_same_digest_anywhere_any_day(lreg_here: Lreg, tmp_path: Path) -> None:
    """Another folder, copied later, with other times, makes the same image."""
    folder = write(
        tmp_path / "one",
        "FROM scratch\nCOPY . /app/\nWORKDIR /x\nCOPY <<EOF /here\n$PATH\nEOF\n",
        src__a="a",
        src__b="b",
    )
    (folder / "src/b").chmod(0o600)
    shutil.copytree(folder, tmp_path / "other", copy_function=shutil.copyfile)
    (tmp_path / "other/src/b").chmod(0o600)
    os.utime(tmp_path / "other/src/a", (1, 1))
    first = build(lreg_here, folder)
    assert build(lreg_here, tmp_path / "other") == first
    assert build(lreg_here, folder, "--platform", "linux/s390x") != first


def test_same_digest_whoever_builds(lreg_here: Lreg, tmp_path: Path) -> None:
    """umask, time zone, language and the order in which the files came have no say in it."""
    text = "FROM scratch\nLABEL who=é\nCOPY . /app/\nCOPY é /ü/\nCOPY <<EOF /ä/ß\nö $PATH\nEOF\n"
    names = ["Z", "a", "é", "sub/b", "sub/A"]
    digests = set()
    for folder, order, umask, surroundings in (
        ("one", names, "022", {}),
        ("two", names[::-1], "077", {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "C"}),
        ("drei", names, "000", {"TZ": "America/Lima", "LANG": "tr_TR.UTF-8", "LANGUAGE": "tr"}),
    ):
        context = tmp_path / folder
        (context / "sub").mkdir(parents=True)
        for name in order:
            (context / name).write_text(name)
            (context / name).chmod(0o640)
        (context / "Dockerfile").write_text(text)
        (context / "linked").hardlink_to(context / "Z")
        for path in (context / "sub", context / "Dockerfile"):
            path.chmod(0o755)
        script = f'umask {umask}; exec "$0" -m lreg build --quiet -o {tmp_path}/{folder}.tar .'
        env = {**lreg_here.env, **surroundings, "PYTHONHASHSEED": umask}
        digests.add(run("sh", "-c", script, sys.executable, env=env, cwd=context))
    assert len(digests) == 1


def test_stages_and_arguments(lreg_here: Lreg, wire_here: Wire, tmp_path: Path) -> None:
    """--target takes a stage, --build-arg an ARG; what is not needed is not looked at."""
    text = """
        ARG BASE=nowhere
        FROM $BASE AS wanted
        ARG WHO=nobody
        ENV WHO=$WHO
        COPY file /
        FROM not/there AS unneeded
        RUN something
        FROM wanted
        ENV LAST=1
    """
    folder = write(tmp_path / "c", text)
    options = ["--build-arg", "BASE=scratch", "--build-arg", "WHO=me"]
    build(lreg_here, folder, *options)
    environment = config_of(wire_here, "t/built", "1")["config"]["Env"]
    assert environment[1:] == ["WHO=me", "LAST=1"]
    more = ["--env", "WHO=you", "--env", "NEW=1", "--label", "a=b"]
    build(lreg_here, folder, *options, *more, tag="t/more:1")
    environment = config_of(wire_here, "t/more", "1")["config"]["Env"]
    assert environment[1:] == ["WHO=you", "LAST=1", "NEW=1"]
    build(lreg_here, folder, *options, "--target", "wanted", tag="t/wanted:1")
    assert config_of(wire_here, "t/wanted", "1")["config"]["Env"][1:] == ["WHO=me"]
    assert "no stage 'other'" in lreg_here.fail(2, "build", str(folder), "--target", "other")
    said = lreg_here.attempt("build", str(folder), *options, "--build-arg", "TYPO=x")
    assert "no ARG TYPO" in said.err


def test_triggers_of_the_base(lreg_here: Lreg, wire_here: Wire, tmp_path: Path) -> None:
    """ONBUILD of an image happens in what is built on it, once."""
    base = "FROM scratch\nONBUILD COPY file /triggered\nONBUILD ENV T=1\n"
    build(lreg_here, write(tmp_path / "base", base), tag="t/triggers:1")
    assert len(config_of(wire_here, "t/triggers", "1")["config"]["OnBuild"]) == 2
    host = lreg_here.registry.host
    folder = write(tmp_path / "c", f"FROM {host}/t/triggers:1\nENV U=$T\n", file="new")
    build(lreg_here, folder)
    made = flattened(wire_here, "t/built", "1")
    assert made.files["triggered"].content == b"new"
    assert "U=1" in made.said()["Env"]
    assert "OnBuild" not in made.said()


def test_ignored(lreg_here: Lreg, wire_here: Wire, tmp_path: Path) -> None:
    """What .dockerignore names is not copied; a Dockerfile's own ignore file goes first."""
    files = {"a_dot_md": "a", "docs__b_dot_md": "b", "docs__keep": "k", "Dockerfile_dot_x": ""}
    folder = write(
        tmp_path / "c",
        "FROM scratch\nCOPY . /\n",
        **files,
        _dot_dockerignore="**/*.md\ndocs\n!docs/keep\nDockerfile*\n.dockerignore\n",
    )
    build(lreg_here, folder)
    assert set(flattened(wire_here, "t/built", "1").files) == {"file", "docs", "docs/keep"}
    (folder / "Dockerfile.dockerignore").write_text("*\n!file\n")
    build(lreg_here, folder)
    assert set(flattened(wire_here, "t/built", "1").files) == {"file"}
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY docs /\n")
    assert "left out by .dockerignore" in lreg_here.fail(2, "build", "--quiet", str(folder))


def test_a_script_makes_the_context(lreg_here: Lreg, wire_here: Wire, tmp_path: Path) -> None:
    """A folder with `tar` and a Dockerfile, as xcluster has them: the context is `ovl.tar`."""
    text = 'FROM scratch\nADD --chown=0:0 ovl.tar /\nCMD ["/init"]\n'
    folder = write(tmp_path / "image", text)
    (folder / "tar").write_text(SCRIPT)
    (folder / "tar").chmod(0o755)
    assert lreg_here.lines("build", "--push", "--tag", "t/ovl:1", str(folder)) == ["t/ovl:1"]
    made = flattened(wire_here, "t/ovl", "1")
    assert set(made.files) == {"bin", "bin/coredns", "bin/other", "etc", "init"}
    assert made.said()["Cmd"] == ["/init"]


def test_depths_and_pipes(lreg_here: Lreg, tmp_path: Path) -> None:
    """Folders, stages and ignore files that are made to break what reads them end in one line."""
    folder = write(tmp_path / "deep", "FROM scratch\nCOPY . /\n")
    (folder / "/".join("d" * 400)).mkdir(parents=True)
    assert "more than 250 deep" in lreg_here.fail(2, "build", "--quiet", str(folder))
    assert "250" in lreg_here.fail(2, "build", "--quiet", "--from-dir", str(folder))
    stages = "FROM scratch AS s0\n" + "".join(f"FROM s{n} AS s{n + 1}\n" for n in range(2000))
    many = write(tmp_path / "many", stages)
    assert lreg_here.json("build", "--quiet", str(many))["size"] > 0
    ignoring = write(tmp_path / "pipe", "FROM scratch\nCOPY . /\n")
    os.mkfifo(ignoring / ".dockerignore")
    assert "is no file" in lreg_here.fail(2, "build", "--quiet", str(ignoring))


def test_a_base_for_another_platform(lreg_here: Lreg, wire_here: Wire, tmp_path: Path) -> None:
    """What is for another platform than is wanted is taken, and that is said."""
    wire_here.push("t/arm", hello("for arm", architecture="arm64"), "1")
    folder = write(tmp_path / "c", f"FROM {lreg_here.registry.host}/t/arm:1\nCMD x\n")
    said = lreg_here.attempt("build", "--platform", "linux/s390x", str(folder))
    assert said.code == 0
    assert "is for linux/arm64, not for linux/s390x" in said.err


def test_stages_by_platform(lreg_here: Lreg, wire_here: Wire, tmp_path: Path) -> None:
    """A stage may be chosen by the platform: each gets its own, and only those are built."""
    text = """
        FROM scratch AS on-amd64
        COPY amd /
        FROM scratch AS on-s390x
        COPY s390 /
        FROM scratch AS on-arm64
        RUN never
        FROM on-$TARGETARCH
        LABEL last=1
    """
    folder = write(tmp_path / "c", text, amd="a", s390="s")
    build(lreg_here, folder, "--platform", "linux/amd64,linux/s390x", "--builder", "lreg")
    made = wire_here.manifest("t/built", "1").json()
    files = [set(flattened(wire_here, "t/built", one["digest"]).files) for one in made["manifests"]]
    assert files == [{"amd"}, {"s390"}]


def test_links_stay_inside_of_the_image(lreg_here: Lreg, wire_here: Wire, tmp_path: Path) -> None:
    """What an archive writes through its own absolute link lands in the image, nowhere else."""
    folder = write(tmp_path / "c", "FROM scratch\nADD link.tar /\n")
    link = {"type": tarfile.SYMTYPE, "linkname": "/target"}
    entries: list[tuple[str, dict[str, Any]]] = [
        ("target", {"type": tarfile.DIRTYPE, "mode": 0o755}),
        ("up", {"type": tarfile.SYMTYPE, "linkname": "../../../../target"}),
        ("link", link),
        ("link/a", {}),
        ("up/b", {}),
    ]
    (folder / "link.tar").write_bytes(tar_of(entries))
    build(lreg_here, folder)
    files = flattened(wire_here, "t/built", "1").files
    assert set(files) == {"link", "up", "target", "target/a", "target/b"}


def test_what_runs_needs_a_builder(lreg_here: Lreg, tmp_path: Path) -> None:
    """Without buildah, BuildKit and docker a RUN is refused with its line, and who could do it."""
    folder = write(tmp_path / "c", "FROM scratch\nCOPY file /\nRUN true\n")
    env = {**lreg_here.env, "PATH": str(tmp_path)}
    alone = type(lreg_here)(lreg_here.registry, env, lreg_here.home)
    line = alone.fail(2, "build", str(folder))
    assert "Dockerfile, line 3: RUN runs something" in line
    assert "apt install buildah" in line
    assert "line 3" in lreg_here.fail(2, "build", "--builder", "lreg", str(folder))
    cloning = write(tmp_path / "f", "FROM scratch\nADD https://example.com/x.git /\n")
    assert "ADD clones" in alone.fail(2, "build", str(cloning))


@pytest.mark.client("buildah")
def test_buildah_runs_it(lreg_here: Lreg, wire_here: Wire, tmp_path: Path) -> None:
    """A Dockerfile with RUN is built by buildah, said so, and pushed like any other."""
    base = write_shell(tmp_path / "c")
    (base / "Dockerfile").write_text("FROM scratch\nCOPY root /\nRUN echo ran > /ran\nCMD x\n")
    env = {**lreg_here.env, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}
    env["CONTAINERS_STORAGE_CONF"] = str(tmp_path / "storage.conf")
    (tmp_path / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\nrunroot = "{tmp_path}/run"\ngraphroot = "{tmp_path}/root"\n'
    )
    with_buildah = type(lreg_here)(lreg_here.registry, env, lreg_here.home)
    said = with_buildah.attempt("build", "--push", "--tag", "t/ran:1", str(base))
    assert said.code == 0, said.err
    assert "built by buildah" in said.err
    assert said.out.splitlines()[-1] == "t/ran:1"
    made = flattened(wire_here, "t/ran", "1")
    assert made.files["ran"].content == b"ran\n"
    assert made.said()["Cmd"] == ["/bin/sh", "-c", "x"]


def write_shell(folder: Path) -> Path:
    """Write a root that this machine's shell runs in."""
    shell = shutil.which("sh")
    assert shell
    env = clean_environment(folder)
    libraries = re.findall(r"/\S+", run("ldd", shell, env=env).out)
    for path in (shell, *libraries):
        target = folder / "root" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (folder / "root/bin").mkdir(exist_ok=True)
    if not (folder / "root/bin/sh").exists():
        shutil.copy(shell, folder / "root/bin/sh")
    return folder
