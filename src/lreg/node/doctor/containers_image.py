"""registries.conf of CRI-O, podman, buildah and skopeo (containers-registries.conf(5))."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lreg.errors import LregError
from lreg.node.emitters.containers_image import searched
from lreg.node.emitters.forms import at_least
from lreg.node.merging import crio
from lreg.node.merging.containers_image import drop_ins
from lreg.node.merging.documents import meaning
from lreg.node.merging.draft import Draft
from lreg.node.paths import REGISTRIES_CONF
from lreg.node.plan import Mechanism, Merge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lreg.node.plan import NodePlan
    from lreg.node.rooted import Root

_SEARCH = "unqualified-search-registries"
_KEYS_2 = ("registry", _SEARCH)
# What podman, skopeo and buildah take for the path of the main file.
_VARIABLES = ("CONTAINERS_REGISTRIES_CONF", "REGISTRIES_CONFIG_PATH")


def troubles(plan: NodePlan, root: Root) -> Iterator[str]:
    """Yield what keeps these tools from asking the registry for the images of each upstream.

    Args:
        plan: what they are to be told.
        root: the node's.
    """
    given = (os.environ[name] for name in _VARIABLES if os.environ.get(name))
    yield from _of_registries(plan, root, next(given, REGISTRIES_CONF).lstrip("/"), searched(plan))


def crio_troubles(plan: NodePlan, root: Root) -> Iterator[str]:
    """Yield what keeps CRI-O from it; see `troubles`.

    Before 1.21 it is told in crio.conf where a name without a registry is looked for.
    """
    if at_least(plan.version, 1, 21) is False:
        yield from _of_registries(plan, root, REGISTRIES_CONF, [])
        return
    try:
        path, mode = crio.last_words(Draft(root, {})).get("short_name_mode", ("", "disabled"))
    except LregError as error:
        yield f"CRI-O does not start: {error}"
        return
    if mode != "disabled":
        yield f"/{path}: short_name_mode is {mode!r}: names without a registry are refused"
    yield from _of_registries(plan, root, REGISTRIES_CONF, searched(plan))


def _of_registries(plan: NodePlan, root: Root, main: str, wanted: Sequence[str]) -> Iterator[str]:
    registries: dict[str, Mapping[str, Any]] = {}
    searches: tuple[str, Any] = ("", [])
    draft = Draft(root, {})
    try:
        paths = (main, *(each for some in drop_ins(root.home) for each in draft.matching(some)))
        documents = {
            path: meaning(draft.read(path) or "", Merge.TOML, f"/{path}") for path in paths
        }
    except LregError as error:
        yield f"every pull fails: {error}"
        return
    for path, values in documents.items():
        for trouble in _of_file(values):
            yield f"/{path}: {trouble}"
        for each in _tables(values, "registry"):
            registries[str(each.get("prefix") or each.get("location"))] = each
        if _SEARCH in values:
            searches = path, values[_SEARCH]
    for host in plan.upstreams:
        yield from _of_upstream(host, registries.get(host, {}), plan)
    path, found = searches
    if wanted and (not isinstance(found, list) or found[:1] != [wanted[0]]):
        yield f"/{path or main}: {wanted[0]} is not the first of {_SEARCH}"


def _of_file(values: Mapping[str, Any]) -> Iterator[str]:
    if "registries" in values and any(key in values for key in _KEYS_2):
        yield "[registries.…] (version 1) beside [[registry]] (version 2): every pull fails"
    locations = [*values.get(_SEARCH, ())]
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
    if plan.mechanism is Mechanism.MIRROR:
        yield from _of_mirror(host, registry, plan)
    elif plan.mechanism is Mechanism.SPOOF_HTTP and not registry.get("insecure"):
        yield f"{host} is not `insecure` in registries.conf: it is asked in TLS only"


def _of_mirror(host: str, registry: Mapping[str, Any], plan: NodePlan) -> Iterator[str]:
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
