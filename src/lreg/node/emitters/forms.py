"""What the emitters have in common: versions, quoted text, the CA's file, a fallback's server."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.node.plan import Mechanism, Merge, NodeFile
from lreg.oci.reference import DOCKER_HUB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lreg.node.plan import NodePlan

# Where Docker Hub's images are; runtimes know of it by themselves only where no file is.
_HUB_SERVER = "registry-1.docker.io"

# Debian's and Alpine's place for a CA that the whole system is to trust.
SYSTEM_CA = "usr/local/share/ca-certificates/lreg.crt"


def at_least(version: str, *wanted: int) -> bool | None:
    """Return whether a version such as `v1.6.20~ds1` is `wanted` or later; None if none is told.

    Raises:
        UsageError: the text does not begin with a version.
    """
    if not version:
        return None
    if not (match := re.match(r"v?(\d+(?:\.\d+)*)", version)):
        raise UsageError(f"{version!r} is no version, such as 1.6.20")
    return tuple(map(int, match[1].split("."))) >= wanted


def quoted(text: str) -> str:
    """Return a string as TOML, JSON and YAML write it."""
    return json.dumps(text, ensure_ascii=False)


def listed(texts: Iterable[str]) -> str:
    """Return a list of strings as TOML writes it on one line."""
    return f"[{', '.join(map(quoted, texts))}]"


def ca_file(plan: NodePlan, path: str) -> Iterator[NodeFile]:
    """Yield lreg's CA as a file at `path`, if the plan has one."""
    if plan.ca is not None:
        yield NodeFile(path, plan.ca)


def ca_by_host(plan: NodePlan, folder: str) -> Iterator[NodeFile]:
    """Yield lreg's CA for each host of images that is asked in TLS and is lreg.

    Args:
        plan: what is to be told.
        folder: the folder with one of each host, relative to the root.
    """
    spoofed = plan.upstreams if plan.mechanism is Mechanism.SPOOF_TLS else ()
    own = (plan.endpoint.image_host,) if plan.endpoint.tls else ()
    for host in (*spoofed, *own):
        # Another ending is not looked at.
        yield from ca_file(plan, f"{folder}/{host}/lreg-ca.crt")


def upstream_server(host: str) -> str:
    """Return the URL at which an upstream itself is."""
    return f"https://{_HUB_SERVER if host == DOCKER_HUB else host}"


def spoofed_server(plan: NodePlan, host: str) -> str:
    """Return the URL under which a spoofed name is asked."""
    return f"{'http' if plan.mechanism is Mechanism.SPOOF_HTTP else 'https'}://{host}"


def endpoints(plan: NodePlan) -> dict[str, str]:
    """Return at which URL lreg is asked for the images of each upstream, and for its own.

    By the host of an image's name, where settings have one place for it and add the way to the
    upstream by themselves.
    """
    spoofs, own = plan.mechanism.spoofs, plan.endpoint
    urls = {host: spoofed_server(plan, host) if spoofs else own.url for host in plan.upstreams}
    return {**urls, own.image_host: own.url}


def trusted_hosts(plan: NodePlan) -> list[str]:
    """Return the hosts among `endpoints` that show a certificate of lreg's CA, with their ports."""
    if plan.ca is None:
        return []
    encrypted = (url for url in endpoints(plan).values() if url.startswith("https://"))
    return sorted({url.removeprefix("https://") for url in encrypted})


def insecure_host(plan: NodePlan) -> str:
    """Return how Docker is told that lreg is asked in plain HTTP."""
    # It does not start where a bare IPv6 address in brackets is among these.
    return plan.endpoint.authority if plan.endpoint.is_ipv6 else plan.endpoint.image_host


def is_drop_in(file: NodeFile) -> bool:
    """Return whether a file is lreg's by its name, or lies in a folder of files that all count."""
    return file.merge is Merge.OWN or any(part.endswith(".d") for part in file.path.split("/"))


def refuse_ipv6_mirror(plan: NodePlan, *, understood: bool | None) -> None:
    """Raise UsageError if a containerd is to have a mirror by its IPv6 address and can't.

    Args:
        plan: what it is to be told.
        understood: whether it takes one, as 2.x does; None where its version is not known.
    """
    if plan.mechanism.spoofs or not plan.endpoint.is_ipv6 or understood:
        return
    raise UsageError(
        "containerd 1.x takes a file with an IPv6 address as a mirror for none and silently asks "
        "the internet: give lreg a name by --registry-name"
        + ("; 2.x takes it: say so by --for-version" if understood is None else "")
    )
