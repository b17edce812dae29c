"""Digests: what content is called after (image-spec, descriptor.md, "Digests")."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from lreg.errors import DigestInvalid

if TYPE_CHECKING:
    from hashlib import _Hash


class Algorithm(StrEnum):
    """The registered algorithms (descriptor.md, "Registered algorithms") that lreg can verify."""

    SHA256 = "sha256"
    SHA512 = "sha512"

    @classmethod
    def parse(cls, text: str) -> Algorithm:
        """Return the algorithm called `text`; raise DigestInvalid for any other."""
        try:
            return cls(text)
        except ValueError:
            raise DigestInvalid(
                f"{text!r:.80} is not a digest algorithm known here: use sha256 or sha512"
            ) from None

    def hasher(self) -> _Hash:
        """Return a new running hash."""
        return hashlib.new(self.value, usedforsecurity=True)


_DIGEST = re.compile(r"(sha256):([0-9a-f]{64})|(sha512):([0-9a-f]{128})")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """An algorithm and the lower-case hexadecimal hash of some content."""

    algorithm: Algorithm
    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Return the digest written as `algorithm:hex`; raise DigestInvalid for anything else."""
        if not (match := _DIGEST.fullmatch(text)):
            raise DigestInvalid(
                f"{text!r:.200} is not a sha256 or sha512 digest", detail={"digest": text[:200]}
            )
        algorithm, encoded = match.group(1, 2) if match[1] else match.group(3, 4)
        return cls(Algorithm(algorithm), encoded)

    @classmethod
    def of(cls, content: bytes, algorithm: Algorithm = Algorithm.SHA256) -> Digest:
        """Return the digest of `content`."""
        return cls(algorithm, hashlib.new(algorithm.value, content).hexdigest())

    @classmethod
    def finished(cls, algorithm: Algorithm, hasher: _Hash) -> Digest:
        """Return the digest of what the running hash `hasher` has been given."""
        return cls(algorithm, hasher.hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @property
    def short(self) -> str:
        """The first twelve digits, as people and `docker images` write them."""
        return self.hex[:12]
