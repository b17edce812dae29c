"""The Docker daemon, by its API over its socket (moby's api/docs, "Image").

It keeps images in its own store or in containerd's; both come out as an archive.
"""

from __future__ import annotations

import http.client
import json
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import quote

from lreg.errors import LregError
from lreg.images.answers import pieces_of
from lreg.images.engines.docker_host import DockerHost
from lreg.images.temporary import keep
from lreg.network import words
from lreg.oci.platform import Platform
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

# What a daemon that speaks TLS says to who does not (net/http, server.go).
_WANTS_TLS = "HTTP request to an HTTPS server"


class DockerDaemon:
    """The daemon that Docker's own client would ask."""

    name = "docker"

    def lacks(self) -> str:
        """Return why it can't be asked, in words; "" where it can."""
        try:
            with self._answer("/_ping") as answer:
                _succeeded(answer)
                return ""
        except LregError as error:
            return str(error)

    def has(self, image: str) -> bool:
        """Return whether it holds an image of this name, or of this id."""
        return bool(self._shown(image))

    def save(self, image: str, target: IO[bytes], platform: Platform | None = None) -> None:
        """Write an image to a file, as `docker save` does."""
        name = self._one(image)
        with self._answer(_path_of_saved(name, platform)) as answer:
            # Its containerd store has all that a tag means, or one image; not what lacks its own.
            other = None if platform or answer.status < 400 else self._other_platform(name)
            if not other:
                keep(pieces_of(_succeeded(answer)), target)
        if other:
            self.save(name, target, other)

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

    def _one(self, image: str) -> str:
        """Return a name of one image: without a tag Docker saves all of a repository."""
        named = Reference.parse(image)
        if not (named.tag or named.digest) and self._shown(f"{image}:latest"):
            return f"{image}:latest"
        return image  # an id, it may be

    def _other_platform(self, image: str) -> Platform | None:
        """Return for which one platform it has an image of an index; None where it has none.

        Raises:
            LregError: there are several.
        """
        held = [
            Platform.from_json(each["ImageData"]["Platform"])
            for each in self._shown(image).get("Manifests") or []
            if each["Available"] and each["Kind"] == "image"
        ]
        if len(held) > 1:
            names = ", ".join(sorted(map(str, held)))
            raise LregError(f"Docker has {image} for {names}: take one by --platform")
        return held[0] if held else None

    def _shown(self, image: str) -> dict[str, Any]:
        """Return what it says of an image; nothing where it has none of this name."""
        with self._answer(f"/images/{quote(image)}/json?manifests=1") as answer:
            said = answer.read()
            if answer.status != 200:
                return {}
        try:
            return dict(json.loads(said))
        except (ValueError, TypeError) as error:
            raise LregError(f"what answers for Docker is none: it says {said!r:.80}") from error

    @contextmanager
    def _answer(self, path: str) -> Iterator[http.client.HTTPResponse]:
        with self._talking() as connection:
            connection.request("GET", path)
            yield connection.getresponse()

    @contextmanager
    def _talking(self) -> Iterator[http.client.HTTPConnection]:
        host = DockerHost.told()
        connection = host.connection()
        try:
            yield connection
        except (OSError, http.client.HTTPException) as error:
            raise LregError(
                f"the Docker daemon at {host.url} does not answer: {words(error)}{host.trusts}"
            ) from error
        finally:
            connection.close()


def _path_of_saved(image: str, platform: Platform | None) -> str:
    wanted = ""
    if platform:
        fields = {"os": platform.os, "architecture": platform.architecture}
        fields |= {"variant": platform.variant} if platform.variant else {}
        wanted = f"?platform={quote(json.dumps(fields))}"
    return f"/images/{quote(image)}/get{wanted}"


def _succeeded(answer: http.client.HTTPResponse) -> http.client.HTTPResponse:
    if answer.status >= 400:
        said = _error(answer.read()) or answer.reason
        if _WANTS_TLS in said:
            raise LregError(
                "the Docker daemon speaks TLS there: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH "
                "to the folder of its ca.pem and your cert.pem and key.pem"
            )
        raise LregError(f"the Docker daemon refused: {said}")
    return answer


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
