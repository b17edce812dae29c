"""containerd's `certs.d/<host>/hosts.toml` (its docs/hosts.md), which several tools read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.node.emitters.forms import (
    ca_file,
    quoted,
    refuse_ipv6_mirror,
    spoofed_server,
    upstream_server,
)
from lreg.node.plan import Merge, NodeFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lreg.node.plan import NodePlan


def certs_d(
    plan: NodePlan, folder: str, ca: str, *, ipv6: bool | None, referrers: bool = False
) -> Iterator[NodeFile]:
    """Yield a hosts.toml for each upstream and for the registry itself, and the CA.

    Args:
        plan: what is to be told.
        folder: the folder of these files, relative to the root, such as etc/containerd/certs.d.
        ca: where the CA lies, relative to the root.
        ipv6: whether an IPv6 address is understood as a mirror; None where that is not known.
        referrers: whether a mirror is asked for referrers, and so has to be told to have them;
            containerd before 2.2 takes a file that says so for none.

    Raises:
        UsageError: the registry's address can't be a mirror.
    """
    if plan.fallback:
        refuse_ipv6_mirror(plan, understood=ipv6)
    yield from ca_file(plan, ca)
    trusted = f"/{ca}" if plan.ca is not None else ""
    for host in plan.upstreams:
        text = _upstream(plan, host, trusted, referrers=referrers)
        yield NodeFile(f"{folder}/{host}/hosts.toml", text, Merge.TOML)
    own = _only(plan.endpoint.url, trusted)
    yield NodeFile(f"{folder}/{plan.endpoint.image_host}/hosts.toml", own, Merge.TOML)


def _upstream(plan: NodePlan, host: str, ca: str, *, referrers: bool) -> str:
    if plan.mechanism.spoofs:
        return _only(spoofed_server(plan, host), ca)
    if not plan.fallback:
        return _only(plan.endpoint.url, ca)
    # Without "resolve" tags would go to the server, and without "referrers" those of images.
    more = ', "referrers"' if referrers else ""
    return (
        f"server = {quoted(upstream_server(host))}\n\n"
        f"[host.{quoted(plan.endpoint.url)}]\n"
        f'  capabilities = ["pull", "resolve"{more}]\n'
        f"{_ca('  ', plan.endpoint.url, ca)}"
    )


def _only(server: str, ca: str) -> str:
    # containerd 1.6 refuses a file without any [host].
    return f"server = {quoted(server)}\n{_ca('', server, ca)}\n[host]\n"


def _ca(indent: str, url: str, path: str) -> str:
    # Beside an http:// address it would make containerd 1.7 try TLS first.
    return f"{indent}ca = {quoted(path)}\n" if path and url.startswith("https://") else ""
