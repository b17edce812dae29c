"""Contexts with Dockerfiles that builders are to make the same of."""

from __future__ import annotations

import io
import os
import re
import tarfile
import textwrap
from typing import TYPE_CHECKING, Literal

from tests.support.features import FEATURES

if TYPE_CHECKING:
    from pathlib import Path


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


def write_base(folder: Path) -> Path:
    """Write the context of the image that cases call BASE."""
    folder.mkdir()
    (folder / "base.tar").write_bytes(base_archive())
    (folder / "Dockerfile").write_text(BASE)
    return folder


def write_case(folder: Path, case: str, base: str) -> Path:
    """Write a context with the Dockerfile of a case, in which BASE is that image."""
    text = (BOTH | BUILDKITS | FEATURES)[case]
    folder.mkdir()
    write_context(folder)
    text = textwrap.dedent(text).lstrip().replace("BASE ", f"{base} ")
    text = re.sub(r"BASE$", base, text, flags=re.MULTILINE)
    (folder / "Dockerfile").write_text(text)
    if ignore := IGNORED.get(case):
        (folder / ".dockerignore").write_text(ignore)
    return folder
