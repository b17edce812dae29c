"""Programs that are measured or needed: where they are, which version, and what they see."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import ClassVar

from tests.tools import ToolUnavailable, build


class Unavailable(Exception):
    """A program is not to be had on this machine; the text says how to get it."""


class Program:
    """What has a column in the report."""

    name: ClassVar[str]

    @classmethod
    def version(cls) -> str:
        """Return the version that is measured.

        Raises:
            Unavailable: It is not here.
        """
        raise NotImplementedError


def installed(program: str, otherwise: str) -> str:
    """Return a program's path; raise Unavailable, which says how to get it."""
    if (path := shutil.which(program)) is None:
        raise Unavailable(f"{program} is not on the PATH: {otherwise}")
    return path


def pinned(name: str) -> str:
    """Return the path of a Go program that tests/tools pins; raise Unavailable."""
    try:
        return str(build(name))
    except ToolUnavailable as error:
        raise Unavailable(str(error)) from error


def module_version(program: str, module: str) -> str:
    """Return the version of a Go module, which Go keeps in the program that it is built into."""
    for line in said(["go", "version", "-m", program]).splitlines():
        if f"\t{module}\t" in line:
            return line.split("\t")[3]
    return "unknown"


def said(command: list[str]) -> str:
    """Return what a command prints; raise Unavailable if it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(f"{' '.join(command)}: {error}") from error


def environment() -> dict[str, str]:
    """Return the environment of what is measured, without the settings of whoever runs this."""
    # Without the last, distribution 3 tries to send traces to an address where nobody listens.
    own = {key: value for key, value in os.environ.items() if not key.startswith("LREG_")}
    return own | {"OTEL_TRACES_EXPORTER": "none"}
