"""The command line: one command a file; wires, prints, exits."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import click

from lreg import __version__
from lreg.cli.lazy import LazyGroup
from lreg.errors import LregError

if TYPE_CHECKING:
    from collections.abc import Callable

# 128 and SIGINT, as shells say it.
INTERRUPTED = 130
_SERVER, _IMAGES = "The registry here", "Images, in any registry"
_CACHE = "What the registry here has of others"
_MAKE = "Images, made and found"
_NODES = "Nodes"

# What `lreg --help` says, so that it imports none of them: each is `command` in lreg.cli.<name>.
COMMANDS: dict[str, tuple[str, str]] = {
    "serve": (_SERVER, "Serve the registry in the foreground."),
    "start": (_SERVER, "Start the registry in the background."),
    "stop": (_SERVER, "Stop the registry that runs in the background."),
    "status": (_SERVER, "Say whether it runs, where it listens, where the store lies."),
    "address": (_SERVER, "Print the HOST:PORT under which others reach it."),
    "service": (_SERVER, "Have systemd keep the registry running."),
    "config": (_SERVER, "Show the settings and where each comes from."),
    "ca": (_SERVER, "Print the certificate of the private CA, for clients to trust."),
    "ls": (_IMAGES, "List repositories and their tags."),
    "tags": (_IMAGES, "List the tags of a repository."),
    "inspect": (_IMAGES, "Show what an image is made of."),
    "layers": (_IMAGES, "List the layers of an image, and what made them."),
    "files": (_IMAGES, "List the files in an image."),
    "cat": (_IMAGES, "Print a file of an image."),
    "export": (_IMAGES, "Write the files of an image as a tar."),
    "diff": (_IMAGES, "List the files that differ between two images."),
    "rm": (_IMAGES, "Remove images."),
    "upload": (_IMAGES, "Push images of Docker, podman or containerd, or out of archives."),
    "pull": (_IMAGES, "Bring images to Docker, podman or containerd, or into a file."),
    "save": (_IMAGES, "Write images to one archive."),
    "bundle": (_IMAGES, "Carry images in one file, across an air gap."),
    "copy": (_IMAGES, "Copy an image from one registry to another."),
    "cache": (_CACHE, "Bring images from the internet into the registry here."),
    "refresh": (_CACHE, "Ask upstream now what cached tags mean."),
    "override": (_CACHE, "Put an own version in place of an upstream's image."),
    "pin": (_CACHE, "Keep images from being evicted."),
    "unpin": (_CACHE, "Let images be evicted again."),
    "evict": (_CACHE, "Drop cached content."),
    "du": (_CACHE, "Say what the images take on the disk."),
    "pulled": (_CACHE, "List what nodes really asked for; write a lock file of it."),
    "missing": (_CACHE, "List what manifests need, or a lock file names, and is not here."),
    "preload": (_CACHE, "Bring what manifests need."),
    "has": (_CACHE, "Say by the exit code whether images are here."),
    "upstream": (_CACHE, "Show the registries on the internet, and how they are."),
    "build": (_MAKE, "Build an image out of a folder, without any daemon."),
    "images": (_MAKE, "List the images that manifests, charts, overlays or a cluster need."),
    "node": (_NODES, "Tell nodes' runtimes where to look, take it back, check that it works."),
    "spoof": (_NODES, "Print hosts lines that make registries' names mean the one here."),
    "completion": ("The shell", "Print the completion script for bash, zsh or fish."),
}


@click.group(
    cls=LazyGroup,
    package="lreg.cli",
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def root() -> None:
    """A container registry on one machine, and the commands to look after it.

    The commands for images speak to $LOCAL_REGISTRY (HOST:PORT or URL), else to the lreg that runs
    here, else to 127.0.0.1:5000.
    """


def main() -> NoReturn:
    """Run the command line and exit: an error is one line on stderr and its exit code."""
    conclude(lambda: run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; return the exit code."""
    if "_LREG_COMPLETE" in os.environ:
        from lreg.cli.registries.completing import register  # noqa: PLC0415 -- only a shell's TAB needs it

        register()
    return exit_code(lambda: root.main(arguments, prog_name="lreg", standalone_mode=False))


def conclude(work: Callable[[], int]) -> NoReturn:
    """Do some work and exit with the code that it returns.

    The interpreter is not taken apart, which takes longer than many a command: the kernel frees
    all at once. Whoever was interrupted exits without any ado, since a thread may wait for a pipe
    that nobody reads.
    """
    codes: list[int] = []
    atexit.register(_depart, codes)  # first, so that it is called when all others are through
    code = work()
    if code == INTERRUPTED:
        os._exit(code)
    codes.append(code)
    sys.exit(code)


def _depart(codes: list[int]) -> None:
    """Exit at once, if there is a code to exit with: an exception is the interpreter's to tell."""
    if not codes:
        return
    for stream in filter(None, (sys.stdout, sys.stderr)):
        # That it can't be printed was said, or there is nowhere to say it.
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(codes[0])


def exit_code(work: Callable[[], object], program: str = "lreg") -> int:
    """Do some work and return its exit code; an error is one line on stderr that `program` says."""
    try:
        code = work()
        if sys.stdout and not sys.stdout.closed:  # None where it was closed from the start
            sys.stdout.flush()
    except click.exceptions.Abort:
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else program
        _complain(program, f"{_sentence(error.format_message())} ({path} --help says more)")
        return error.exit_code
    except LregError as error:
        _complain(program, str(error))
        return error.exit_code
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # who reads has seen enough
            where = f"{error.filename}: " if error.filename else ""
            _complain(program, f"{where}{error.strerror or error}")
        return 1
    return code if isinstance(code, int) else 0


def _sentence(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def _complain(program: str, text: str) -> None:
    click.echo(f"{program}: {text}", err=True)
