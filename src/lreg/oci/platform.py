"""Platforms: os/architecture/variant, as containers and people write them."""

from __future__ import annotations

import platform as host_platform
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lreg.errors import PlatformInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLATFORM = re.compile(r"([a-z0-9]+)/([a-z0-9_]+)(?:/([a-z0-9.]+))?")
# uname's machine, as GOARCH and variant call it.
_MACHINES = {
    "x86_64": ("amd64", None),
    "aarch64": ("arm64", None),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", None),
}
# A variant that is the architecture's default may be left out (containerd's normalisation).
_DEFAULT_VARIANTS = {("arm64", "v8"), ("amd64", "v1")}


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image runs on (image-spec, image-index.md, "platform")."""

    os: str
    architecture: str
    variant: str | None = None

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Return the platform written `os/architecture[/variant]`; raise PlatformInvalid."""
        if not (match := _PLATFORM.fullmatch(text)):
            raise PlatformInvalid(
                f"{text!r:.80} is not a platform: write it as linux/amd64 or linux/arm/v7"
            )
        return cls(*match.groups())

    @classmethod
    def from_json(cls, fields: Mapping[str, object]) -> Platform:
        """Return the platform of a descriptor or an image config."""
        variant = fields.get("variant")
        return cls(
            str(fields.get("os", "")),
            str(fields.get("architecture", "")),
            str(variant) if variant else None,
        )

    @classmethod
    def here(cls) -> Platform:
        """Return this machine's platform."""
        machine = host_platform.machine()
        architecture, variant = _MACHINES.get(machine, (machine, None))
        return cls("linux", architecture, variant)

    def matches(self, other: Platform) -> bool:
        """Return whether `other` is this platform; a missing variant means the default one."""
        return self._normal() == other._normal()

    def _normal(self) -> tuple[str, str, str | None]:
        default = (self.architecture, self.variant) in _DEFAULT_VARIANTS
        return self.os, self.architecture, None if default else self.variant

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))
