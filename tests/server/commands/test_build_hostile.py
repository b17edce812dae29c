"""`lreg build` of Dockerfiles and contexts that are hostile, or wrong."""

from __future__ import annotations

import os
import socket
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.commands.test_build_dockerfile import tar_of, write

if TYPE_CHECKING:
    from tests.server.commands.conftest import Lreg


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("COPY missing /", "line 2: COPY: 'missing' is not there"),
        ("COPY ../../../../../../etc/passwd /", "etc/passwd' is not there"),
        ("COPY --parents ../../../../../../etc/passwd /", "etc/passwd' is not there"),
        ("COPY out /x", "is a link that leads out"),
        ("COPY out/passwd /x", "is a link that leads out"),
        ("COPY loop /x", "links in a circle"),
        ("COPY pipe /x", "is a pipe"),
        ("COPY . /x/", "an image can't hold it"),
        ("COPY file tar /x", "need a folder to go to"),
        ("COPY file /\nCOPY folder/inside /file/x", "/file is no folder"),
        ("COPY folder/inside /x\nCOPY folder /x", "/x is no folder"),
        ("COPY file /x/y\nCOPY sub /", "/x is one, and no folder is to take its place"),
        ("COPY --chown=nobody file /", "no 'nobody' in /etc/passwd"),
        ("COPY --chmod=9 file /", "no mode"),
        ("ADD escape.tar /", "leads out of the image"),
        ("ADD device.tar /", "is a character device"),
        ("ADD hard.tar /", "is a hard link to /etc/shadow"),
        ("ADD whiteout.tar /", "hides files"),
        ("ADD short.tar /", "ends too early"),
        ("ENV A=${B?}", "line 2: ENV: B: it is not set"),
        ("STOPSIGNAL SIGNONE", "no signal"),
        ("EXPOSE 99999", "no port"),
        ("USER $NOBODY", "nothing is left"),
        ("ENV A=12345678\n" + "ENV A=$A$A\n" * 40, "grows past 1 MiB"),
        ("ENV A=1111\nLABEL a=${A//1/" + "x" * 400_000 + "}", "grows past 1 MiB"),
        ("ENV A=" + 100_000 * "x" + "\n" + "LABEL a=$A\n" * 700, "grow past 64 MiB"),
        ("WORKDIR " + "/a" * 3000, "more than 250 folders deep"),
    ],
)
def test_hostile_or_wrong(lreg_here: Lreg, tmp_path: Path, text: str, message: str) -> None:
    """What can't be, or must not be, is one line that says what and where."""
    folder = write(tmp_path / "c", f"FROM scratch\n{text}\n", folder__inside="x", sub__x="x")
    write_traps(folder)
    line = lreg_here.fail(2, "build", "--quiet", str(folder))
    assert message in line
    assert "Dockerfile: line" in line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ARG A=12345678\n" + "ARG A=$A$A\n" * 40 + "FROM scratch\n", "grows past 1 MiB"),
        ("#" * (5 << 20), "has more than 4 MiB"),
    ],
)
def test_hostile_as_a_whole(lreg_here: Lreg, tmp_path: Path, text: str, message: str) -> None:
    """What grows without end is refused before it fills the memory."""
    folder = write(tmp_path / "c", text)
    assert message in lreg_here.fail(2, "build", "--quiet", str(folder))
    assert "is no file" in lreg_here.fail(2, "build", "--file", "/dev/zero", str(folder))


def write_traps(folder: Path) -> None:
    """Write what a context from somewhere may hold."""
    (folder / "out").symlink_to("/etc")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(folder)
        listening.bind("socket")
        os.chdir(here)
    traps: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "tar": [("x", {})],
        "escape.tar": [("../../etc/cron", {})],
        "device.tar": [("dev/null", {"type": tarfile.CHRTYPE})],
        "hard.tar": [("x", {"type": tarfile.LNKTYPE, "linkname": "/etc/shadow"})],
        "whiteout.tar": [(".wh.etc", {})],
        "short.tar": [("x", {"size": 1 << 40})],
    }
    for name, entries in traps.items():
        (folder / name).write_bytes(tar_of(entries))
