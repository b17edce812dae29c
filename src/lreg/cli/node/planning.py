"""The options that say what nodes are to be told: one plan for emit, apply, overlay and doctor."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from lreg.cli.outward import outward
from lreg.cli.target import VARIABLE, parse_target, running_here
from lreg.config import load
from lreg.errors import LregError, UsageError
from lreg.kinds import HOST_NAME, ListenAddress, parse_upstream
from lreg.node.plan import Mechanism, NodePlan, RegistryAddress

F = TypeVar("F", bound=Callable[..., Any])
_PEM = "-----BEGIN CERTIFICATE-----"
_PARAMETERS = (
    *("registry", "registry_name", "upstream", "mechanism"),
    *("fallback", "for_version", "ca"),
)
# What is asked for a spoofed name, and where.
_ASKED = {Mechanism.SPOOF_HTTP: ("http", 80), Mechanism.SPOOF_TLS: ("https", 443)}


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
            return NodePlan(
                registry=address,
                upstreams=_upstreams(upstream),
                mechanism=how,
                fallback=fallback,
                ca=_ca(ca) or own_ca,
                version=for_version,
                name=_name(registry_name),
            )

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
    if text or (text := os.environ.get(VARIABLE)):
        return _named(text, mechanism), None
    if (running := running_here()) is None:
        raise LregError(
            f"no lreg runs here: `lreg start` one, or say where it is by --registry or ${VARIABLE}"
        )
    place = _place(running.urls, mechanism)
    address = RegistryAddress(place.host, place.port, place.scheme == "https")
    if running.ca is None or not address.tls:
        return address, None
    return address, _ca(Path(running.ca))


def _named(text: str, mechanism: Mechanism) -> RegistryAddress:
    if "://" in text:
        return RegistryAddress.parse(text)
    if mechanism in _ASKED:
        return RegistryAddress.parse(f"{_ASKED[mechanism][0]}://{text}")
    RegistryAddress.parse(text)  # its complaint does not name the variable
    return RegistryAddress.parse(parse_target(text).url)


def _place(urls: tuple[str, ...], mechanism: Mechanism) -> ListenAddress:
    usable = urls
    if mechanism in _ASKED:
        usable = tuple(url for url in urls if _asked(ListenAddress.parse(url)) is mechanism)
        if not usable:
            scheme, port = _ASKED[mechanism]
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


def _asked(place: ListenAddress) -> Mechanism | None:
    """Return by which spoof it is asked at a place to listen, if by any."""
    return next((how for how, at in _ASKED.items() if at == (place.scheme, place.port)), None)


def _upstreams(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(parse_upstream, given))) or tuple(load().config.upstreams)


def _name(text: str) -> str:
    if text and (not HOST_NAME.fullmatch(text) or text.replace(".", "").isdigit()):
        raise UsageError(f"--registry-name: {text!r} is no name, such as lreg.internal")
    return text.lower()


def _ca(file: Path | None) -> str | None:
    if file is None:
        return None
    text = file.read_text(errors="replace")
    if _PEM not in text:
        raise UsageError(f"{file}: there is no certificate in it: a CA in PEM is needed")
    return text
