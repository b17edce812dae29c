"""Which registry the commands for images talk to."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lreg.cli.registries.running import find
from lreg.config import default_store, load
from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.cli.registries.running import Running

VARIABLE = "LOCAL_REGISTRY"
_DEFAULT = "127.0.0.1:5000"
_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:\d{1,5})?/?")


@dataclass(frozen=True, slots=True)
class Target:
    """A registry to talk to.

    Attributes:
        host: `HOST:PORT` or `HOST`, an IPv6 address in brackets: the host of image references.
        insecure: whether to speak plain HTTP to it.
        ca: the CA to trust besides the system's, PEM, or None.
        is_guess: whether nothing says that it is there.
    """

    host: str
    insecure: bool
    ca: Path | None = None
    is_guess: bool = False

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end."""
        return f"{'http' if self.insecure else 'https'}://{self.host}"


def local_registry() -> Target:
    """Return the registry that a command means where it names none.

    `$LOCAL_REGISTRY`, else the lreg that runs on this user's store or on the system's, else
    127.0.0.1:5000.

    Raises:
        UsageError: the variable is no HOST:PORT or URL, or a setting is wrong.
    """
    if text := os.environ.get(VARIABLE):
        return parse_target(text)
    if (running := running_here()) and (url := reachable(running.urls)):
        return _of_url(url, Path(running.ca) if running.ca else None)
    return Target(_DEFAULT, insecure=True, is_guess=True)


def running_here() -> Running | None:
    """Return the lreg that runs on this user's store or on the system's, if one does over TCP.

    Raises:
        UsageError: a setting is wrong.
    """
    for store in dict.fromkeys((load().config.store, default_store(), Path("/var/lib/lreg"))):
        if (running := find(store)) and reachable(running.urls):
            return running
    return None


def parse_target(text: str) -> Target:
    """Return the registry that `HOST:PORT` or a URL means; raise UsageError.

    An IPv6 address may stand without brackets where there is no port, as xcluster has it. Without
    a scheme a private or loopback address is spoken to in plain HTTP, as the local registries that
    it stands for are; anything else in TLS.
    """
    if "://" in text:
        return _of_url(text)
    text = f"[{text}]" if _is_six(text) else text
    return _of_url(f"{'http' if _is_near(_host(f'//{text}')) else 'https'}://{text}")


def _of_url(url: str, ca: Path | None = None) -> Target:
    if not _URL.fullmatch(url):
        raise UsageError(f"${VARIABLE}: {url!r} is not HOST:PORT nor http[s]://HOST:PORT")
    scheme, _, host = url.rstrip("/").partition("://")
    return Target(host, insecure=scheme == "http", ca=ca)


def _is_near(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False


def _is_six(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def reachable(urls: Sequence[str]) -> str | None:
    """Return under which of the URLs a server listens on this machine reaches it best.

    None where it listens on Unix sockets only.
    """
    tcp = [url for url in urls if url.startswith(("http://", "https://"))]
    if not tcp:
        return None
    best = min(tcp, key=lambda url: not (_host(url).startswith("127.") or _host(url) == "::1"))
    # A wildcard is an address to listen on; to talk to it, take the loopback of its family.
    return best.replace("://0.0.0.0:", "://127.0.0.1:").replace("://[::]:", "://[::1]:")
