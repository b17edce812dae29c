"""registries.conf of CRI-O, podman, buildah and skopeo (containers-registries.conf(5))."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lreg.errors import LregError
from lreg.node.merging.documents import meaning
from lreg.node.plan import Mechanism, Merge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lreg.node.plan import NodePlan
    from lreg.node.rooted import Root

_MAIN = "etc/containers/registries.conf"
_DROP_INS = "etc/containers/registries.conf.d/*.conf"
_KEYS_2 = ("registry", "unqualified-search-registries")


def troubles(plan: NodePlan, root: Root) -> Iterator[str]:
    """Yield what keeps these tools from asking the registry for the images of each upstream.

    Args:
        plan: what they are to be told.
        root: the node's.
    """
    registries: dict[str, Mapping[str, Any]] = {}
    for path in (_MAIN, *root.glob(_DROP_INS)):
        try:
            content = root.read(root.resolve(path)) or b""
            values = meaning(content.decode(), Merge.TOML, f"/{path}")
        except (LregError, UnicodeDecodeError) as error:
            yield f"every pull fails: {error}"
            return
        for trouble in _of_file(values):
            yield f"/{path}: {trouble}"
        for each in _tables(values, "registry"):
            registries[str(each.get("prefix") or each.get("location"))] = each
    if plan.mechanism is Mechanism.MIRROR:
        for host in plan.upstreams:
            yield from _of_upstream(host, registries.get(host, {}), plan)
    elif plan.mechanism is Mechanism.SPOOF_HTTP:
        for host in plan.upstreams:
            if not registries.get(host, {}).get("insecure"):
                yield f"{host} is not `insecure` in registries.conf: it is asked in TLS only"


def _of_file(values: Mapping[str, Any]) -> Iterator[str]:
    if "registries" in values and any(key in values for key in _KEYS_2):
        yield "[registries.…] (version 1) beside [[registry]] (version 2): every pull fails"
    locations = [*values.get("unqualified-search-registries", ())]
    known: dict[str, Mapping[str, Any]] = {}
    for each in _tables(values, "registry"):
        locations += [each.get("location", ""), each.get("prefix", "")]
        locations += [mirror.get("location", "") for mirror in _tables(each, "mirror")]
        name = str(each.get("prefix") or each.get("location"))
        if name in known and known[name] != each:
            yield f"two entries for {name} that differ: every pull fails"
        known[name] = each
    for location in map(str, locations):
        if "://" in location:
            yield f"{location!r}: a location has no http:// before it: every pull fails"
        elif "[" in location or location.count(":") > 1:
            yield f"{location!r}: a location can't be an IPv6 address: use a name for it"


def _of_upstream(host: str, registry: Mapping[str, Any], plan: NodePlan) -> Iterator[str]:
    mirrors = _tables(registry, "mirror")
    where = (plan.endpoint.image_host, plan.endpoint.authority)
    ours = [each for each in mirrors if str(each.get("location", "")).partition("/")[0] in where]
    if not ours:
        yield f"registries.conf has no mirror {plan.location(host)} for {host}"
    for mirror in ours:
        if not plan.endpoint.tls and not mirror.get("insecure"):
            yield (
                f"the mirror {mirror['location']} is not `insecure`, which it does not inherit: "
                "it is asked in TLS only"
            )


def _tables(values: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = values.get(key, [])
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
