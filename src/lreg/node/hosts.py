"""Names that mean the registry's address: lines of /etc/hosts, and what DNS servers take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.node.plan import Merge, NodeFile, is_spoofable, spoofed_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lreg.node.plan import NodePlan

PATH = "etc/hosts"
BEGIN = "# lreg begin: these names mean the local registry"
END = "# lreg end"
_BLOCK = re.compile(
    rf"^{re.escape(BEGIN)}\n(?:(?!{re.escape(BEGIN)}$).*\n)*?{re.escape(END)}(?:\n|\Z)",
    re.MULTILINE,
)


def hosts_lines(names: Iterable[str], address: str) -> str:
    """Return a line of /etc/hosts for each name (hosts(5)).

    Args:
        names: host names, in the order that is wanted.
        address: IPv4 or IPv6, without brackets.
    """
    return "".join(f"{address} {name}\n" for name in names)


def hosts_block(names: Iterable[str], address: str) -> str:
    """Return the lines between the marks that tell them from other people's; see `hosts_lines`."""
    return f"{BEGIN}\n{hosts_lines(names, address)}{END}\n"


def without_block(text: str) -> str:
    """Return what a hosts file holds besides a block of `hosts_block`, byte for byte."""
    while (less := _BLOCK.sub("", text)) != text:
        text = less
    return text


def merge_hosts(text: str, block: str) -> str:
    """Return a hosts file with `block` in the place of the one it has, else at its end.

    Whatever else it holds stays as it is; a last line without an end gets one.
    """
    if found := _BLOCK.search(text):
        return f"{text[: found.start()]}{block}{without_block(text[found.end() :])}"
    gap = "\n" if text and not text.endswith("\n") else ""
    return f"{text}{gap}{block}"


def hosts_file(plan: NodePlan, *more: str) -> Iterator[NodeFile]:
    """Yield the file of the names, and `more`, that are to mean lreg's address, if there are any.

    `more` is left out where that is a name, which /etc/hosts can't take.
    """
    if names := (*plan.hosts, *more) if plan.registry.ip else ():
        yield NodeFile(PATH, hosts_block(names, plan.registry.host), Merge.HOSTS)


def parse_spoofs(text: str) -> tuple[str, ...]:
    """Return the names of a list of hosts to spoof: xcluster's `$__dns_spoof`.

    One name a line, in UTF-8 maybe with a mark of that; `#` begins a comment, empty lines mean
    nothing. Each comes once, in order, and docker.io brings along the names under which Docker Hub
    is asked.

    Raises:
        UsageError: a line is no host name; says which.
    """
    names = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        name = line.partition("#")[0].strip().lower()
        if not name:
            continue
        if not is_spoofable(name):
            raise UsageError(
                f"line {number}: {name!r} is no host name: write one name a line, without a port"
            )
        names.append(name)
    return spoofed_names(names)


def dnsmasq(names: Iterable[str], address: str) -> str:
    """Return the names as settings of dnsmasq: these alone, and not the names under them."""
    # Without the second line it would ask on for the other family's address, and without the third
    # know no name under it.
    return "".join(
        f"host-record={name},{address}\naddress=/{name}/\nserver=/*.{name}/#\n" for name in names
    )


def coredns(names: Iterable[str], address: str) -> str:
    """Return the names as a `hosts` block of CoreDNS, which asks on for all others."""
    lines = "".join(f"    {line}\n" for line in hosts_lines(names, address).splitlines())
    return f"hosts {{\n{lines}    fallthrough\n}}\n"
