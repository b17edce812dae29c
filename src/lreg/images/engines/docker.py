"""The Docker daemon, by its API over its socket (moby's api/docs, "Image").

It keeps images in its own store or in containerd's; both come out as an archive.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from contextlib import contextmanager, suppress
from tempfile import gettempdir
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import quote, urlsplit

from lreg.errors import LregError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

VARIABLE = "DOCKER_HOST"
_SOCKET = "unix:///var/run/docker.sock"
_PIECE = 1 << 20
_CONNECT_TIME = 10.0
# Docker answers a load after it has unpacked the image.
_ANSWER_TIME = 1800.0


class DockerDaemon:
    """The daemon at $DOCKER_HOST, which may be a Unix socket or plain TCP."""

    name = "docker"

    def __init__(self) -> None:
        self._url = urlsplit(os.environ.get(VARIABLE) or _SOCKET)

    def lacks(self) -> str:
        """Return why it can't be asked, in words; "" where it can."""
        if self._url.scheme not in ("unix", "tcp"):
            return f"${VARIABLE} is {self._url.geturl()}: only unix:// and tcp:// are known here"
        try:
            with self._answer("/_ping") as answer:
                _succeeded(answer)
                return ""
        except LregError as error:
            return str(error)

    def has(self, image: str) -> bool:
        """Return whether it holds an image of this name."""
        with self._answer(f"/images/{quote(image)}/json") as answer:
            return answer.status == 200

    def save(self, image: str, target: IO[bytes]) -> None:
        """Write an image to a file, as `docker save` does."""
        with self._answer(f"/images/{quote(image)}/get") as answer:
            source = _succeeded(answer)
            while piece := source.read(_PIECE):
                _keep(piece, target)
            # Of an answer of known length http.client does not say that it broke off.
            if source.length:
                raise http.client.IncompleteRead(b"", source.length)

    def load(self, write: Callable[[BinaryIO], None]) -> None:
        """Take the images of an archive, as `docker load` does."""
        with self._talking() as connection:
            connection.putrequest("POST", "/images/load?quiet=1")
            connection.putheader("Content-Type", "application/x-tar")
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders()
            body = _Chunked(connection)
            # Who refuses may do so before it has read all: the answer says why.
            with suppress(BrokenPipeError, ConnectionResetError):
                write(cast("BinaryIO", body))
                body.end()
            answer = _succeeded(connection.getresponse())
            if not body.ended:
                raise LregError("the Docker daemon read half of the image, and does not say why")
            for line in answer.read().splitlines():
                if line.strip() and (told := _error(line)):
                    raise LregError(f"the Docker daemon did not take the image: {told}")

    @contextmanager
    def _answer(self, path: str) -> Iterator[http.client.HTTPResponse]:
        with self._talking() as connection:
            connection.request("GET", path)
            yield connection.getresponse()

    @contextmanager
    def _talking(self) -> Iterator[http.client.HTTPConnection]:
        connection = self._connection()
        try:
            yield connection
        except (OSError, http.client.HTTPException) as error:
            raise LregError(
                f"the Docker daemon at {self._url.geturl()} does not answer: {error}"
            ) from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._url.scheme == "tcp":
            return http.client.HTTPConnection(self._url.netloc, timeout=_ANSWER_TIME)
        return _UnixConnection(self._url.path)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=_ANSWER_TIME)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_CONNECT_TIME)
        self.sock.connect(self._path)
        self.sock.settimeout(self.timeout)


def _succeeded(answer: http.client.HTTPResponse) -> http.client.HTTPResponse:
    if answer.status >= 400:
        raise LregError(f"the Docker daemon refused: {_error(answer.read()) or answer.reason}")
    return answer


def _keep(piece: bytes, target: IO[bytes]) -> None:
    try:
        target.write(piece)
    except OSError as error:
        raise LregError(
            f"the image can't be kept in {gettempdir()}: {error.strerror}; $TMPDIR names another "
            "folder"
        ) from error


def _error(raw: bytes) -> str:
    """Return what an answer of the API says went wrong; "" where nothing did."""
    try:
        fields = json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace").strip()
    if not isinstance(fields, dict):
        return ""
    return str(fields.get("message") or fields.get("error") or "")


class _Chunked:
    """A request's body of unknown length (RFC 9112, 7.1)."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.ended = False
        self._connection = connection

    def write(self, data: bytes) -> None:
        if data:
            self._connection.send(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        self._connection.send(b"0\r\n\r\n")
        self.ended = True
