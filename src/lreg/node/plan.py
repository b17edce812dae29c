"""What nodes are to be told: a plan, and the files that come of it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lreg.errors import UsageError
from lreg.kinds import HOST_NAME, ListenAddress
from lreg.oci.reference import DOCKER_HUB, DOCKER_HUB_ALIASES, canonical_host, is_host

if TYPE_CHECKING:
    from collections.abc import Iterable

_PORTS = {"http": 80, "https": 443}


class Mechanism(Enum):
    """How a runtime is brought to ask lreg."""

    MIRROR = "mirror"
    SPOOF_HTTP = "spoof-http"
    SPOOF_TLS = "spoof-tls"

    @property
    def spoofs(self) -> bool:
        """Whether the upstreams' names mean lreg's address on the node."""
        return self is not Mechanism.MIRROR

    @property
    def asked(self) -> tuple[str, int] | None:
        """The scheme and port by which a spoofed name is asked; None for a mirror."""
        return {Mechanism.SPOOF_HTTP: ("http", 80), Mechanism.SPOOF_TLS: ("https", 443)}.get(self)


class Merge(Enum):
    """How a file comes together with what a node has at its place.

    `OWN`: lreg's alone, whole. `HOSTS`: lines added to /etc/hosts between marks. The others are
    settings of a file that is its owner's, who may have more in it: `JSON`, `TOML`, `YAML`.
    """

    OWN = "own"
    HOSTS = "hosts"
    JSON = "json"
    TOML = "toml"
    YAML = "yaml"


@dataclass(frozen=True, slots=True)
class NodeFile:
    """A file of a node.

    Attributes:
        path: where, relative to the node's root: `etc/hosts`.
        text: what it holds on a node that had none; on another `merge` says what is done with it.
        merge: see `Merge`.
        mode: its permissions.
    """

    path: str
    text: str
    merge: Merge = Merge.OWN
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class RegistryAddress:
    """Where nodes reach the registry.

    Attributes:
        host: a name or an address, without brackets.
        port: its TCP port.
        tls: whether it speaks TLS there.
    """

    host: str
    port: int
    tls: bool = False

    @classmethod
    def parse(cls, text: str) -> RegistryAddress:
        """Return the address of `HOST[:PORT]` or `http[s]://HOST[:PORT]`; raise UsageError.

        Without a port it is the scheme's; without a scheme it is plain HTTP.
        """
        scheme, _, rest = text.rpartition("://")
        scheme, rest = scheme or "http", rest.removesuffix("/")
        try:
            parts = urlsplit(f"//{rest}")
            port = _PORTS[scheme] if parts.port is None else parts.port
        except (KeyError, ValueError):
            raise UsageError(
                f"{text!r} is no registry: use HOST:PORT, [v6]:PORT or a URL"
            ) from None
        where = ListenAddress.parse(f"{_bracketed(parts.hostname or '')}:{port}")
        if not (where.host and where.port) or parts.netloc != rest or "@" in rest:
            raise UsageError(f"{text!r} is no registry: use HOST:PORT, [v6]:PORT or a URL")
        if "%" in where.host:
            raise UsageError(
                f"{where.host} is an address on one link only: give one that all nodes reach"
            )
        return cls(where.host, port, scheme == "https")

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The address, or None where it is a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def is_ipv6(self) -> bool:
        """Whether it is an IPv6 literal, which several runtimes can't have."""
        return self.ip is not None and self.ip.version == 6

    @property
    def authority(self) -> str:
        """`HOST:PORT`, an IPv6 address in brackets."""
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def image_host(self) -> str:
        """What image references begin with: without the port where it is the scheme's own.

        With it all the same where a reference would take the host for a part of a repository.
        """
        bare = _bracketed(self.host)
        return bare if self.port == _PORTS[self.scheme] and is_host(bare) else self.authority

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return "https" if self.tls else "http"

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        return self.url


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """What a node is to be told, whatever its runtime.

    Attributes:
        registry: where it reaches lreg. Spoofed names mean this address, on the scheme's own port.
        upstreams: canonical hosts whose images come from lreg, at least one; with a port where
            images' names have one.
        mechanism: how.
        fallback: whether the runtime may ask the internet where lreg fails; for mirrors only.
        ca: the CA of lreg's certificates, PEM; None where no TLS is spoken, or by a certificate
            that nodes trust already.
        version: the runtime's version, such as `1.6.20`; "" where it is not known.
        name: a name for the registry, which the node finds in /etc/hosts; "" where it needs none.
        inner: the runtime on the nodes, where the plan is for what carries files to them.

    Raises:
        UsageError: what is said does not go together.
    """

    registry: RegistryAddress
    upstreams: tuple[str, ...]
    mechanism: Mechanism = Mechanism.MIRROR
    fallback: bool = True
    ca: str | None = None
    version: str = ""
    name: str = ""
    inner: str = "containerd"

    def __post_init__(self) -> None:
        if not self.upstreams:
            raise UsageError("name at least one upstream whose images are to come from lreg")
        self._check_registry()
        if self.mechanism.spoofs:
            self._check_spoof()

    def _check_registry(self) -> None:
        if self.registry.ip and self.registry.ip.is_unspecified:
            raise UsageError(
                f"{self.registry.host} is for listening on every address: name one of them"
            )
        if self.hosts and self.registry.ip is None:
            raise UsageError(
                f"/etc/hosts takes an address, and {self.registry.host!r} is a name: "
                "give the registry by its address"
            )
        own = {self.registry.image_host, self.registry.authority, self.registry.host, self.name}
        if itself := own.intersection(self.upstreams):
            raise UsageError(
                f"{itself.pop()} is lreg itself, which has no images of its own to mirror: leave "
                "it out of the upstreams"
            )

    def _check_spoof(self) -> None:
        if self.mechanism is Mechanism.SPOOF_TLS and self.ca is None:
            raise UsageError(
                "spoof-tls needs the CA that nodes are to trust: give it with --ca "
                "(`lreg ca` prints it where lreg runs)"
            )
        for host in self.upstreams:
            if not is_spoofable(host):
                raise UsageError(
                    f"{host} can't be spoofed, /etc/hosts is for names without a port: use "
                    "--mechanism mirror for it"
                )

    @property
    def endpoint(self) -> RegistryAddress:
        """Where the runtime is told that the registry is: by its name if it is given one."""
        return replace(self.registry, host=self.name or self.registry.host)

    def location(self, host: str) -> str:
        """Return what takes the place of an upstream's host in the name of an image.

        lreg knows upstreams without their ports, and no name of a repository has one.
        """
        return f"{self.endpoint.image_host}/{canonical_host(host)}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names that /etc/hosts is to give lreg's address."""
        return (*self.spoofed, self.name) if self.name else self.spoofed

    @property
    def spoofed(self) -> tuple[str, ...]:
        """The names that are to mean lreg's address; none where nothing is spoofed."""
        return spoofed_names(self.upstreams) if self.mechanism.spoofs else ()


def is_spoofable(host: str) -> bool:
    """Return whether /etc/hosts can say what it means: a name without a port, and not localhost."""
    return bool(
        HOST_NAME.fullmatch(host) and not host.replace(".", "").isdigit() and host != "localhost"
    )


def spoofed_names(upstreams: Iterable[str]) -> tuple[str, ...]:
    """Return the names that clients look up for these registries, each once, in order.

    docker.io brings along the names under which Docker Hub is asked.
    """
    names: dict[str, None] = {}
    for host in upstreams:
        hub = host == DOCKER_HUB or host in DOCKER_HUB_ALIASES
        names |= dict.fromkeys(
            [DOCKER_HUB, *sorted(DOCKER_HUB_ALIASES, reverse=True)] if hub else [host]
        )
    return tuple(names)
