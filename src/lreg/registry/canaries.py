"""Canaries: a tiny image under one-time names of every upstream, to see where a node's pulls go.

`quay.io/lreg-canary/<nonce>` is on no registry but this one, which has it whatever the nonce is: a
node that gets it was here. Nothing of it is stored or fetched; who asked for it is remembered for a
while, and told to who knows the nonce.
"""

from __future__ import annotations

import functools
import gzip
import io
import re
import tarfile
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from lreg.admin.values import CANARY, Sighting
from lreg.errors import BlobUnknown, Denied, ManifestUnknown
from lreg.images.building.build import write_manifest
from lreg.oci import mediatypes
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Digest
from lreg.oci.encoding import json_bytes
from lreg.oci.platform import Platform
from lreg.oci.reference import Tag
from lreg.store.protocol import BLOB_TYPE, Held, Page, ReferrersList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.oci.manifest import Manifest
    from lreg.oci.reference import RepositoryName
    from lreg.registry.http.messages import Request
    from lreg.store.protocol import Upload
    from lreg.upstream.mirror import Mirror

_NAME = re.compile(rf"{CANARY}/([0-9a-f]{{32}})")
_PLATFORMS = (
    "linux/amd64", "linux/arm64", "linux/arm/v7", "linux/arm/v6", "linux/386", "linux/ppc64le",
    "linux/riscv64", "linux/s390x",
)  # fmt: skip
# So many names are remembered, each with so many requests, for so many seconds after the last one.
_MOST_NAMES, _MOST_SIGHTINGS, _LIFE = 1024, 64, 3600.0


class Canaries:
    """The repositories of canaries, and who asked for which; used from one event loop.

    Args:
        mirror: knows which names are of upstreams.
    """

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._notes: OrderedDict[str, _Notes] = OrderedDict()

    def nonce(self, name: RepositoryName) -> str:
        """Return the nonce in the canonical name of a canary; "" for every other repository."""
        if CANARY not in name.text:
            return ""
        place = self._mirror.names.place(name)
        match = _NAME.fullmatch(place.path.text)
        return match[1] if match and (place.plain or place.host) else ""

    def repository(self, name: RepositoryName) -> CanaryRepository:
        """Return the repository of a canary's canonical name."""
        return CanaryRepository(name, self.nonce(name))

    async def repositories(self, limit: int, last: str = "") -> Page[RepositoryName]:
        """Return none: canaries are in no listing."""
        return Page((), more=False)

    def note(self, request: Request, asked: RepositoryName, name: RepositoryName) -> None:
        """Remember a request for a canary.

        Args:
            request: the request.
            asked: the repository as its path names it.
            name: its canonical name.
        """
        nonce = self.nonce(name)
        self._forget(request.started)
        notes = self._notes.setdefault(nonce, _Notes())
        self._notes.move_to_end(nonce)
        notes.last = request.started
        notes.sightings.append(
            Sighting(
                time=round(time.time(), 3),
                method=request.method,
                asked=request.path.rpartition(f"/{nonce}/")[2],
                namespace=self._mirror.names.place(name).host or "",
                named=self._mirror.sign(asked, request.query, request.headers, request.server_name),
                peer=request.peer,
                agent=request.headers.get("user-agent", ""),
                tls=request.endpoint.tls,
            )
        )

    def sightings(self, nonce: str) -> tuple[Sighting, ...]:
        """Return who asked for the canary of that nonce, oldest first."""
        notes = self._notes.get(nonce)
        return tuple(notes.sightings) if notes else ()

    def _forget(self, now: float) -> None:
        while self._notes:
            oldest = next(iter(self._notes.values()))
            if len(self._notes) < _MOST_NAMES and oldest.last + _LIFE > now:
                return
            self._notes.popitem(last=False)


@dataclass(slots=True)
class _Notes:
    """Who asked for one canary, and when somebody last did, on the loop's clock."""

    sightings: deque[Sighting] = field(default_factory=lambda: deque(maxlen=_MOST_SIGHTINGS))
    last: float = 0.0


