"""Where the Docker daemon is, as Docker's own client is told it: variables, or a context.

Source: docker/cli's docs/reference, "docker" (Environment variables) and "docker context".
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lreg.errors import LregError
from lreg.home import home

VARIABLE = "DOCKER_HOST"
_SOCKET = "unix:///var/run/docker.sock"
_CONNECT_TIME = 10.0
# Docker answers a load after it has unpacked the image.
_ANSWER_TIME = 1800.0
_PORT, _TLS_PORT = 2375, 2376
_FORWARD = (
    "lreg speaks no SSH: forward the daemon's socket, by `ssh -NL /tmp/docker.sock:"
    "/var/run/docker.sock HOST`, and say DOCKER_HOST=unix:///tmp/docker.sock"
)


@dataclass(frozen=True, slots=True)
class DockerHost:
    """A daemon's place.

    Attributes:
        url: where it listens.
        said_by: what says so, for messages.
        certificates: the folder of ca.pem, cert.pem and key.pem; None: it speaks no TLS.
        verify: whether its own certificate has to be good.
    """

    url: str
    said_by: str
    certificates: Path | None = None
    verify: bool = True

    @classmethod
    def told(cls) -> DockerHost:
        """Return the one that Docker's client would ask.

        Raises:
            LregError: there is no such context.
        """
        if not os.environ.get(VARIABLE) and (context := _context()):
            return context
        verify = bool(os.environ.get("DOCKER_TLS_VERIFY"))
        tls = verify or bool(os.environ.get("DOCKER_TLS"))
        certificates = Path(os.environ.get("DOCKER_CERT_PATH") or _configuration())
        return cls(
            os.environ.get(VARIABLE) or _SOCKET,
            f"${VARIABLE}",
            certificates if tls else None,
            verify,
        )

    @property
    def trusts(self) -> str:
        """What TLS goes by, for messages; empty without it."""
        if self.certificates is None:
            return ""
        return f"; ca.pem, cert.pem and key.pem are those in {self.certificates}"

    def connection(self) -> http.client.HTTPConnection:
        """Return a connection to it, which is made with the first request.

        Raises:
            LregError: it can't be reached from here this way.
        """
        try:
            url = urlsplit(self.url)
            host, port = url.hostname, url.port
        except ValueError as error:
            raise self._unknown() from error
        if url.scheme == "unix" and url.path:
            return _UnixConnection(url.path)
        if url.scheme == "ssh":
            raise LregError(f"{self.said_by} is {self.url}, and {_FORWARD}")
        if url.scheme != "tcp" or not host:
            raise self._unknown()
        if self.certificates is None:
            return http.client.HTTPConnection(host, port or _PORT, timeout=_ANSWER_TIME)
        return http.client.HTTPSConnection(
            host, port or _TLS_PORT, timeout=_ANSWER_TIME, context=self._tls()
        )

    def _unknown(self) -> LregError:
        known = "unix://PATH and tcp://HOST:PORT"
        return LregError(f"{self.said_by} is {self.url}: only {known} are known here")

    def _tls(self) -> ssl.SSLContext:
        folder = self.certificates or Path()
        ca, cert, key = (folder / f"{name}.pem" for name in ("ca", "cert", "key"))
        try:
            context = ssl.create_default_context(cafile=ca if ca.exists() else None)
            # As Docker's documentation has one make its CA, it lacks what this asks of one.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            if not self.verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if cert.exists():
                context.load_cert_chain(cert, key)
        except (OSError, ssl.SSLError) as error:
            raise LregError(
                f"the files for Docker's TLS can't be used: {error}{self.trusts}; "
                "$DOCKER_CERT_PATH names another folder"
            ) from error
        return context


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=_ANSWER_TIME)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_CONNECT_TIME)
        self.sock.connect(self._path)
        self.sock.settimeout(self.timeout)


def _configuration() -> Path:
    """Return the folder of Docker's client."""
    return Path(os.environ.get("DOCKER_CONFIG") or home() / ".docker")


def _context() -> DockerHost | None:
    """Return where the context in use says that the daemon is; None: there is none in use."""
    folder = _configuration()
    name = os.environ.get("DOCKER_CONTEXT") or _read(folder / "config.json").get("currentContext")
    if not isinstance(name, str) or name in ("", "default"):
        return None
    identity = hashlib.sha256(name.encode()).hexdigest()
    said = _read(folder / "contexts/meta" / identity / "meta.json")
    try:
        endpoint = said["Endpoints"]["docker"]
        url, unverified = str(endpoint["Host"]), bool(endpoint.get("SkipTLSVerify"))
    except (KeyError, TypeError, AttributeError) as error:
        raise LregError(
            f"Docker's context {name!r:.80} is not in {folder}/contexts: `docker context ls` lists "
            f"those there are, and ${VARIABLE} says where the daemon is without one"
        ) from error
    certificates = folder / "contexts/tls" / identity / "docker"
    tls = unverified or certificates.is_dir()
    return DockerHost(
        url, f"Docker's context {name}", certificates if tls else None, not unverified
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
