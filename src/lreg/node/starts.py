"""How a daemon of a node is started: by systemd's units, and as it runs now."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lreg.errors import LregError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.node.rooted import Root

# systemd.unit(5), "Unit File Load Path": of files of one name the first counts.
_FOLDERS = (
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
)
_SETTING = re.compile(r"^(ExecStart|Environment|EnvironmentFile)[ \t]*=[ \t]*(.*)$", re.MULTILINE)
_CONTINUED = re.compile(r"\\(?:\n|\Z)")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Start:
    """One way in which a daemon is started.

    Attributes:
        by: the unit's file, or the process, in words.
        words: its command line.
        environment: the variables that are set for it.
    """

    by: str
    words: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    def option(self, *names: str) -> str | None:
        """Return the value of a flag by any of its names, the last one given; None: not given.

        Go's programs take `-name value`, `--name value` and `--name=value`.
        """
        found = None
        for at, word in enumerate(self.words):
            name, equals, value = word.partition("=")
            if name in names:
                found = value if equals else "".join(self.words[at + 1 : at + 2])
        return found


def starts(root: Root, program: str, unit: str) -> Iterator[Start]:
    """Yield how a daemon is started by its unit, if there is one, and how it was where it runs.

    Args:
        root: the node's; processes count where it is this machine's.
        program: its name: `dockerd`.
        unit: systemd's name of it, such as `docker.service`.
    """
    if (started := _by_unit(root, unit)).words:
        yield started
    if root.folder == "/":
        yield from _running(program)


def _by_unit(root: Root, unit: str) -> Start:
    # One that is masked leads nowhere, and is there all the same.
    mains = [f"{root.resolve(folder)}/{unit}" for folder in _FOLDERS]
    main = next(filter(root.exists, mains), mains[0])
    drop_ins: dict[str, str] = {}
    for folder in reversed(_FOLDERS):
        paths = root.glob(f"{folder}/{unit}.d/*.conf")
        drop_ins |= {os.path.basename(path): path for path in paths}
    by, command, environment = main, "", dict[str, str]()
    for path in (main, *(drop_ins[name] for name in sorted(drop_ins))):
        for key, value in _SETTING.findall(_CONTINUED.sub(" ", _text(root, path))):
            if key == "ExecStart":
                by, command = path, value
            elif key == "Environment":
                environment |= _assignments(value)
            else:
                environment |= _assignments(_text(root, value.lstrip("-/")).replace("\n", " "))
    return Start(root.absolute(by), tuple(_expanded(command, environment)), environment)


def _text(root: Root, path: str) -> str:
    """Return the lines of a file that are no comments; none of what is no file."""
    try:
        content = root.read(root.resolve(path)) or b""
    except (LregError, OSError):
        return ""
    lines = content.decode(errors="replace").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("#", ";")))


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quotation without an end: systemd takes none of it either
        return []


def _assignments(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in _words(text) if "=" in word)


def _expanded(command: str, environment: dict[str, str]) -> Iterator[str]:
    """Yield the words of a command: a variable by itself may be several (systemd.service(5))."""
    for word in _words(command):
        if word.startswith("$") and word[1:] in environment:
            yield from environment[word[1:]].split()
        else:
            yield _VARIABLE.sub(lambda match: environment.get(match[1], ""), word)


def _running(program: str) -> Iterator[Start]:
    """Yield the processes of a program on this node; those in containers are none of it."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = _strings(process / "cmdline")
            here = os.path.samestat(os.stat(process / "ns/mnt"), os.stat("/proc/self/ns/mnt"))
            if words and os.path.basename(words[0]) == program and here:
                pairs = (each for each in _strings(process / "environ") if "=" in each)
                environment = dict(each.split("=", 1) for each in pairs)
                yield Start(f"process {process.name}", words, environment)


def _strings(file: Path) -> tuple[str, ...]:
    content = file.read_text(errors="replace")
    return tuple(content.removesuffix("\0").split("\0")) if content else ()
