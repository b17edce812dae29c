"""`lreg build`: an image out of a folder, without any daemon."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lreg.cli.options.access import Access, access_options
from lreg.cli.output.text import human_seconds, human_size, print_json
from lreg.errors import UsageError
from lreg.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lreg.cli.building.build import Build, Built
    from lreg.images.building.sources import Source, Wishes

_Pairs = tuple[tuple[str, str], ...]


def _pairs(_ctx: click.Context, param: click.Parameter, texts: Sequence[str]) -> _Pairs:
    for text in texts:
        if "=" not in text or text.startswith("="):
            raise UsageError(f"--{param.human_readable_name}: {text!r} is not NAME=VALUE")
    return tuple((name, value) for name, _, value in (text.partition("=") for text in texts))


def _words(_ctx: click.Context, param: click.Parameter, text: str | None) -> list[str] | None:
    if text is None:
        return None
    try:
        words = json.loads(text) if text.startswith("[") else shlex.split(text)
    except ValueError:
        words = None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UsageError(
            f"--{param.human_readable_name}: {text!r} is neither words nor a JSON list of strings"
        )
    return words


def _platforms(
    _ctx: click.Context, _param: click.Parameter, texts: Sequence[str]
) -> list[Platform]:
    return [Platform.parse(one) for text in texts for one in text.split(",")]


def _pair_option(*names: str, text: str) -> Callable[[Any], Any]:
    return click.option(*names, multiple=True, callback=_pairs, metavar="NAME=VALUE", help=text)


@click.command(
    epilog="Examples: lreg build --push ./image; lreg build --tag app:1 --push .; "
    "lreg build --from-dir rootfs --cmd /bin/app --tag app:1 -o app.tar"
)
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--from-dir",
    "roots",
    multiple=True,
    metavar="[OS/ARCH=]ROOTFS",
    help="Instead of DIR: a folder that is the image's root; for several platforms one each.",
)
@click.option(
    "--tag",
    "-t",
    "tags",
    multiple=True,
    metavar="NAME",
    help="What it is called; may be repeated.",
)
@click.option("--push", is_flag=True, help="Push it under its tags.")
@click.option(
    "--output",
    "-o",
    metavar="FILE|DIR/",
    help="Write it as the tar of an OCI layout, or as one into a folder.",
)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    callback=_platforms,
    metavar="OS/ARCH",
    help="What for; of several, or several after commas, comes an index.  "
    "[default: this machine's]",
)
@click.option(
    "--compression",
    type=click.Choice(["gzip", "zstd"]),
    default="gzip",
    show_default=True,
    help="How layers are packed.",
)
@click.option(
    "--keep-times",
    is_flag=True,
    help="Give files their own times, instead of all $SOURCE_DATE_EPOCH, or 1970.",
)
@click.option(
    "--file",
    "-f",
    "dockerfile",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The Dockerfile.  [default: DIR/Dockerfile]",
)
@click.option("--target", default="", metavar="STAGE", help="Which stage of the Dockerfile.")
@_pair_option("--build-arg", text="Set an ARG of the Dockerfile.")
@click.option(
    "--builder",
    type=click.Choice(["lreg", "buildah", "buildkit", "docker"]),
    help="Who builds the Dockerfile.  [default: lreg; with RUN the first other that is here]",
)
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With a `tar` script: what the image is.  [default: DIR/manifest.json]",
)
@click.option("--cmd", callback=_words, metavar="WORDS", help="What it runs, or a JSON list.")
@click.option("--entrypoint", callback=_words, metavar="WORDS", help="What --cmd is given to.")
@_pair_option("--env", "-e", text="Set a variable in it.")
@click.option("--user", metavar="USER[:GROUP]", help="Whom it runs as.")
@click.option("--workdir", metavar="PATH", help="Where it runs.")
@_pair_option("--label", text="Add a label to its config.")
@_pair_option("--annotation", text="Add an annotation to its manifests.")
@access_options
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print what was built as JSON.")
def command(
    folder: Path | None,
    roots: tuple[str, ...],
    *,
    tags: tuple[str, ...],
    push: bool,
    output: str | None,
    platforms: list[Platform],
    compression: str,
    keep_times: bool,
    dockerfile: Path | None,
    target: str,
    build_arg: _Pairs,
    builder: str | None,
    manifest: Path | None,
    cmd: list[str] | None,
    entrypoint: list[str] | None,
    env: _Pairs,
    user: str | None,
    workdir: str | None,
    label: _Pairs,
    annotation: _Pairs,
    access: Access,
    quiet: bool,
    as_json: bool,
) -> None:
    """Build an image, the same bytes for the same files: no daemon, no root.

    DIR is the context of a Dockerfile; or it holds an executable `tar` and a Dockerfile, whose
    context is then the `ovl.tar` that the script writes; or that and a manifest.json (name,
    labels, app.exec), as xcluster has them; or an image.json. A Dockerfile that runs something
    goes to buildah, BuildKit or docker. The last line on stdout is the image's tag.
    """
    from lreg.cli.building.build import Build, build  # noqa: PLC0415 -- `--help` needs none of it
    from lreg.images.building.build import source_date_epoch  # noqa: PLC0415
    from lreg.images.building.builders import Builder  # noqa: PLC0415
    from lreg.images.building.layers import Recipe  # noqa: PLC0415
    from lreg.images.building.packing import Compression  # noqa: PLC0415
    from lreg.images.building.sources import Additions, Wishes  # noqa: PLC0415

    run = {"Cmd": cmd, "Entrypoint": entrypoint, "User": user, "WorkingDir": workdir}
    source, name = _source(folder, roots, Wishes(dockerfile, manifest, target, dict(build_arg)))
    wanted = Build(
        source,
        Recipe(source_date_epoch(os.environ), Compression(compression), keep_times),
        tags or ((name,) if name else ()),
        push,
        output,
        platforms,
        Additions(
            {key: value for key, value in run.items() if value is not None},
            dict(env),
            dict(label),
            dict(annotation),
        ),
        access,
        Builder(builder) if builder else None,
        quiet,
    )
    built = build(wanted)
    if as_json:
        print_json(_json(built, wanted))
    else:
        _report(built, wanted)


def _source(
    folder: Path | None, roots: tuple[str, ...], wishes: Wishes
) -> tuple[Source, str | None]:
    """Return what to build from, and what it calls itself."""
    from lreg.images.building.sources import Roots, find_source  # noqa: PLC0415

    if roots and folder:
        raise UsageError("give DIR or --from-dir, not both")
    if roots:
        return Roots(dict(map(_root, roots))), None
    if folder is None:
        raise UsageError("give DIR, what to build, or --from-dir")
    return find_source(folder, wishes)


def _root(text: str) -> tuple[Platform | None, Path]:
    platform, mark, folder = text.partition("=")
    if not mark or os.path.isdir(text):
        platform, folder = "", text
    if not os.path.isdir(folder):
        raise UsageError(f"--from-dir: {folder!r} is no folder")
    return Platform.parse(platform) if platform else None, Path(folder)


def _report(built: Built, wanted: Build) -> None:
    if not wanted.quiet:
        what = f"{built.digest}: {human_size(built.size)}, {human_seconds(built.seconds)}"
        click.echo(what, err=True)
        if not wanted.push and wanted.output is None:
            click.echo("lreg: built and kept nowhere: --push or --output keeps it", err=True)
    for line in wanted.tags or [str(built.digest)]:
        click.echo(line)


def _json(built: Built, wanted: Build) -> dict[str, Any]:
    return {
        "tags": list(wanted.tags),
        "digest": str(built.digest),
        "platforms": [str(platform) for platform in built.platforms],
        "size": built.size,
        "pushed": [str(name) for name in built.pushed],
        "output": wanted.output,
        "seconds": round(built.seconds, 3),
    }
