"""Every command of `images`, in the order of its help."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import click

from lreg.cli.registries.target import VARIABLE
from lreg.cli.seed import making
from lreg.cli.seed.here import local, locate, look, lreg, pause_image
from lreg.cli.seed.words import Given, Word
from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What is built here, and nowhere to be had.
_LOCAL = "*:local*"
_INDENT = "  "


def run(name: str, arguments: Sequence[str]) -> int:
    """Run a command; return its exit code.

    Raises:
        UsageError: there is no such command, or its words are wrong.
    """
    if (word := COMMANDS.get(name)) is None:
        raise UsageError(f"there is no command {name!r:.80}: `images` alone lists them")
    return word.run(name, arguments)


def help_text() -> str:
    """Return what a bare `images` prints."""
    lines = ["images -- images for nodes, and the registry that they come from", "", "Commands:"]
    for name, word in COMMANDS.items():
        lines.append(f"{_INDENT}{f'{name} {word.usage}'.rstrip()}")
        lines += [f"{2 * _INDENT}{line}" for line in word.help.split("\n")]
    lines += ["", "Options stand before operands: --opt=value or --opt. A dir/ovl is a folder, or"]
    lines += ["an overlay's name along $XCLUSTER_OVLPATH. Each command is a name for one of lreg."]
    return "\n".join(lines) + "\n"


def _ls(given: Given) -> int:
    del given
    for line in asyncio.run(_listed()):
        click.echo(line)
    return 0


async def _listed() -> list[str]:
    from lreg.cli.ls import with_tags  # noqa: PLC0415 -- the help needs no client
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415

    async with Registries() as registries:
        found = [one async for one in with_tags(await registries.local(), "")]
    lines: list[str] = []
    for name, tags in found:
        lines += [f"{name}:", f"{_INDENT}{json.dumps(tags, separators=(',', ':'))}"]
    return lines


def _cache(given: Given) -> int:
    # Of nothing, as `lreg_missingimages` may print it, there is nothing to bring.
    return lreg("cache", *given.operands) if given.operands else 0


def _upload(given: Given) -> int:
    flags = given.flags("strip-host", "include-host")
    codes = [lreg("upload", *flags, f"--as={image}", image) for image in given.operands]
    return max(codes)


def _inspect(given: Given) -> int:
    from lreg.cli.seed.inspect import described  # noqa: PLC0415 -- the help needs no client

    fields = asyncio.run(described(local(given.operands[0])))
    click.echo(json.dumps(fields, indent=4, ensure_ascii=False))
    return 0


def _rm(given: Given) -> int:
    return lreg("rm", *map(local, given.operands))


def _is_loaded(given: Given) -> int:
    return lreg("has", *(image.strip("\"'") for image in given.operands))


def _missing(given: Given) -> int:
    pause = pause_image()
    lacks = bool(pause) and lreg("has", pause) == 1
    if lacks:
        click.echo(pause)
    folders = [str(locate(name)) for name in given.operands]
    code = lreg("missing", "--only-sure", "--names-only", *folders) if folders else 0
    return code or int(lacks)


def _preload(given: Given) -> int:
    pause = pause_image()
    code = 0
    if pause and (given.has("force") or lreg("has", pause) == 1):
        code = lreg("cache", pause)
    if code and not given.has("keep-going"):
        return code
    folders = [str(locate(name)) for name in given.operands]
    flags = given.flags("force", "keep-going")
    rest = lreg("preload", "--only-sure", f"--exclude={_LOCAL}", *flags, *folders) if folders else 0
    return rest or code


def _images(given: Given) -> int:
    from lreg.cli.options.sources import look as find  # noqa: PLC0415 -- the help needs no YAML
    from lreg.images.finding.sources import Sources  # noqa: PLC0415

    folders = tuple(str(locate(name)) for name in given.operands)
    needs, _ = find(Sources(folders), only_sure=True)
    # As they are written: whoever asks may look for them in the manifests.
    for name in sorted({str(one.reference) for need in needs for one in need.found}):
        click.echo(name)
    return 0


def _ip(given: Given) -> int:
    del given
    if named := os.environ.get(VARIABLE):
        click.echo(named)
        return 0
    from lreg.cli.seed.ip import address  # noqa: PLC0415

    click.echo(address())
    return 0


def _ls_files(given: Given) -> int:
    return look("files", given.operands[0])


def _ls_layers(given: Given) -> int:
    return look("files", given.operands[0], "--layers")


def _save_layers(given: Given) -> int:
    image, *layers = given.operands
    return look("export", image, *(f"--layer={layer}" for layer in layers))


def _export(given: Given) -> int:
    return look("export", given.operands[0])


def _save(given: Given) -> int:
    if not (output := given.options.get("output")):
        raise UsageError("docker_save needs --output=FILE.tar: where to")
    return lreg("save", f"--output={output}", *map(local, given.operands))


COMMANDS: Mapping[str, Word] = {
    "lreg_ls": Word("", "List the repositories of the registry here, each with its tags.", _ls, 0),
    "lreg_cache": Word(
        "<external-image>",
        "Bring an image from the internet into the registry. Example:\n"
        "  images lreg_cache docker.io/library/alpine:3.8",
        _cache,
        0,
    ),
    "lreg_upload": Word(
        "[--strip-host|--include-host] <docker_image>",
        "Push an image of Docker, podman or containerd into the registry, under the name that\n"
        "is given here. An archive: `lreg upload FILE`. Examples:\n"
        "  images lreg_upload library/alpine:3.8\n"
        "  images lreg_upload --strip-host docker.io/library/alpine:3.8",
        _upload,
        options=("strip-host", "include-host", "force"),
    ),
    "lreg_inspect": Word(
        "<image:tag>", "Show what an image in the registry is, as skopeo inspect does.", _inspect
    ),
    "lreg_rm": Word("<image:tag>", "Remove an image from the registry.", _rm),
    "lreg_isloaded": Word(
        "<image:tag>", "Exit with 0 if the registry has the image, with 1 if not.", _is_loaded
    ),
    "lreg_missingimages": Word(
        "[dir/ovl...]",
        "List what manifests need and the registry lacks, the pause image too where the crio\n"
        "overlay is known; exit with 1 if there is any.",
        _missing,
        0,
    ),
    "lreg_preload": Word(
        "[--force] [--keep-going] [dir/ovl...]",
        "Bring what manifests need and the registry lacks; with --force all they need.\n"
        "Tags that begin with `local` are left out.",
        _preload,
        0,
        ("force", "keep-going"),
    ),
    "getimages": Word(
        "[dir/ovl]", "List the images that manifests need, as they are written there.", _images, 0
    ),
    "lreg_ip": Word(
        "",
        f"Print where the registry is: ${VARIABLE}, else the address of the lreg that runs\n"
        "here, without the port if that is 80.",
        _ip,
        0,
    ),
    "mkimage": Word(
        "[--manifest=] [--force] [--upload] [--strip-host] [--tag=] <dir>",
        "Build the image of a folder with a `tar` script, and print its tag last. Without a\n"
        "Dockerfile, manifest.json says what it is. --upload pushes it into the registry;\n"
        "otherwise Docker gets it.",
        making.mkimage,
        options=("manifest", "force", "upload", "strip-host", "include-host", "tag"),
    ),
    "docker_ls": Word("<image>", "List the files of an image.", _ls_files),
    "docker_ls_layers": Word("<image>", "List the files of an image layer by layer.", _ls_layers),
    "docker_save_layers": Word(
        "<image> <layers...>", "Write the files of some layers as a tar to stdout.", _save_layers, 2
    ),
    "docker_export": Word("<image>", "Write the root of an image as a tar to stdout.", _export),
    "docker_save": Word(
        "--output=file.tar <images...>", "Write images into a file.", _save, options=("output",)
    ),
    "make": Word(
        "[--tar=] <items...>",
        "Write images into a file, $XCLUSTER_TMP/images.tar if none is named. An item is an\n"
        "image with its tag, or an overlay whose folder `image` is built, or overlay/folder.",
        making.make,
        options=("tar",),
    ),
}
