"""Manifests and indexes: parsed for what they name, kept as the bytes they came in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lreg.errors import ContentTooLarge, ManifestInvalid
from lreg.oci import mediatypes
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Algorithm, Digest

if TYPE_CHECKING:
    from collections.abc import Mapping

# "Client and registry implementations SHOULD expect to be able to support manifest pushes of at
# least 4 megabytes" (distribution-spec, "Pushing Manifests").
MAX_MANIFEST_SIZE = 4 << 20


@dataclass(frozen=True)
class Manifest:
    """An image manifest or index: its raw bytes, digest and what it names.

    Attributes:
        raw: the bytes; the digest is of those, whatever JSON they hold.
        digest: their digest.
        media_type: one of mediatypes.ALL_MANIFESTS.
        fields: the decoded JSON object.
    """

    raw: bytes = field(repr=False)
    digest: Digest
    media_type: str
    fields: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def parse(
        cls, raw: bytes, content_type: str = "", algorithm: Algorithm = Algorithm.SHA256
    ) -> Manifest:
        """Return the manifest that `raw` holds.

        Args:
            raw: its bytes, at most MAX_MANIFEST_SIZE.
            content_type: what it was declared to be, or nothing.
            algorithm: of the digest to call it by.

        Raises:
            ContentTooLarge: there are more bytes than a registry accepts.
            ManifestInvalid: it is not a manifest, or not of the declared type
                (distribution-spec, "Pushing Manifests": the two "MUST" be the same).
        """
        if len(raw) > MAX_MANIFEST_SIZE:
            raise ContentTooLarge(f"a manifest may have {MAX_MANIFEST_SIZE} bytes at most")
        try:
            fields = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise ManifestInvalid(f"the manifest is not JSON: {error}") from error
        if not isinstance(fields, dict) or fields.get("schemaVersion") != 2:
            raise ManifestInvalid("the manifest is not a JSON object with schemaVersion 2")
        media_type = _media_type(fields)
        declared = mediatypes.essence(content_type)
        if declared and declared != media_type:
            raise ManifestInvalid(f"Content-Type is {declared:.200}, the manifest is {media_type}")
        manifest = cls(raw, Digest.of(raw, algorithm), media_type, fields)
        _ = manifest.children, manifest.blobs, manifest.subject  # parsed at the door
        return manifest

    @property
    def is_index(self) -> bool:
        """Whether it names manifests (an index, a list) rather than a config and layers."""
        return self.media_type in mediatypes.INDEXES

    @cached_property
    def config(self) -> Descriptor | None:
        """The config of an image manifest."""
        return None if self.is_index else Descriptor.from_json(self.fields.get("config"))

    @cached_property
    def layers(self) -> tuple[Descriptor, ...]:
        """The layers of an image manifest, lowest first."""
        return () if self.is_index else self._descriptors("layers")

    @cached_property
    def children(self) -> tuple[Descriptor, ...]:
        """The manifests that an index names, in its order."""
        return self._descriptors("manifests") if self.is_index else ()

    @cached_property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Config and layers, in that order."""
        return ((self.config,) if self.config else ()) + self.layers

    @cached_property
    def subject(self) -> Descriptor | None:
        """The manifest that this one refers to (image-spec, manifest.md, "subject")."""
        subject = self.fields.get("subject")
        return None if subject is None else Descriptor.from_json(subject)

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its own annotations."""
        annotations = self.fields.get("annotations")
        return annotations if isinstance(annotations, dict) else {}

    @property
    def artifact_type(self) -> str | None:
        """What a referrers listing shows (distribution-spec, "Listing Referrers")."""
        if declared := self.fields.get("artifactType"):
            return str(declared)
        return self.config.media_type if self.config else None

    @property
    def descriptor(self) -> Descriptor:
        """How another manifest would name this one."""
        return Descriptor(self.media_type, self.digest, len(self.raw))

    def as_referrer(self) -> Descriptor:
        """Return the descriptor for a referrers listing, with type and annotations."""
        return Descriptor(
            self.media_type, self.digest, len(self.raw), self.artifact_type, self.annotations
        )

    def _descriptors(self, key: str) -> tuple[Descriptor, ...]:
        values = self.fields.get(key)
        # Go writes an empty list as null.
        if values is None:
            return ()
        if not isinstance(values, list):
            raise ManifestInvalid(f"{key} of a manifest must be a list")
        return tuple(map(Descriptor.from_json, values))


def _media_type(fields: Mapping[str, Any]) -> str:
    media_type = fields.get("mediaType")
    if not media_type:
        # OCI 1.0 manifests need not say what they are; distribution decides in the same way.
        if "manifests" in fields and "config" not in fields:
            return mediatypes.OCI_INDEX
        if "config" in fields:
            return mediatypes.OCI_MANIFEST
        raise ManifestInvalid("the manifest has neither a mediaType, a config nor manifests")
    if media_type not in mediatypes.ALL_MANIFESTS:
        raise ManifestInvalid(
            f"{media_type!r:.200} is not a manifest type known here: "
            "push an OCI or Docker schema 2 image or index"
        )
    return str(media_type)
