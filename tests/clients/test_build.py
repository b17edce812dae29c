"""`lreg build` beside docker, buildah and BuildKit: the same Dockerfile, the same image."""

from __future__ import annotations

import io
import os
import re
import sys
import tarfile
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pytest

from tests.support import clients
from tests.support.buildkit import BuildKit
from tests.support.clients import Client, trust
from tests.support.flattened import Flat, flattened
from tests.support.processes import clean_environment, run
from tests.support.registries import start_lreg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.daemons import Docker
    from tests.support.registries import Running

pytestmark = pytest.mark.client("docker", "buildah", "BuildKit")


def archive(mode: Literal["w", "w:gz", "w:bz2", "w:xz"] = "w", owner: int = 1234) -> bytes:
    """A tar such as an overlay's script writes."""
    out = io.BytesIO()
    with tarfile.open(None, mode, out) as tar:
        for name, kind, rest in (
            ("etc", tarfile.DIRTYPE, ""),
            ("etc/conf", tarfile.REGTYPE, "conf"),
            ("bin", tarfile.DIRTYPE, ""),
            ("bin/run", tarfile.REGTYPE, "run"),
            ("bin/other", tarfile.LNKTYPE, "bin/run"),
            ("init", tarfile.SYMTYPE, "bin/run"),
            ("absolute", tarfile.SYMTYPE, "/etc/conf"),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.uid, entry.gid = kind, owner, owner
            entry.mode = 0o750 if kind == tarfile.DIRTYPE else 0o4755
            if kind == tarfile.REGTYPE:
                entry.size = len(rest)
                tar.addfile(entry, io.BytesIO(rest.encode()))
            else:
                entry.linkname = rest
                tar.addfile(entry)
    return out.getvalue()


def write_context(folder: Path) -> Path:
    """Write files of every kind that a context can have."""
    for name, mode in {
        "file": 0o644,
        "program": 0o755,
        "secret": 0o600,
        "a.txt": 0o644,
        "b.txt": 0o664,
        "docs/readme.md": 0o644,
        "docs/deep/er/note": 0o444,
        "docs/deep/skipped": 0o644,
        "sticky/file": 0o644,
        "lib/new.so": 0o755,
        "with space": 0o644,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(mode)
    (folder / "docs/deep").chmod(0o700)
    (folder / "sticky").chmod(0o1777)
    (folder / "docs/empty").mkdir()
    (folder / "link").symlink_to("file")
    (folder / "docs/link").symlink_to("../file")
    (folder / "docs/broken").symlink_to("/nowhere")
    (folder / "folderlink").symlink_to("docs")
    os.link(folder / "docs/readme.md", folder / "docs/same.md")
    (folder / "plain.tar").write_bytes(archive())
    (folder / "zipped.tgz").write_bytes(archive("w:gz"))
    (folder / "packed.txz").write_bytes(archive("w:xz"))
    (folder / "bz.tar.bz2").write_bytes(archive("w:bz2"))
    (folder / "no.tar").write_text("just called so")
    return folder


BASE = """\
FROM scratch
ADD base.tar /
ENV PATH=/bin GREETING=hello
CMD ["/bin/sh"]
WORKDIR /srv/data
LABEL from=base
EXPOSE 80
VOLUME /var/data
"""


def base_archive() -> bytes:
    """A root with what is easily overwritten: links to folders, folders with modes of their own."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, mode, rest in (
            ("etc", tarfile.DIRTYPE, 0o755, ""),
            ("etc/passwd", tarfile.REGTYPE, 0o644, "root:x:0:0::/:\napp:x:77:88::/:\n"),
            ("etc/group", tarfile.REGTYPE, 0o644, "root:x:0:\napp:x:88:\nstaff:x:99:\n"),
            ("usr", tarfile.DIRTYPE, 0o755, ""),
            ("usr/lib", tarfile.DIRTYPE, 0o751, ""),
            ("usr/lib/old.so", tarfile.REGTYPE, 0o755, "old"),
            ("lib", tarfile.SYMTYPE, 0o777, "usr/lib"),
            ("tmp", tarfile.DIRTYPE, 0o1777, ""),
            ("srv", tarfile.DIRTYPE, 0o700, ""),
            ("opt", tarfile.SYMTYPE, 0o777, "/srv"),
            ("users", tarfile.SYMTYPE, 0o777, "etc/passwd"),
            ("srv/link", tarfile.SYMTYPE, 0o777, "../etc/passwd"),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.linkname = kind, mode, rest
            if kind == tarfile.REGTYPE:
                entry.size, entry.linkname = len(rest), ""
            tar.addfile(entry, io.BytesIO(rest.encode()) if kind == tarfile.REGTYPE else None)
    return out.getvalue()


# What no two builders agree on is left out of these, and has tests of its own.
BOTH = {
    "config": r"""
        FROM scratch
        COPY file /
        ENV A=1 B="two words" C='$A' D=${A}x E=${Z:-default} F=${A:+set} G=a\ b
        ENV OLD style value
        ARG VERSION=7
        LABEL version=$VERSION "with space"="a b" multi="one \
        two"
        EXPOSE 8080 53/udp
        VOLUME ["/data", "/with space"]
        VOLUME /a /b
        WORKDIR /srv
        WORKDIR app/../lib
        USER 1000:1000
        STOPSIGNAL SIGINT
        HEALTHCHECK --interval=30s --timeout=1m30s --retries=3 CMD ["/bin/true", "-x"]
        ENTRYPOINT ["/file"]
        CMD echo "$A" done
    """,
    "entrypoint-resets-cmd": """
        FROM BASE
        ENTRYPOINT ["/bin/init"]
    """,
    "on-a-base": """
        FROM BASE
        ENV GREETING=bye MORE=$GREETING
        LABEL more=yes
        EXPOSE 81
        CMD ["/x"]
    """,
    "files": """
        FROM scratch
        COPY file program secret /bin/
        COPY file /etc/renamed
        COPY *.txt /texts/
        COPY ?.txt docs/read*.md /more/
        COPY ["with space", "/with space too"]
        COPY no.tar /
    """,
    "folders": """
        FROM scratch
        COPY docs /docs
        COPY docs/ /again/
        COPY docs/deep /one/two/three
        COPY sticky /sticky
        COPY link /
        COPY folderlink /followed
        COPY folderlink/readme.md /through/
    """,
    "everything": """
        FROM scratch
        COPY . /
    """,
    "onto-a-base": """
        FROM BASE
        COPY lib /lib
        COPY file /lib/
        COPY file /tmp/
        COPY file /opt/in-srv
        COPY file relative
        COPY file .
        COPY docs/deep/er ./
    """,
    "onto-links": """
        FROM BASE
        COPY link /srv/
    """,
    "archives": """
        FROM scratch
        ADD plain.tar /plain
        ADD zipped.tgz /zipped/
        ADD packed.txz /packed
        ADD bz.tar.bz2 /bz
        ADD no.tar file /files/
    """,
    "archive-at-the-top": """
        FROM BASE
        ADD plain.tar /
    """,
    "stages": """
        ARG BASE_OF_ALL=scratch
        FROM $BASE_OF_ALL AS files
        COPY docs /out/docs
        COPY program /out/
        FROM BASE AS unused
        COPY secret /
        FROM BASE
        COPY --from=files /out /from-stage
        COPY --from=0 /out/program /bin/
        COPY --from=BASE /etc/passwd /copied/
    """,
    "a-stage-on-a-stage": """
        FROM BASE AS one
        ENV A=1
        COPY file /
        FROM one
        ENV B=$A
        COPY program /
    """,
    "ignored": """
        FROM scratch
        COPY . /all/
        COPY docs /docs/
    """,
    "triggers": """
        FROM BASE
        ONBUILD COPY file /triggered
        ONBUILD LABEL by=trigger
        COPY program /
    """,
    "owners": """
        FROM BASE
        COPY --chown=5:6 file docs /numbers/
        COPY --chown=app:staff docs /names
        COPY --chown=7 file /number
    """,
}


IGNORED = {
    "ignored": "# comment\n*.t?t\n!b.txt\n**/skipped\ndocs/*\n!docs/deep\nlib/\n/sticky\nDocker*\n"
}
# What buildah and Docker's own builder, older than BuildKit, do otherwise or not at all.
BUILDKITS = {
    "shell": """
        FROM scratch
        COPY file /
        SHELL ["/bin/bash", "-c"]
        CMD run   this
        HEALTHCHECK CMD curl localhost
        EXPOSE 9000-9002/tcp
    """,
    "through-a-link": """
        FROM BASE
        COPY file /users
    """,
    "folders-of-users": """
        FROM BASE
        USER app
        WORKDIR /home/app
        USER 5:6
        WORKDIR deeper/still
    """,
    "xclusters": """
        FROM BASE
        ADD --chown=0:0 plain.tar /
        ADD --chown=7:8 zipped.tgz /else/where/
        CMD ["/init"]
    """,
    "modes": """
        FROM BASE
        COPY --chmod=0640 file docs /tmp/
        COPY --chmod=u=rwX,go=rX secret docs /letters/
        COPY --chmod=a-x,g+w program /bin/
    """,
    "heredocs": """
        FROM scratch
        ARG NAME=world
        COPY <<EOF /hello
        hello $NAME \\$NAME "quoted"
        EOF
        COPY <<'EOF' <<-"TABS" /folder/
        as it is: $NAME
        EOF
        \t\tno tabs $NAME
        TABS
        COPY --chmod=755 <<run.sh file /both/
        #!/bin/sh
        run.sh
    """,
    "owners-of-stages": """
        FROM scratch AS one
        COPY --chown=5:6 docs /docs
        ADD plain.tar /
        FROM BASE
        COPY --from=one / /
        COPY --from=one /docs/readme.md /tmp/
    """,
    "patterns": """
        FROM scratch
        COPY docs/**/note nothing* [a-b].txt /found/
        COPY --exclude=deep --exclude=*.md docs /without/
        COPY --parents docs/deep/er/note docs/./deep/skipped sticky /with/
    """,
    "substitution": r"""
        # escape=`
        FROM scratch
        ARG VERSION=1.2.3
        ARG EMPTY=
        ENV MAJOR=${VERSION%%.*} REST=${VERSION#*.} LAST=${VERSION##*.} TWO=${VERSION%.*}
        ENV DASHES=${VERSION/./-} ALL=${VERSION//./-} ESCAPED=`$VERSION SINGLE='$VERSION'
        ENV A=${EMPTY:-unset} B=${EMPTY-unset} C=${EMPTY:+set} D=${EMPTY+set} E=${NONE:-${VERSION}}
        COPY fi`
        # in between
        le /
        LABEL a="x`"y" b='x"y'
    """,
    "arguments": """
        ARG VERSION=global
        ARG DIRECT=given
        FROM scratch AS one
        ARG VERSION
        ENV IN_ONE=$VERSION-$DIRECT
        FROM one
        ARG DIRECT=own
        ARG TARGETARCH
        ENV IN_TWO=$VERSION-$DIRECT-$TARGETARCH
        COPY file /
    """,
}


@dataclass(frozen=True)
class Builders:
    """The builders, and a registry that all of them push to."""

    registry: Running
    docker: Docker
    buildah: Client
    buildkit: BuildKit
    home: Path

    def name(self, builder: str) -> str:
        """What images of a builder are called."""
        return f"{self.registry.host}/t/{builder}:1"

    def by_docker(self, context: Path, *options: str) -> Flat:
        """Build with dockerd's own builder."""
        name = self.name("docker")
        cli = self.docker.cli.with_environment(DOCKER_BUILDKIT="0")
        cli("build", "--tag", name, *options, str(context))
        cli("push", "--quiet", name)
        return self._pushed("docker")

    def by_buildah(self, context: Path, *options: str) -> Flat:
        """Build with buildah."""
        name = self.name("buildah")
        trusted = trust(self.registry)
        self.buildah(
            "bud",
            "--format=docker",
            "--isolation=chroot",
            *trusted,
            "--tag",
            name,
            *options,
            str(context),
        )
        self.buildah("push", *trusted, name)
        return self._pushed("buildah")

    def by_buildkit(self, context: Path, *options: str) -> Flat:
        """Build with BuildKit."""
        places = ("--local", f"context={context}", "--local", f"dockerfile={context}")
        output = f"type=image,name={self.name('buildkit')},push=true"
        frontend = ("build", "--progress=plain", "--frontend=dockerfile.v0")
        self.buildkit.cli(*frontend, *places, *options, "--output", output)
        return self._pushed("buildkit")

    def by_lreg(self, context: Path, *options: str, **more: str) -> Flat:
        """Build with lreg."""
        env = clean_environment(self.home, LOCAL_REGISTRY=self.registry.host) | more
        argv = ["build", "--quiet", "--push", "--tag", "t/lreg:1", *options, str(context)]
        run(sys.executable, "-m", "lreg", *argv, env=env, cwd=self.home)
        return self._pushed("lreg")

    def others(self) -> dict[str, str]:
        """Return the environment in which lreg finds the other builders."""
        storage = self.home / "storage.conf"
        roots = f'runroot = "{self.home}/run"\ngraphroot = "{self.home}/root"\n'
        storage.write_text(f'[storage]\ndriver = "vfs"\n{roots}')
        return {
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_STORAGE_CONF": str(storage),
            "STORAGE_DRIVER": "vfs",
            "BUILDKIT_HOST": self.buildkit.address,
            "DOCKER_HOST": self.docker.host,
            "DOCKER_BUILDKIT": "0",
            "PATH": f"{self.buildkit.programs}:{os.environ['PATH']}",
        }

    def _pushed(self, builder: str) -> Flat:
        with self.registry.wire() as wire:
            return flattened(wire, f"t/{builder}", "1")


@pytest.fixture(scope="module")
def builders(dockerd: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builders]:
    """The builders, with the base in the registry."""
    home = tmp_path_factory.mktemp("builders")
    registry = start_lreg(home)
    buildkit = BuildKit(home / "buildkit")
    made = Builders(registry, dockerd, clients.buildah(home / "buildah"), buildkit, home)
    folder = home / "base"
    folder.mkdir()
    (folder / "base.tar").write_bytes(base_archive())
    (folder / "Dockerfile").write_text(BASE)
    name = f"{made.registry.host}/t/base:1"
    made.docker.cli.with_environment(DOCKER_BUILDKIT="0")("build", "--tag", name, str(folder))
    made.docker.cli("push", "--quiet", name)
    try:
        yield made
    finally:
        buildkit.close()
        registry.stop()


def write_case(folder: Path, case: str, registry: Running) -> Path:
    """Write a context with the Dockerfile of a case."""
    text = (BOTH | BUILDKITS)[case]
    folder.mkdir()
    write_context(folder)
    text = textwrap.dedent(text).lstrip().replace("BASE ", f"{registry.host}/t/base:1 ")
    text = re.sub(r"BASE$", f"{registry.host}/t/base:1", text, flags=re.MULTILINE)
    (folder / "Dockerfile").write_text(text)
    if ignore := IGNORED.get(case):
        (folder / ".dockerignore").write_text(ignore)
    return folder


@pytest.mark.parametrize("case", BOTH)
def test_same_as_all_others(builders: Builders, tmp_path: Path, case: str) -> None:
    """Names, kinds, modes, owners, links, contents and config are those that others make of it."""
    context = write_case(tmp_path / "context", case, builders.registry)
    ours = builders.by_lreg(context)
    for build in (builders.by_docker, builders.by_buildah, builders.by_buildkit):
        theirs = build(context)
        assert ours.files == theirs.files, build.__name__
        assert ours.said() == theirs.said(), build.__name__


@pytest.mark.parametrize("case", BUILDKITS)
def test_same_as_buildkit(builders: Builders, tmp_path: Path, case: str) -> None:
    """Where builders differ, files and config are those that BuildKit makes of it."""
    context = write_case(tmp_path / "context", case, builders.registry)
    ours, theirs = builders.by_lreg(context), builders.by_buildkit(context)
    assert ours.files == theirs.files
    assert ours.said() == theirs.said()


@pytest.mark.parametrize("builder", ["buildah", "buildkit", "docker"])
def test_others_build_for_lreg(builders: Builders, tmp_path: Path, builder: str) -> None:
    """What another builder makes of a Dockerfile is pushed like what lreg makes of it."""
    context = write_case(tmp_path / "context", "files", builders.registry)
    own = builders.by_lreg(context)
    options = ("--builder", builder, "--label", "by=other")
    theirs = builders.by_lreg(context, *options, **builders.others())
    assert theirs.files == own.files
    assert theirs.said()["Labels"]["by"] == "other"
