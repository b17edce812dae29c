"""`lreg spoof`: names of registries that mean the one here."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

import click

from lreg.cli.node.planning import registry_address
from lreg.config import load
from lreg.errors import UsageError
from lreg.node.hosts import coredns, dnsmasq, hosts_lines, parse_spoofs
from lreg.node.plan import is_spoofable, spoofed_names

# xcluster's name for the file of names to spoof.
_VARIABLE = "__dns_spoof"
_FORMATS = {"hosts": hosts_lines, "dnsmasq": dnsmasq, "coredns": coredns}


@click.command(
    epilog="Examples: lreg spoof | ssh node 'cat >>/etc/hosts'; lreg spoof docker.io quay.io "
    "--format dnsmasq"
)
@click.argument("names", metavar="[HOST]...", nargs=-1)
@click.option(
    "--file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="HOSTS",
    help=f"Read the names from here, one a line; # begins a comment.  [env: {_VARIABLE}]",
)
@click.option(
    "--address",
    metavar="ADDR",
    help="What the names are to mean.  [default: the address of the lreg that runs here]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_FORMATS)),
    default="hosts",
    show_default=True,
    help="Lines of /etc/hosts, or what these DNS servers take.",
)
def command(names: tuple[str, ...], *, file: Path | None, address: str | None, form: str) -> None:
    """Print hosts lines that make the names of registries mean the one here.

    Without HOST and --file the names are those of the upstreams that lreg.toml allows. docker.io
    brings registry-1.docker.io and index.docker.io along. A runtime asks these names on port 443,
    or on 80 if it is told to: lreg has to listen there.
    """
    click.echo(_FORMATS[form](_spoofed(names, file), _address(address)), nl=False)


def _spoofed(names: tuple[str, ...], file: Path | None) -> tuple[str, ...]:
    if names and file:
        raise UsageError("give the names or a --file with them, not both")
    if names:
        return parse_spoofs("\n".join(names))
    file = file or (Path(text) if (text := os.environ.get(_VARIABLE)) else None)
    if file is None:
        return spoofed_names(filter(is_spoofable, load().config.upstreams))
    with click.open_file(str(file), encoding="utf-8", errors="replace") as stream:
        try:
            found = parse_spoofs(stream.read())
        except UsageError as error:
            raise UsageError(f"{file}: {error}") from None
    if not found:
        raise UsageError(f"{file}: there is no name in it: write one a line")
    return found


def _address(text: str | None) -> str:
    if text is None:
        host = registry_address().host
    else:
        host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise UsageError(f"{error}: give an address, without a port, by --address") from None
    if address.is_unspecified or "%" in host:
        raise UsageError(f"{host} means another machine on each: give an address that nodes reach")
    return str(address)