class CanaryRepository:
    """The repository of a canary: every tag means the image; see lreg.store.protocol.Repository.

    Attributes:
        name: its canonical name.
    """

    def __init__(self, name: RepositoryName, nonce: str) -> None:
        self.name = name
        self._nonce = nonce

    def held(self, want: Tag | Digest) -> Held | None:
        """Return the manifest, None where there is none of that digest."""
        image = _image(self._nonce)
        found = image.top if isinstance(want, Tag) else image.manifests.get(want)
        return Held(found.digest, found.media_type, found.raw) if found else None

    def held_blob(self, digest: Digest) -> Held | None:
        """Return the blob, None where the image has none of that digest."""
        data = _image(self._nonce).blobs.get(digest)
        return None if data is None else Held(digest, BLOB_TYPE, data)

    async def manifest(self, want: Tag | Digest) -> Held:
        """Return the manifest; raise ManifestUnknown."""
        if found := self.held(want):
            return found
        raise ManifestUnknown(f"a canary has no manifest {want}")

    async def blob(self, digest: Digest) -> Held:
        """Return the blob; raise BlobUnknown."""
        if found := self.held_blob(digest):
            return found
        raise BlobUnknown(f"a canary has no blob {digest}")

    async def peek(self, digest: Digest) -> Held:
        """As `blob`."""
        return await self.blob(digest)

    async def tags(self, limit: int, last: str = "") -> Page[Tag]:
        """Return the tag that pulls ask for."""
        return Page([tag for tag in (Tag("latest"),) if tag.text > last][:limit], more=False)

    async def referrers(self, subject: Digest) -> ReferrersList:
        """Return none."""
        return ReferrersList(())

    async def put_manifest(self, manifest: Manifest, tags: Sequence[Tag] = ()) -> None:
        """Raise Denied."""
        self._refuse()

    async def delete_manifest(self, want: Tag | Digest) -> None:
        """Raise Denied."""
        self._refuse()

    async def delete_blob(self, digest: Digest) -> None:
        """Raise Denied."""
        self._refuse()

    async def mount(self, digest: Digest, source: RepositoryName | None) -> bool:
        """Raise Denied."""
        self._refuse()

    async def start_upload(self, algorithm: object) -> Upload:
        """Raise Denied."""
        self._refuse()

    def upload(self, upload_id: str) -> Upload:
        """Raise Denied."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise Denied(f"{self.name} is a canary of lreg: choose another name for an image")


@dataclass(frozen=True, slots=True)
class _Image:
    top: Manifest
    manifests: dict[Digest, Manifest]
    blobs: dict[Digest, bytes]


@functools.lru_cache(64)
def _image(nonce: str) -> _Image:
    """Return the canary of a nonce: one file of two lines, for every usual platform.

    No two have a blob in common: a runtime that holds one has to fetch all of the next.
    """
    plain = _layer(nonce)
    packed = gzip.compress(plain, mtime=0)
    layer = Descriptor(mediatypes.OCI_LAYER_GZIP, Digest.of(packed), len(packed))
    blobs = {layer.digest: packed}
    manifests: dict[Digest, Manifest] = {}
    children = []
    for platform in map(Platform.parse, _PLATFORMS):
        config = _config(platform, Digest.of(plain))
        described = Descriptor(mediatypes.OCI_CONFIG, Digest.of(config), len(config))
        blobs[described.digest] = config
        made = write_manifest(
            mediatypes.OCI_MANIFEST, config=described.to_json(), layers=[layer.to_json()]
        )
        manifests[made.digest] = made
        children.append(Descriptor(made.media_type, made.digest, len(made.raw), platform=platform))
    top = write_manifest(mediatypes.OCI_INDEX, manifests=[child.to_json() for child in children])
    return _Image(top, manifests | {top.digest: top}, blobs)


def _layer(nonce: str) -> bytes:
    target = io.BytesIO()
    text = (
        "This image came from lreg: `lreg node doctor` pulled it, to see from where pulls come.\n"
        f"{nonce}\n"
    ).encode()
    with tarfile.open(mode="w", fileobj=target, format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo(CANARY)
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    return target.getvalue()


def _config(platform: Platform, diff_id: Digest) -> bytes:
    variant = {"variant": platform.variant} if platform.variant else {}
    fields = {
        "architecture": platform.architecture,
        "config": {"Cmd": [f"/{CANARY}"]},
        "created": "1970-01-01T00:00:00Z",
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "lreg"}],
        "os": platform.os,
        "rootfs": {"diff_ids": [str(diff_id)], "type": "layers"},
        **variant,
    }
    return json_bytes(fields)
