"""How the registries that a command names are to be reached: `--insecure` and `--ca`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from lreg.oci.platform import Platform

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach registries.

    Attributes:
        insecure: accept any certificate, and plain HTTP where there is no TLS.
        ca: a PEM file with the authority of their certificates.
    """

    insecure: bool = False
    ca: Path | None = None


def access_options(function: F) -> F:
    """Give a command `--insecure` and `--ca`: it gets an Access, `access`."""

    @functools.wraps(function)
    def wrapped(*args: Any, insecure: bool, ca: Path | None, **options: Any) -> Any:
        return function(*args, access=Access(insecure, ca), **options)

    decorated: Any = click.option(
        "--ca",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        metavar="FILE",
        help="Trust this certificate authority (PEM) too.",
    )(wrapped)
    decorated = click.option(
        "--insecure", is_flag=True, help="Accept any certificate, and plain HTTP without TLS."
    )(decorated)
    return cast("F", decorated)


def platform_option(help_text: str) -> Callable[[F], F]:
    """Give a command `--platform`; it gets a Platform or None, or raises PlatformInvalid."""
    return click.option(
        "--platform",
        callback=lambda _ctx, _param, text: Platform.parse(text) if text else None,
        metavar="OS/ARCH",
        help=help_text,
    )
