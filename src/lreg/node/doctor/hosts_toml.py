"""containerd's hosts.toml, read as strictly as containerd reads it.

What it can't read it passes over without a word at a pull, which then goes to the internet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lreg.errors import LregError
from lreg.node.emitters.forms import at_least
from lreg.node.merging.documents import meaning
from lreg.node.plan import Merge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lreg.node.plan import NodePlan
    from lreg.node.rooted import Root

# containerd's docs/hosts.md.
_HOST_KEYS = frozenset({
    "capabilities", "ca", "client", "skip_verify", "header", "override_path", "dial_timeout",
})  # fmt: skip
_KEYS = _HOST_KEYS | {"server", "host"}
_NEEDED = ("pull", "resolve")
_DEFAULT = "_default"


def troubles(folder: str, plan: NodePlan, root: Root) -> Iterator[str]:
    """Yield what keeps a containerd from asking the registry for the images of each upstream.

    Args:
        folder: the one that its config_path names, relative to the root.
        plan: what it is to be told; its version is the one that is installed.
        root: the node's.
    """
    for host in plan.upstreams:
        place = f"{folder}/{host}"
        if not root.exists(root.resolve(place)):
            place = f"{folder}/{_DEFAULT}"
        elif not root.glob(f"{place}/*.toml") and not root.glob(f"{place}/*.crt"):
            yield f"/{place} is empty, and hides {_DEFAULT}: containerd asks the internet"
            continue
        yield from _of_file(f"{place}/hosts.toml", host, plan, root)


def _of_file(path: str, host: str, plan: NodePlan, root: Root) -> Iterator[str]:
    where = f"/{path}"
    try:
        content = root.read(root.resolve(path))
        if content is None:
            if not plan.mechanism.spoofs or not plan.endpoint.tls:
                yield f"{where} is not there: containerd asks the internet for {host}"
            return
        values = meaning(content.decode(), Merge.TOML, where)
    except (LregError, UnicodeDecodeError) as error:
        yield f"containerd passes it over and asks the internet: {error}"
        return
    for trouble in _of_values(values, host, plan):
        yield f"{where}: {trouble}"


def _of_values(values: Mapping[str, Any], host: str, plan: NodePlan) -> Iterator[str]:
    hosts = values.get("host", {})
    if not isinstance(hosts, dict) or not all(isinstance(each, dict) for each in hosts.values()):
        yield '`host` has to be tables, as [host."http://…"]'
        return
    if unknown := sorted(values.keys() - _KEYS):
        yield f"there is no key {unknown[0]!r}: containerd passes it over"
    if not hosts and "host" not in values and at_least(plan.version, 1, 7) is False:
        yield f"containerd {plan.version} takes no file without [host]"
    for url, table in hosts.items():
        yield from _of_host(url, table, plan)
    server = values.get("server", "")
    if not isinstance(server, str):
        yield "`server` has to be a URL"
        return
    yield from _of_destination(server, hosts, host, plan)


def _of_host(url: str, table: Mapping[str, Any], plan: NodePlan) -> Iterator[str]:
    if unknown := sorted(table.keys() - _HOST_KEYS):
        yield f"[host.{url!r}] has no key {unknown[0]!r}: containerd passes it over"
    if "[" in url and at_least(plan.version, 2) is False:
        yield f"containerd {plan.version} can't read [host.{url!r}] with an IPv6 address"
    can = table.get("capabilities", list(_NEEDED))
    if not isinstance(can, list):
        yield f"[host.{url!r}]: `capabilities` has to be a list"
    elif _is_registry(url, plan) and (lacking := [each for each in _NEEDED if each not in can]):
        what = "tags" if lacking[0] == "resolve" else "content"
        yield f"[host.{url!r}] lacks the capability {lacking[0]!r}: {what} are asked elsewhere"
    if url.startswith("http://") and urlsplit(url).port not in (None, 80):
        for key in ("ca", "skip_verify"):
            if key in table and at_least(plan.version, 1, 7) is not False:
                yield f"[host.{url!r}]: {key} makes containerd try TLS first: take it out"


def _of_destination(
    server: str, hosts: Mapping[str, Any], host: str, plan: NodePlan
) -> Iterator[str]:
    asked = [*hosts, *([server] if server else [])]
    if plan.mechanism.spoofs:
        return
    ours = [url for url in asked if _is_registry(url, plan)]
    if not ours:
        elsewhere = ", ".join(asked) or f"https://{host}"
        yield f"it sends {host} to {elsewhere}, not to {plan.endpoint}"
    for url in ours:
        if "://" not in url and not plan.endpoint.tls:
            yield f"{url!r} has no scheme, so that containerd speaks TLS: write {plan.endpoint}"


def _is_registry(url: str, plan: NodePlan) -> bool:
    bare = url.rpartition("://")[2].partition("/")[0]
    where = (plan.endpoint, plan.registry)
    return any(bare in (each.authority, each.image_host) for each in where)
