"""What stands between a node and the registry: names, the way, the clock, certificates."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from typing import TYPE_CHECKING

from lreg.certificates import NOTICE_DAYS, Lifetime
from lreg.errors import LregError
from lreg.node.doctor.finding import Finding, bad, good
from lreg.node.emitters.forms import SYSTEM_CA
from lreg.node.plan import Mechanism
from lreg.oci.reference import DOCKER_HUB, canonical_host

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lreg.node.doctor.witness import Witness
    from lreg.node.plan import NodeFile, NodePlan
    from lreg.node.rooted import Root

_PATIENCE = 10.0
# Go's resolver, which all runtimes have, reads /etc/hosts again after this many seconds.
_HOSTS_CACHED = 5.0
# Tokens live for five minutes; certificates are backdated by a day.
_MOST_OFF = 300.0
# From so many days before a CA's end on it is no longer a matter of words.
_LAST_DAYS = 30
_PEM = "-----BEGIN CERTIFICATE-----"
# Where Go's crypto/x509 looks, in which all runtimes are written; each system has one of them.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def names(plan: NodePlan) -> Iterator[Finding]:
    """Tell whether the names that are to mean the registry do so on this node."""
    wanted = str(plan.registry.ip or plan.registry.host)
    for name in plan.hosts:
        try:
            found = {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            yield bad("names", f"{name} is nowhere here: {reason}", _hosts(name, wanted))
            continue
        if others := sorted(found - {wanted}):
            said = f"{name} is {' '.join(others)} here, not {wanted}"
            yield bad("names", said, _hosts(name, wanted))
        else:
            yield good("names", f"{name} is {wanted}")


def wait_for_names(root: Root) -> None:
    """Return once no runtime goes by what /etc/hosts said before it was changed."""
    with contextlib.suppress(OSError):
        age = time.time() - os.stat(root.absolute("etc/hosts")).st_mtime
        time.sleep(min(max(_HOSTS_CACHED + 1 - age, 0.0), _HOSTS_CACHED + 1))


def _hosts(name: str, address: str) -> str:
    return (
        f"/etc/hosts needs the line `{address} {name}` and no other for that name: "
        "`lreg node apply` writes it"
    )


def registry(plan: NodePlan, witness: Witness) -> Iterator[Finding]:
    """Tell whether the registry answers, and whether its clock and this node's agree."""
    try:
        theirs = witness.clock()
    except LregError as error:
        yield bad(
            "registry",
            f"{plan.registry} does not answer: {error}",
            "start lreg there, let it listen on that address and port, and open the firewall",
        )
        return
    yield good("registry", f"{plan.registry} answers")
    off = theirs - time.time()
    if abs(off) > _MOST_OFF:
        said = f"the registry's clock is {abs(off):.0f} s {'ahead' if off > 0 else 'behind'}"
        yield bad("clock", said, "set the clocks by NTP: certificates and tokens go by them")
    else:
        yield good("clock", f"it and the registry's are {abs(off):.0f} s apart")


def tls(plan: NodePlan, files: Sequence[NodeFile], root: Root) -> Iterator[Finding]:
    """Tell whether the registry's certificates hold for who trusts what the runtime trusts.

    Args:
        plan: what the node is told.
        files: that come of it: the CA is where they have it.
        root: the node's.
    """
    if not plan.endpoint.tls:
        return
    with contextlib.suppress(ValueError):  # what is no certificate fails below
        yield from _ca(plan)
    spoofed = plan.mechanism is Mechanism.SPOOF_TLS
    for name in plan.spoofed if spoofed else (plan.endpoint.host,):
        try:
            context = _trusting(name, files, root)
        except OSError as error:
            where = error.filename or "the CA"
            said = f"{name}: {where}: {error.strerror or 'no certificate is in it'}"
            yield bad("tls", said, "`lreg node apply` writes the CA there")
            continue
        if trouble := _handshake(plan, name, context):
            yield bad("tls", f"{name}: {trouble}", _mend(trouble))
        else:
            yield good("tls", f"{name}: the certificate is good")


def _ca(plan: NodePlan) -> Iterator[Finding]:
    """Tell whether the CA ends soon, and nothing where it does not."""
    days = Lifetime.of(plan.ca.encode()).days_left if plan.ca else NOTICE_DAYS
    said = f"the registry's CA ends in {days} days"
    mend = "remove its folder where lreg runs, restart lreg, and apply the new CA to every node"
    if days < _LAST_DAYS:
        yield bad("tls", said if days >= 0 else "the registry's CA has ended", mend)
    elif days < NOTICE_DAYS:
        yield good("tls", f"{said}: {mend} in time")


def _trusting(name: str, files: Sequence[NodeFile], root: Root) -> ssl.SSLContext:
    """Return what trusts the CA that the runtime trusts for a name."""
    paths = [file.path for file in files if _PEM in file.text]
    # It goes by the host of an image, whatever that one's registry is called.
    host = canonical_host(name)
    own = [path for path in paths if f"/{host}/" in path]
    common = [path for path in paths if "/certs.d/" not in path]
    # Docker heeds none but the system's for its Hub.
    by_system = host == DOCKER_HUB and SYSTEM_CA in paths
    if (chosen := own or common) and not by_system:
        return ssl.create_default_context(cafile=root.absolute(root.resolve(chosen[0])))
    bundles = [os.environ.get("SSL_CERT_FILE", ""), *map(root.absolute, map(_relative, _BUNDLES))]
    return ssl.create_default_context(cafile=next(filter(os.path.exists, bundles), None))


def _relative(path: str) -> str:
    return path.lstrip("/")


def _handshake(plan: NodePlan, name: str, context: ssl.SSLContext) -> str:
    """Return why a client of that name can't trust the registry; "" where it can."""
    place = plan.registry.host, plan.registry.port
    try:
        with (
            socket.create_connection(place, _PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=name),
        ):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message or str(error)
    except ssl.SSLError as error:
        return (error.reason or str(error)).replace("_", " ").lower()
    except OSError as error:
        return error.strerror or str(error)


def _mend(trouble: str) -> str:
    if "unrecognized name" in trouble:
        return "allow that upstream in lreg.toml, or add the name to tls-name there"
    if "mismatch" in trouble:
        return "add that name or address to tls-name in lreg.toml"
    if "unable to get" in trouble or "self-signed" in trouble:
        return (
            "what is trusted here is not the registry's CA (`lreg ca` there): apply again; where "
            "the system has to trust it, update-ca-certificates or update-ca-trust, then restart"
        )
    return "compare `lreg ca` there with what is trusted here, and the clocks"
