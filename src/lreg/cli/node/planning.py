"""The options that say what nodes are to be told: one plan for emit, apply, overlay and doctor."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from lreg.cli.registries.outward import outward
from lreg.cli.registries.target import VARIABLE, parse_target, running_here
from lreg.config import load
from lreg.errors import LregError, UsageError
from lreg.kinds import ListenAddress, parse_upstream
from lreg.node.plan import Mechanism, NodePlan, RegistryAddress, is_spoofable
from lreg.oci.reference import DOCKER_HUB, canonical_host

F = TypeVar("F", bound=Callable[..., Any])
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----")
_MOST_PEM = 1 << 20
_PARAMETERS = (
    *("registry", "registry_name", "upstream", "mechanism"),
    *("fallback", "for_version", "ca"),
)


def plan_options(function: F) -> F:
    """Give a command the options of a plan; it gets the NodePlan as its first argument.

    Raises, when the command runs:
        UsageError: an option is wrong, or options do not go together.
        LregError: no registry is named and none runs here.
    """

    @functools.wraps(function)
    def wrapped(make: Callable[[], NodePlan], **options: Any) -> Any:
        return function(make(), **options)

    return cast("F", plan_options_when_asked(wrapped))


def plan_options_when_asked(function: F) -> F:
    """Give a command the same options; its first argument makes the NodePlan, and may raise."""

    @functools.wraps(function)
    def wrapped(
        *,
        registry: str | None,
        registry_name: str,
        upstream: tuple[str, ...],
        mechanism: str,
        fallback: bool,
        for_version: str,
        ca: Path | None,
        **options: Any,
    ) -> Any:
        def make() -> NodePlan:
            how = Mechanism(mechanism)
            address, own_ca = _registry(registry, how)
            plan = NodePlan(
                registry=address,
                upstreams=_upstreams(upstream, how),
                mechanism=how,
                fallback=fallback,
                ca=_ca(ca) or own_ca,
                version=for_version,
                name=_name(registry_name),
            )
            for doubt in _doubts(plan, here=not _said(registry)):
                click.echo(f"lreg: {doubt}", err=True)
            return plan

        return function(make, **options)

    decorated: Any = wrapped
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return cast("F", decorated)


_OPTIONS = (
    click.option(
        "--registry",
        metavar="ADDR",
        help="Where nodes reach lreg: HOST[:PORT], [v6]:PORT or a URL.  "
        f"[env: {VARIABLE}; default: the address of the lreg that runs here]",
    ),
    click.option(
        "--registry-name",
        metavar="NAME",
        default="",
        help="Call lreg by this name, with a line in the nodes' /etc/hosts: for runtimes that "
        "can't have an IPv6 address in a name.",
    ),
    click.option(
        "--upstream",
        metavar="HOST",
        multiple=True,
        help="A registry whose images come from lreg; may be repeated.  "
        "[default: those that lreg.toml allows]",
    ),
    click.option(
        "--mechanism",
        type=click.Choice([each.value for each in Mechanism]),
        default=Mechanism.MIRROR.value,
        show_default=True,
        help="mirror: the runtime's own settings for mirrors; spoof-http, spoof-tls: registries' "
        "names mean lreg's address, port 80 or 443.",
    ),
    click.option(
        "--fallback/--no-fallback",
        default=True,
        help="Whether the runtime may ask the internet where lreg fails; a spoof never does.  "
        "[default: fallback]",
    ),
    click.option(
        "--for-version",
        metavar="VERSION",
        default="",
        help="The runtime's version, such as 1.6.20, where that makes a difference.",
    ),
    click.option(
        "--ca",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        metavar="FILE",
        help="The CA of lreg's certificates, PEM.  [default: that of the lreg that runs here]",
    ),
)


def registry_address(text: str | None = None) -> RegistryAddress:
    """Return where nodes reach the registry: `text`, else $LOCAL_REGISTRY, else the one here.

    Raises:
        UsageError: the text or the variable is no registry.
        LregError: none is named and none runs here.
    """
    return _registry(text, Mechanism.MIRROR)[0]


def plan_given(ctx: click.Context) -> bool:
    """Return whether any option of a plan stands on the command line."""
    said = click.core.ParameterSource.COMMANDLINE
    return any(ctx.get_parameter_source(name) is said for name in _PARAMETERS)


def _registry(text: str | None, mechanism: Mechanism) -> tuple[RegistryAddress, str | None]:
    """Return where the registry is, and its CA where it runs here and speaks TLS."""
    if said := _said(text):
        return _named(said, mechanism), None
    if (running := running_here()) is None:
        raise LregError(
            f"no lreg runs here: `lreg start` one, or say where it is by --registry or ${VARIABLE}"
        )
    place = _place(running.urls, mechanism)
    address = RegistryAddress(place.host, place.port, place.scheme == "https")
    if running.ca is None or not address.tls:
        return address, None
    return address, _ca(Path(running.ca))


def _said(text: str | None) -> str | None:
    """Return the registry that is named, by the option or the variable, if one is."""
    return text or os.environ.get(VARIABLE)


def _doubts(plan: NodePlan, *, here: bool) -> Iterator[str]:
    """Yield what has to hold where lreg runs, and may not: a runtime falls back without a word.

    Args:
        plan: what nodes are to be told.
        here: whether its registry is the one that runs here.
    """
    if plan.registry.tls and plan.ca is None:
        yield f"no --ca: nodes have to trust the certificate of {plan.registry} already"
    if plan.registry.tls and plan.name:
        yield f"lreg has to run with --tls-name {plan.name}, for its certificate to have that name"
    wanted = {canonical_host(host) for host in plan.upstreams}
    if refused := wanted.difference(load().config.upstreams) if here else set():
        yield f"lreg.toml does not allow {', '.join(sorted(refused))}: lreg will not serve these"


def _named(text: str, mechanism: Mechanism) -> RegistryAddress:
    if mechanism.asked is None:
        address = RegistryAddress.parse(text)  # whose complaint does not name the variable
        return address if "://" in text else RegistryAddress.parse(parse_target(text).url)
    scheme, port = mechanism.asked
    address = RegistryAddress.parse(text if "://" in text else f"{scheme}://{text}")
    if (address.scheme, address.port) != mechanism.asked:
        raise UsageError(
            f"{mechanism.value} asks lreg at {scheme}://HOST:{port}, which {address} is not: give "
            f"its address alone by --registry, and let it `--listen {scheme}://:{port}`"
        )
    return address


def _place(urls: tuple[str, ...], mechanism: Mechanism) -> ListenAddress:
    usable = urls
    if mechanism.asked:
        scheme, port = mechanism.asked
        places = {url: ListenAddress.parse(url) for url in urls}
        usable = tuple(url for url, at in places.items() if (at.scheme, at.port) == mechanism.asked)
        if not usable:
            raise UsageError(
                f"{mechanism.value} needs an lreg that listens on port {port}, and here it "
                f"listens at {' '.join(urls)}: add --listen {scheme}://:{port} to it"
            )
    try:
        return outward(usable, socket.AF_INET)
    except LregError as error:
        with contextlib.suppress(LregError):
            return outward(usable, socket.AF_INET6)
        raise error from None


def _upstreams(given: tuple[str, ...], mechanism: Mechanism) -> tuple[str, ...]:
    if given:
        return tuple(dict.fromkeys(map(_upstream, given)))
    allowed = load().config.upstreams
    return tuple(host for host in allowed if is_spoofable(host) or not mechanism.spoofs)


def _upstream(text: str) -> str:
    """Return an upstream as images name it: with the port that it is written with."""
    host, port = parse_upstream(text), text.partition(":")[2]
    if port in {"", "443"} or host == DOCKER_HUB:
        return host
    return RegistryAddress.parse(f"{host}:{port}").authority


def _name(text: str) -> str:
    name = text.lower()
    if name and not is_spoofable(name):
        raise UsageError(f"--registry-name: {text!r} is no name, such as lreg.internal")
    return name


def _ca(file: Path | None) -> str | None:
    if file is None:
        return None
    # A file may hold the key as well, which is not for nodes, and much else after it.
    with file.open(errors="replace") as opened:
        found = _CERTIFICATE.findall(opened.read(_MOST_PEM))
    if not found:
        raise UsageError(f"{file}: there is no certificate in it: a CA in PEM is needed")
    return "".join(f"{each}\n" for each in found)
