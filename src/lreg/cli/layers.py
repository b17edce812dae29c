"""`lreg layers`: the layers of an image, and what made them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from lreg.cli.options.access import Access, access_options, platform_option
from lreg.cli.options.printing import json_option
from lreg.cli.output.text import columns, human_size, print_json
from lreg.cli.registries.completing import images
from lreg.errors import LregError

if TYPE_CHECKING:
    from lreg.cli.looking.facts import ImageFacts
    from lreg.oci.platform import Platform

_SHOWN = 80


@click.command(epilog="Example: lreg layers alpine:3.20")
@click.argument("image", shell_complete=images)
@platform_option("Of an index this image.  [default: this machine's]")
@access_options
@json_option
def command(
    image: str,
    *,
    platform: Platform | None,
    access: Access,
    as_json: bool,
) -> None:
    """List the layers of IMAGE, the lowest first: number, digest, packed size, what made it."""
    facts = asyncio.run(_facts(image, access, platform))
    made_by = _made_by(facts)
    if as_json:
        print_json(
            [
                {
                    "digest": str(layer.digest),
                    "media_type": layer.media_type,
                    "size": layer.size,
                    "created_by": text,
                }
                for layer, text in zip(facts.manifest.layers, made_by, strict=True)
            ]
        )
        return
    rows = [
        (str(number), str(layer.digest), human_size(layer.size), text[:_SHOWN])
        for number, (layer, text) in enumerate(zip(facts.manifest.layers, made_by, strict=True), 1)
    ]
    for line in columns(rows):
        click.echo(line)


async def _facts(text: str, access: Access, platform: Platform | None) -> ImageFacts:
    from lreg.cli.looking.facts import find_facts  # noqa: PLC0415 -- `--help` needs no client
    from lreg.cli.registries.remote import Registries  # noqa: PLC0415

    async with Registries(access) as registries:
        reference = await registries.locate(text)
        repository = await registries.repository(reference)
        facts = await find_facts(repository, reference.selector, platform)
    if facts.image is None:
        raise LregError(f"{text} is an index that names no image")
    return facts.image


def _made_by(facts: ImageFacts) -> list[str]:
    """Return for every layer what its config's history says (image-spec, config.md, "history")."""
    history: Any = facts.config.get("history")
    steps = [
        str(step.get("created_by", ""))
        for step in (history if isinstance(history, list) else [])
        if isinstance(step, dict) and not step.get("empty_layer")
    ]
    count = len(facts.manifest.layers)
    return (steps + [""] * count)[:count]
