"""`lreg node doctor`: whether this node's runtime really pulls from lreg."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from lreg.cli.node.planning import plan_given, plan_options_when_asked
from lreg.cli.options.printing import json_option
from lreg.cli.output.text import print_json
from lreg.errors import LregError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from lreg.admin.values import Sighting
    from lreg.client.admin import Admin
    from lreg.node.doctor.finding import Finding
    from lreg.node.plan import NodePlan

T = TypeVar("T")

_ROOT = Path("/")


@click.command(
    epilog="Examples: lreg node doctor; lreg node doctor containerd; "
    "lreg node doctor docker --registry 10.0.0.1:5000 --upstream docker.io"
)
@click.argument("runtime", required=False)
@plan_options_when_asked
@click.option("--socket", metavar="PATH", default="", help="The runtime's socket.")
@click.option(
    "--timeout",
    type=click.IntRange(min=1),
    default=60,
    metavar="SECONDS",
    help="How long one pull may take.  [default: 60]",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    make_plan: Callable[[], NodePlan],
    *,
    runtime: str | None,
    socket: str,
    timeout: int,
    as_json: bool,
) -> None:
    """Check this node, then pull a canary of each upstream through RUNTIME; run it on the node.

    A canary is an image of a one-time name that only lreg has, so that lreg can tell whether that
    very pull came to it. What the node was told is what `lreg node apply` told it, or else what the
    options say. Without RUNTIME each one that was applied is checked, or the one that is found.

    One line a check, green or red, a red one with its mend. The exit code is 0 if all is green, 1
    if not.
    """
    plans = _plans(runtime, make_plan, given=plan_given(ctx))
    found: dict[str, list[Finding]] = {}
    for name, plan in plans.items():
        found[name] = []
        for finding in _examined(name, plan, socket, timeout):
            found[name].append(finding)
            if not as_json:
                _show(finding)
    healthy = all(each.ok for findings in found.values() for each in findings)
    if as_json:
        shown = {name: list(map(asdict, findings)) for name, findings in found.items()}
        print_json({"ok": healthy, "runtimes": shown})
    ctx.exit(0 if healthy else 1)


def _plans(
    runtime: str | None, make_plan: Callable[[], NodePlan], *, given: bool
) -> Mapping[str, NodePlan]:
    """Return what is to be checked, by runtime; raise LregError."""
    from lreg.node.doctor.engines import NAMES, detect  # noqa: PLC0415 -- `--help` needs none of it
    from lreg.node.record import remembered  # noqa: PLC0415

    known = {} if given else remembered(_ROOT)
    if runtime is None:
        if applied := {name: plan for name, plan in known.items() if name in NAMES}:
            return applied
        runtime = detect()
    return {runtime: known[runtime] if runtime in known else make_plan()}


def _examined(name: str, plan: NodePlan, socket: str, seconds: float) -> Iterator[Finding]:
    from lreg.node.doctor import examine  # noqa: PLC0415
    from lreg.node.doctor.engines import engine_of  # noqa: PLC0415
    from lreg.node.rooted import Root  # noqa: PLC0415

    engine = engine_of(name, socket)
    yield from examine(name, plan, engine, _Witness(plan), Root(_ROOT), seconds)


class _Witness:
    """The registry of a plan, asked at the address that its runtimes are to use."""

    def __init__(self, plan: NodePlan) -> None:
        self._url = plan.registry.url
        self._headers: Mapping[str, str] = {}

    def clock(self) -> float:
        """Return what time it is there; raise LregError."""

        async def nothing(admin: Admin) -> None:
            del admin

        self._ask(nothing)
        try:
            return parsedate_to_datetime(self._headers["date"]).timestamp()
        except (KeyError, ValueError):
            raise LregError("it does not say what time it is there") from None

    def sightings(self, nonce: str) -> Sequence[Sighting]:
        """Return who asked for a canary; raise LregError."""

        async def sightings(admin: Admin) -> tuple[Sighting, ...]:
            return await admin.sightings(nonce)

        return self._ask(sightings)

    def _ask(self, ask: Callable[[Admin], Awaitable[T]]) -> T:
        return asyncio.run(self._asked(ask))

    async def _asked(self, ask: Callable[[Admin], Awaitable[T]]) -> T:
        from lreg.client.admin import Admin  # noqa: PLC0415
        from lreg.client.credentials import Only  # noqa: PLC0415
        from lreg.client.registry import Registry  # noqa: PLC0415
        from lreg.client.wire import Route  # noqa: PLC0415

        route = Route(proxy="none", observe=self._observe)
        # Whether its certificate is good for the runtime is a check of its own.
        registry = Registry(self._url, insecure=True, credentials=Only(None), route=route)
        async with registry:
            if (admin := await Admin.find(registry)) is None:
                raise LregError("what answers there is no lreg")
            return await ask(admin)

    def _observe(self, status: int, headers: Mapping[str, str]) -> None:
        del status
        self._headers = headers


def _show(finding: Finding) -> None:
    mark = click.style("ok  ", fg="green") if finding.ok else click.style("FAIL", fg="red")
    click.echo(f"{mark}  {finding.check:<8}  {finding.said}")
    if finding.mend:
        click.echo(f"{'':<16}-> {finding.mend}")
