"""The part of Kubernetes' CRI by which images are pulled (api.proto of k8s.io/cri-api)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.node.doctor.grpc import UNIMPLEMENTED, CallFailed, call

if TYPE_CHECKING:
    from collections.abc import Iterator

# containerd before 1.6 and CRI-O before 1.20 have the older one only.
_VERSIONS = ("v1", "v1alpha2")
_BYTES, _MOST = 2, 64
_QUICK = 10.0


class Cri:
    """A runtime that serves CRI.

    Args:
        path: its Unix socket.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._api = ""

    def version(self) -> str:
        """Return the version of the runtime that serves it, such as 1.6.20; raise CallFailed."""
        for api in _VERSIONS:
            try:
                answer = call(self.path, f"/runtime.{api}.RuntimeService/Version", b"", _QUICK)
            except CallFailed as error:
                if error.status != UNIMPLEMENTED or api == _VERSIONS[-1]:
                    raise
                continue
            self._api = api
            # VersionResponse: the version of the API, the runtime's name, the runtime's version.
            return dict(_fields(answer)).get(3, b"").decode().lstrip("v")
        raise CallFailed(f"{self.path} serves no CRI")

    def pull(self, image: str, seconds: float) -> None:
        """Pull an image; raise CallFailed."""
        self._images("PullImage", image, seconds)

    def remove(self, image: str) -> None:
        """Remove an image; raise CallFailed."""
        self._images("RemoveImage", image, _QUICK)

    def _images(self, method: str, image: str, seconds: float) -> None:
        if not self._api:
            self.version()
        # {image: ImageSpec{image: …}}, both field 1.
        message = _field(1, _field(1, image.encode()))
        call(self.path, f"/runtime.{self._api}.ImageService/{method}", message, seconds)


def _field(number: int, value: bytes) -> bytes:
    """Return a field of bytes as protobuf encodes it."""
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the fields of bytes of a message, up to the first of another kind."""
    place = 0
    while place < len(message):
        key, place = _read_varint(message, place)
        size, place = _read_varint(message, place)
        if key & 7 != _BYTES:
            return
        yield key >> 3, message[place : place + size]
        place += size


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < _MOST:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return value, place
