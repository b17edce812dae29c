"""What a Python program dials and looks up, by its own interpreter's word (PEP 578)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ADDRESS = re.compile(r"socket\.getaddrinfo [0-9a-f.:]*[.:][0-9a-f]*")
_HOOK = """\
import os
import sys

_WATCHED = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
_TO = os.open(os.environ["DIALS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def _note(event, arguments):
    if event in _WATCHED:
        os.write(_TO, f"{event} {arguments[-1 if event == 'socket.connect' else 0]}\\n".encode())


sys.addaudithook(_note)
"""


class Dials:
    """Watches programs that are started with `inside` before their command.

    Args:
        folder: where to note what they do; made.

    Attributes:
        inside: what to put before a command.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(_HOOK)
        self._notes = folder / "dials"
        self.inside = ("env", f"PYTHONPATH={folder}", f"DIALS={self._notes}")

    def tried(self) -> list[str]:
        """Return what was tried since the last call, whether it succeeded or not.

        An address needs no look-up, though it goes through the same function.
        """
        found = self._notes.read_text().splitlines()
        self._notes.write_text("")
        return [each for each in found if not _ADDRESS.fullmatch(each)]
