"""Records of TLS 1.3 as a test wants them, in place of those that a library would make."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

if TYPE_CHECKING:
    from pathlib import Path

# What a record holds (RFC 8446, 5.1), and messages of a handshake that is over (4.6).
HANDSHAKE, DATA = 0x16, 0x17
KEY_UPDATE = b"\x18\x00\x00\x01\x01"  # the other end is to change its keys as well
TICKET = b"\x04\x00\x00\x0f" + bytes([0, 0, 0, 9, 0, 0, 0, 0, 1, 7, 0, 1, 42, 0, 0])


@dataclass
class Keys:
    """What one end seals its records with (RFC 8446, 5 and 7.3), for AES-GCM."""

    secret: bytes
    sealed: int = 0

    @classmethod
    def logged(cls, path: Path, end: str) -> Keys:
        """Return the first ones of a "CLIENT" or "SERVER", of the last connection in a log."""
        lines = [line.split() for line in path.read_text().splitlines()]
        *_, secret = [line[2] for line in lines if line[:1] == [f"{end}_TRAFFIC_SECRET_0"]]
        return cls(bytes.fromhex(secret))

    def next(self) -> Keys:
        """Return those after a KeyUpdate."""
        return Keys(self._expand(b"traffic upd", len(self.secret)))

    def seal(self, kind: int, content: bytes) -> bytes:
        """Return a record."""
        nonce = self._iv ^ self.sealed
        self.sealed += 1
        header = struct.pack(">BHH", 0x17, 0x0303, len(content) + 17)
        sealed = self._key.encrypt(nonce.to_bytes(12), content + bytes([kind]), header)
        return header + sealed

    def seal_all(self, content: bytes) -> bytes:
        """Return as many records of data as it takes."""
        pieces = (content[at : at + (1 << 14)] for at in range(0, len(content), 1 << 14))
        return b"".join(self.seal(DATA, piece) for piece in pieces)

    @cached_property
    def _key(self) -> AESGCM:
        return AESGCM(self._expand(b"key", 16 if len(self.secret) == 32 else 32))

    @cached_property
    def _iv(self) -> int:
        return int.from_bytes(self._expand(b"iv", 12))

    def _expand(self, label: bytes, length: int) -> bytes:
        label = b"tls13 " + label
        info = struct.pack(">HB", length, len(label)) + label + b"\0"
        algorithm = hashes.SHA256() if len(self.secret) == 32 else hashes.SHA384()
        return HKDFExpand(algorithm, length, info).derive(self.secret)
