"""`lreg pulled`: what nodes really asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lreg.cli.options.access import Access, access_options
from lreg.cli.options.printing import json_option
from lreg.cli.output.origins import moment, short
from lreg.cli.output.text import columns, print_json
from lreg.cli.registries.asking import ask_lreg
from lreg.errors import UsageError
from lreg.kinds import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lreg.admin.values import Pull
    from lreg.images.lock import Locked


@dataclass(slots=True)
class Pulled:
    """An image that one client pulled, once or more.

    Attributes:
        last: its last pull.
        count: how many there were.
        platforms: which images of an index they took.
    """

    last: Pull
    count: int
    platforms: frozenset[str]

    @property
    def image(self) -> str:
        """The name it was asked for by."""
        pull = self.last
        return f"{pull.repository}{f':{pull.tag}' if pull.tag else f'@{pull.digest}'}"


def _since(_ctx: click.Context, _param: click.Parameter, text: str) -> float:
    try:
        return parse_duration(text)
    except UsageError as error:
        raise UsageError(f"--since: {error}") from None


@click.command(epilog="Example: lreg pulled --since 1h --lock images.lock")
@click.option(
    "--since",
    default="24h",
    show_default=True,
    callback=_since,
    metavar="DURATION",
    help="How far to look back, such as 30m, 1h or 7d.",
)
@click.option(
    "--lock",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a lock file of it, TOML, or JSON where its name ends so.",
)
@access_options
@json_option
def command(*, since: float, lock: Path | None, access: Access, as_json: bool) -> None:
    """List the images that were pulled from this registry: by whom, how often, when last.

    Among them are those that operators and controllers pull and that no manifest names. A lock file
    says exactly which they were, for `lreg cache --lock` and `lreg missing --lock`.
    """
    pulls = ask_lreg(access, lambda admin: admin.pulls(since))
    found = summary(pulls)
    if lock:
        from lreg.images.lock import write  # noqa: PLC0415 -- only `--lock` needs it

        write(lock, locked(pulls))
    if as_json:
        print_json([_json(one) for one in found])
        return
    for line in _lines(found):
        click.echo(line)


def summary(pulls: Iterable[Pull]) -> list[Pulled]:
    """Return what each client pulled, by its address, its agent and the image's name.

    Args:
        pulls: oldest first.
    """
    found: dict[tuple[str, str, str, str], Pulled] = {}
    for pull in pulls:
        key = pull.client, pull.agent, pull.repository, pull.tag or f"@{pull.digest}"
        before = found.get(key) or Pulled(pull, 0, frozenset())
        platforms = before.platforms | set(pull.platforms)
        found[key] = Pulled(pull, before.count + 1, platforms)
    return [found[key] for key in sorted(found)]


def locked(pulls: Iterable[Pull]) -> list[Locked]:
    """Return each image that was pulled as a lock file has it: what its tag meant last.

    Args:
        pulls: oldest first.
    """
    from lreg.images.lock import Locked  # noqa: PLC0415
    from lreg.oci.digest import Digest  # noqa: PLC0415
    from lreg.oci.platform import Platform  # noqa: PLC0415
    from lreg.oci.reference import RepositoryName, Tag  # noqa: PLC0415

    last: dict[tuple[str, str], Pull] = {}
    platforms: dict[tuple[str, str], set[str]] = {}
    for pull in pulls:
        last[pull.repository, pull.tag or pull.digest] = pull
        platforms.setdefault((pull.repository, pull.digest), set()).update(pull.platforms)
    tagged = {(pull.repository, pull.digest) for pull in last.values() if pull.tag}
    return [
        Locked(
            RepositoryName.parse(pull.repository),
            Tag.parse(pull.tag) if pull.tag else None,
            Digest.parse(pull.digest),
            tuple(map(Platform.parse, sorted(platforms[pull.repository, pull.digest]))),
        )
        for pull in last.values()
        # What one client asked for by its tag another did by the digest that it had read there.
        if pull.tag or (pull.repository, pull.digest) not in tagged
    ]


def _lines(found: Sequence[Pulled]) -> list[str]:
    rows = [
        (
            one.last.client,
            one.image,
            short(one.last.digest) if one.last.tag else "",
            str(one.count),
            moment(one.last.time),
            one.last.agent or "-",
        )
        for one in found
    ]
    return columns([("CLIENT", "IMAGE", "DIGEST", "TIMES", "LAST", "AGENT"), *rows]) if rows else []


def _json(one: Pulled) -> dict[str, Any]:
    pull = one.last
    return {
        "client": pull.client,
        "agent": pull.agent,
        "repository": pull.repository,
        "tag": pull.tag,
        "digest": pull.digest,
        "namespace": pull.namespace,
        "platforms": sorted(one.platforms),
        "count": one.count,
        "last": pull.time,
        "last_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(pull.time)),
    }
