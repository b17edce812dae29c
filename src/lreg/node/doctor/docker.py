"""Docker's daemon.json, and whether the daemon that runs has read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lreg.errors import LregError
from lreg.node.emitters.forms import at_least
from lreg.node.merging.documents import meaning
from lreg.node.paths import DAEMON_JSON
from lreg.node.plan import Mechanism, Merge
from lreg.oci.reference import DOCKER_HUB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lreg.node.plan import NodePlan
    from lreg.node.rooted import Root


def troubles(plan: NodePlan, root: Root) -> Iterator[str]:
    """Yield what keeps Docker from asking the registry for the images of each upstream.

    Args:
        plan: what it is to be told; its version is the one that is installed.
        root: the node's.
    """
    try:
        content = root.read(root.resolve(DAEMON_JSON)) or b""
        values = meaning(content.decode(), Merge.JSON, f"/{DAEMON_JSON}")
    except (LregError, UnicodeDecodeError) as error:
        yield f"dockerd does not start with that: {error}"
        return
    mirrors = _strings(values, "registry-mirrors")
    for url in mirrors:
        if urlsplit(url).path.strip("/") and at_least(plan.version, 29) is False:
            yield f"/{DAEMON_JSON}: Docker {plan.version} takes no mirror with a path: {url}"
        if "://" not in url:
            yield f"/{DAEMON_JSON}: the mirror {url!r} needs http:// or https:// before it"
    if DOCKER_HUB in plan.upstreams and plan.mechanism is not Mechanism.SPOOF_TLS:
        wanted = plan.endpoint.url if plan.mechanism is Mechanism.MIRROR else f"http://{DOCKER_HUB}"
        if wanted not in [url.rstrip("/") for url in mirrors]:
            yield f"/{DAEMON_JSON}: {wanted} is not among registry-mirrors"
    if plan.mechanism is Mechanism.SPOOF_HTTP:
        insecure = _strings(values, "insecure-registries")
        # A network among them means what the names resolve to.
        if not any("/" in each for each in insecure):
            for host in (each for each in plan.upstreams if each not in (*insecure, DOCKER_HUB)):
                yield f"/{DAEMON_JSON}: {host} is not among insecure-registries: it is asked in TLS"


def _strings(values: Mapping[str, Any], key: str) -> list[str]:
    found = values.get(key) or []
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
