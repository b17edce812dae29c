"""What an engine is asked, whichever it is."""

from __future__ import annotations

import shutil
import subprocess
import threading
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Protocol, cast

from lreg.errors import LregError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from lreg.oci.platform import Platform

# The end of what a program said says why it failed.
_SAID = 2000


class Engine(Protocol):
    """An engine that holds images; every method may raise LregError, and blocks.

    Attributes:
        name: `docker`, `podman` or `containerd`.
    """

    name: str

    def lacks(self) -> str:
        """Return why it can't be asked here, in words; "" where it can."""

    def has(self, image: str) -> bool:
        """Return whether it holds an image of this name."""

    def save(self, image: str, target: IO[bytes], platform: Platform | None = None) -> None:
        """Write an image to a file with a descriptor, as one archive.

        Args:
            image: its name, or what else the engine takes for one.
            target: the file.
            platform: of an index at least this image; None: what the engine has of it.
        """

    def load(self, write: Callable[[BinaryIO], None]) -> None:
        """Take the images of the archive that `write` writes to the file it gets."""


class Program:
    """A program that speaks for an engine.

    Args:
        argv: its name, and the arguments that it always gets.
    """

    def __init__(self, *argv: str) -> None:
        self._argv = argv

    def lacks(self) -> str:
        """Return why it can't be run; "" where it can."""
        return "" if shutil.which(self._argv[0]) else f"there is no {self._argv[0]} here"

    def asks(self, *arguments: str) -> str | None:
        """Return what it prints; None where it fails."""
        done = subprocess.run([*self._argv, *arguments], capture_output=True, check=False)
        return None if done.returncode else done.stdout.decode(errors="replace")

    def writes(self, target: IO[bytes], *arguments: str) -> None:
        """Run it with its stdout going to a file; raise LregError where it fails."""
        done = subprocess.run(
            [*self._argv, *arguments], stdout=target, stderr=subprocess.PIPE, check=False
        )
        if done.returncode:
            raise self._failed(arguments, done.stderr)

    def reads(self, write: Callable[[BinaryIO], None], *arguments: str) -> None:
        """Run it with what `write` writes as its stdin; raise LregError where it fails."""
        with subprocess.Popen(
            [*self._argv, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            stdin = cast("BinaryIO", process.stdin)
            said: list[bytes] = []
            listener = threading.Thread(target=_listen, args=(process.stderr, said))
            listener.start()
            try:
                with suppress(BrokenPipeError):  # what it said says why
                    write(stdin)
                    stdin.close()
            except BaseException:
                process.kill()
                raise
            finally:
                listener.join()
        if process.returncode:
            raise self._failed(arguments, b"".join(said))

    def _failed(self, arguments: Sequence[str], said: bytes) -> LregError:
        words = " ".join(said[-_SAID:].decode(errors="replace").split())
        command = " ".join([*self._argv, *arguments])
        return LregError(f"`{command}` failed: {words or 'it does not say why'}")


def _listen(stream: IO[bytes], said: list[bytes]) -> None:
    said.append(stream.read())
