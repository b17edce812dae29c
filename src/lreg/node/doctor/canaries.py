"""Canaries of every upstream, pulled through the runtime: did they come from the registry?"""

from __future__ import annotations

import contextlib
import secrets
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from lreg.admin.values import CANARY
from lreg.errors import LregError
from lreg.node.doctor.finding import Finding, bad, good
from lreg.node.plan import spoofed_names
from lreg.oci.reference import canonical_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lreg.admin.values import Sighting
    from lreg.node.doctor.engines import Engine
    from lreg.node.doctor.witness import Witness

# Pulls at a time: one that goes to the internet may take its whole time to fail.
_JOBS = 4


def pulled(
    engine: Engine, upstreams: Sequence[str], witness: Witness, seconds: float
) -> Iterator[Finding]:
    """Pull a canary of each upstream, remove them again, and tell where each came from.

    Args:
        engine: the runtime.
        upstreams: their hosts, as images' names have them.
        witness: the registry.
        seconds: how long one pull may take.
    """
    nonces = {host: secrets.token_hex(16) for host in upstreams}

    held: list[str] = []

    def pull(host: str) -> str:
        image = _image(host, nonces[host])
        try:
            engine.pull(image, seconds)
        except LregError as error:
            return str(error) or "it failed"
        held.append(image)
        return ""

    try:
        with ThreadPoolExecutor(_JOBS) as pool:
            troubles = dict(zip(upstreams, pool.map(pull, upstreams), strict=True))
    finally:
        for image in held:
            with contextlib.suppress(LregError):
                engine.remove(image)
    for host, trouble in troubles.items():
        try:
            yield _judged(host, trouble, witness.sightings(nonces[host]))
        except LregError as error:
            yield bad("pull", f"{host}: lreg can't tell whether it came: {error}", _REACH)


def _image(host: str, nonce: str) -> str:
    return f"{host}/{CANARY}/{nonce}:latest"


_REACH = "see the line on the registry"
_APPLY = "mend what is red above, or `lreg node apply` again; then reload or restart the runtime"


def _judged(host: str, trouble: str, seen: Sequence[Sighting]) -> Finding:
    if not seen:
        went = whereabouts(spoofed_names((canonical_host(host),)))
        if trouble:
            said = f"{host}: the pull never came here; {went}; the runtime says: {trouble}"
        else:
            said = f"{host}: the pull went elsewhere and found an image there; {went}"
        return bad("pull", said, _APPLY)
    last = seen[-1]
    # A registry knows upstreams without their ports.
    if wrong := {each.namespace for each in seen} - {canonical_host(host)}:
        meant = " and ".join(sorted(each or "no upstream" for each in wrong))
        said = f"{host}: the pull came here as one of {meant}"
        return bad("pull", said, "the mirror has to say the upstream: `lreg node apply` does that")
    if trouble:
        said = f"{host}: the pull came here and failed all the same; the runtime says: {trouble}"
        return bad("pull", said, "see what it says; part of the image may be asked elsewhere")
    if not any(each.asked.startswith("blobs/") for each in seen):
        said = f"{host}: only the name was looked up here, the image itself came from elsewhere"
        return bad("pull", said, "the mirror has to be for pulls too: `lreg node apply` does that")
    by = f"by {_SIGNS[last.named]}" if last.named in _SIGNS else "as the default upstream"
    how = "TLS" if last.tls else "plain HTTP"
    agent = last.agent.partition(" ")[0] or "no name"
    return good("pull", f"{host}: came here, {by}, in {how}, from {last.peer} ({agent})")


_SIGNS = {"ns": "?ns=", "path": "path", "host": "Host", "server-name": "TLS server name"}


def whereabouts(names: Iterable[str]) -> str:
    """Return in words which addresses this node has for some names."""
    return ", ".join(f"{name} is {_addresses(name)} here" for name in names)


def _addresses(name: str) -> str:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return "nowhere"
    return " ".join(dict.fromkeys(str(info[4][0]) for info in found))
