"""Descriptors: how one piece of content names another (image-spec, descriptor.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lreg.errors import DigestInvalid, ManifestInvalid
from lreg.oci.digest import Digest
from lreg.oci.mediatypes import NONDISTRIBUTABLE
from lreg.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A piece of content: its type, digest and size in bytes."""

    media_type: str
    digest: Digest
    size: int
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    urls: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: object) -> Descriptor:
        """Return the descriptor of a decoded JSON object; raise ManifestInvalid."""
        if not isinstance(value, dict):
            raise ManifestInvalid("a descriptor must be a JSON object")
        media_type, digest, size = (value.get(key) for key in ("mediaType", "digest", "size"))
        if not isinstance(media_type, str) or not isinstance(digest, str):
            raise ManifestInvalid("a descriptor needs a mediaType and a digest")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise ManifestInvalid(f"the descriptor of {digest:.200} needs a size in bytes")
        annotations, platform = value.get("annotations"), value.get("platform")
        artifact_type, urls = value.get("artifactType"), value.get("urls")
        try:
            parsed = Digest.parse(digest)
        except DigestInvalid as error:
            raise ManifestInvalid(str(error)) from error
        return cls(
            media_type,
            parsed,
            size,
            artifact_type if isinstance(artifact_type, str) else None,
            annotations if isinstance(annotations, dict) else {},
            Platform.from_json(platform) if isinstance(platform, dict) else None,
            tuple(map(str, urls)) if isinstance(urls, list) else (),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the object that descriptor.md defines, empty fields left out."""
        fields: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.artifact_type:
            fields["artifactType"] = self.artifact_type
        if self.annotations:
            fields["annotations"] = dict(self.annotations)
        if self.platform:
            parts = self.platform
            fields["platform"] = {"os": parts.os, "architecture": parts.architecture}
            if parts.variant:
                fields["platform"]["variant"] = parts.variant
        if self.urls:
            fields["urls"] = list(self.urls)
        return fields

    @property
    def distributable(self) -> bool:
        """Whether a registry that holds the manifest must hold this content as well."""
        return not self.urls and not self.media_type.startswith(NONDISTRIBUTABLE)
