"""A registry that holds what a test puts in and does what a script says."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from lreg.oci import mediatypes
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Digest
from lreg.oci.manifest import Manifest
from lreg.oci.reference import RepositoryName
from tests.fakes.faults import Fault, Reply, Seen
from tests.fakes.server import ScriptedServer
from tests.support.images import Image, Index

if TYPE_CHECKING:
    import ssl

    from tests.fakes.tokens import Tokens

_ROUTE = re.compile(r"/v2/(.+)/(blobs/uploads|blobs|manifests|referrers|tags)/([^/]*)")


@dataclass(slots=True)
class Held:
    """What one repository holds: by digest as text; a tag points at a digest."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class Upstream(ScriptedServer):
    """A scripted registry.

    Attributes:
        held: what is in it, by repository.
        tokens: what is demanded of a client, or None for nothing.
        realm: where it sends for tokens; its own /token where empty.
        blobs_at: the URL of another Upstream with the same content, to redirect blob GETs to.
        page: how many names of a listing one answer has.
        referrers: whether it has the referrers API.
        digest_header: whether it says Docker-Content-Digest.
        moved_to: the URL of another Upstream, to redirect everything below /v2/ to.
        more_headers: what else answers about manifests carry, such as a quota.
    """

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        super().__init__(host, tls)
        self.held: defaultdict[str, Held] = defaultdict(Held)
        self.tokens: Tokens | None = None
        self.realm = ""
        self.blobs_at = ""
        self.page = 1000
        self.referrers = True
        self.digest_header = True
        self.moved_to = ""
        self.more_headers: dict[str, str] = {}

    def repository(self, name: str) -> RepositoryName:
        """Return the name, parsed."""
        return RepositoryName.parse(name)

    def put_blob(self, name: str, data: bytes, media_type: str = "") -> Descriptor:
        """Hold a blob and return its descriptor."""
        digest = Digest.of(data)
        self.held[name].blobs[str(digest)] = data
        return Descriptor(media_type or mediatypes.OCI_LAYER, digest, len(data))

    def put_manifest(self, name: str, fields: dict[str, Any], tag: str = "") -> Manifest:
        """Hold a manifest of these fields (schemaVersion is added) and return it."""
        manifest = Manifest.parse(json.dumps({"schemaVersion": 2, **fields}).encode())
        self.held[name].manifests[str(manifest.digest)] = manifest
        if tag:
            self.held[name].tags[tag] = str(manifest.digest)
        return manifest

    def hold(self, name: str, made: Image | Index, tag: str = "") -> str:
        """Hold everything of an image or an index; return the digest of its manifest."""
        if isinstance(made, Index):
            for each in made.images:
                self.hold(name, each)
        else:
            for blob in made.blobs:
                self.held[name].blobs[blob.digest] = blob.data
        manifest = Manifest.parse(made.manifest.data)
        self.held[name].manifests[made.manifest.digest] = manifest
        if tag:
            self.held[name].tags[tag] = made.manifest.digest
        return made.manifest.digest

    def put_image(self, name: str, tag: str, *layers: bytes, **more: object) -> Manifest:
        """Hold an image of these layers and return its manifest; `more` are its other fields."""
        config = self.put_blob(name, b'{"os":"linux"}', mediatypes.OCI_CONFIG)
        fields = {
            "mediaType": mediatypes.OCI_MANIFEST,
            "config": config.to_json(),
            "layers": [self.put_blob(name, layer).to_json() for layer in layers],
        }
        return self.put_manifest(name, fields | more, tag)

    async def answer(self, seen: Seen, fault: Fault) -> Reply:
        """Answer as a registry does."""
        if reply := self._before_any_name(seen):
            return reply
        if seen.path == "/v2/_catalog":
            refused = self._guarded(seen, "registry", "catalog", "*")
            return refused or self._listing(seen, "repositories", sorted(self.held))
        if not (match := _ROUTE.fullmatch(seen.path)):
            return Reply(404)
        name, kind, last = match.groups()
        action = "pull" if seen.method in {"GET", "HEAD"} else "push"
        action = "delete" if seen.method == "DELETE" and kind != "blobs/uploads" else action
        if refused := self._guarded(seen, "repository", name, action):
            return refused
        return self._route(seen, fault, name, kind, last)

    def _before_any_name(self, seen: Seen) -> Reply | None:
        if seen.path == "/token" and self.tokens:
            return self.tokens.issue(seen)
        if seen.path == "/v2/":
            return self._guarded(seen, "", "", "") or Reply(200)
        if self.moved_to:
            return Reply(302, b"", {"Location": f"{self.moved_to}{seen.target}"})
        return None

    def _route(self, seen: Seen, fault: Fault, name: str, kind: str, last: str) -> Reply:
        held = self.held[name]
        match seen.method, kind:
            case "GET", "tags":
                reply = self._listing(seen, "tags", sorted(held.tags))
            case "GET", "referrers":
                reply = self._list_referrers(seen, held, last) if self.referrers else Reply(404)
            case "GET" | "HEAD", "blobs":
                reply = self._blob(seen, fault, held, last)
            case "GET" | "HEAD", "manifests":
                reply = self._manifest(held, last)
            case "PUT", "manifests":
                reply = self._take_manifest(seen, held, last)
            case "POST", "blobs/uploads":
                reply = self._start_upload(seen, name)
            case "PUT", "blobs/uploads":
                reply = self._take_blob(seen, held)
            case _:
                reply = Reply(202 if seen.method == "DELETE" else 405)
        return reply

    def _guarded(self, seen: Seen, kind: str, name: str, action: str) -> Reply | None:
        """Return the refusal of a request that shows no token for what it wants."""
        if self.tokens is None:
            return None
        shown = seen.headers.get("authorization", "")
        if kind and self.tokens.allows(shown, kind, name, action):
            return None
        if not kind and shown.removeprefix("Bearer ") in self.tokens.issued:
            return None
        realm = self.realm or f"{self.url}/token"
        demand = f'Bearer realm="{realm}",service="{self.host}"'
        if kind:
            demand += f',scope="{kind}:{name}:{action}"'
        return _refusal(401, "UNAUTHORIZED", {"WWW-Authenticate": demand})

    def _listing(self, seen: Seen, key: str, names: list[str]) -> Reply:
        last = parse_qs(urlsplit(seen.target).query).get("last", [""])[0]
        rest = [name for name in names if name > last]
        page = rest[: self.page]
        more = (
            f'<{seen.path}?n={self.page}&last={page[-1]}>; rel="next"' if rest[len(page) :] else ""
        )
        headers = {"Link": more} if more else {}
        return Reply(200, json.dumps({key: page}).encode(), headers)

    def _list_referrers(self, seen: Seen, held: Held, subject: str) -> Reply:
        found = [
            manifest.as_referrer().to_json()
            for manifest in held.manifests.values()
            if manifest.subject and str(manifest.subject.digest) == subject
        ]
        start = int(parse_qs(urlsplit(seen.target).query).get("start", ["0"])[0])
        headers = {"Content-Type": mediatypes.OCI_INDEX}
        if found[start + self.page :]:
            headers["Link"] = f'<{seen.path}?start={start + self.page}>; rel="next"'
        return Reply(200, referrers_index(found[start : start + self.page]), headers)

    def _blob(self, seen: Seen, fault: Fault, held: Held, digest: str) -> Reply:
        if (data := held.blobs.get(digest)) is None:
            return _refusal(404, "BLOB_UNKNOWN")
        if self.blobs_at and seen.method == "GET":
            return Reply(307, b"", {"Location": f"{self.blobs_at}{seen.target}?signature=a%2Fb"})
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", seen.headers.get("range", ""))
        if not wanted or fault.ignore_range:
            return Reply(200, data, {"Docker-Content-Digest": digest})
        start = int(wanted[1])
        if start >= len(data):
            return Reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        last = min(int(wanted[2] or len(data)), len(data) - 1)
        part = f"bytes {start}-{last}/{len(data)}"
        return Reply(206, memoryview(data)[start : last + 1], {"Content-Range": part})

    def _manifest(self, held: Held, reference: str) -> Reply:
        manifest = held.manifests.get(held.tags.get(reference, reference))
        if manifest is None:
            return _refusal(404, "MANIFEST_UNKNOWN")
        headers = {"Content-Type": manifest.media_type, **self.more_headers}
        if self.digest_header:
            headers["Docker-Content-Digest"] = str(manifest.digest)
        return Reply(200, manifest.raw, headers)

    def _take_manifest(self, seen: Seen, held: Held, reference: str) -> Reply:
        manifest = Manifest.parse(seen.body, seen.headers["content-type"])
        lacking = [blob for blob in manifest.blobs if str(blob.digest) not in held.blobs]
        lacking += [one for one in manifest.children if str(one.digest) not in held.manifests]
        if lacking:
            return _refusal(404, "MANIFEST_BLOB_UNKNOWN")
        held.manifests[str(manifest.digest)] = manifest
        if ":" not in reference:
            held.tags[reference] = str(manifest.digest)
        headers = {"Docker-Content-Digest": str(manifest.digest)}
        if manifest.subject and self.referrers:
            headers["OCI-Subject"] = str(manifest.subject.digest)
        return Reply(201, b"", headers)

    def _start_upload(self, seen: Seen, name: str) -> Reply:
        query = parse_qs(urlsplit(seen.target).query)
        if "mount" in query:
            data = self.held[query["from"][0]].blobs.get(query["mount"][0])
            if data is not None:
                self.held[name].blobs[query["mount"][0]] = data
                return Reply(201)
        # A session with a query of its own, as many registries have.
        return Reply(202, b"", {"Location": f"/v2/{name}/blobs/uploads/1?state=a%3Db"})

    def _take_blob(self, seen: Seen, held: Held) -> Reply:
        query = parse_qs(urlsplit(seen.target).query)
        if query["state"] != ["a=b"] or str(Digest.of(seen.body)) != query["digest"][0]:
            return _refusal(400, "DIGEST_INVALID")
        held.blobs[query["digest"][0]] = seen.body
        return Reply(201)


def referrers_index(descriptors: list[dict[str, Any]]) -> bytes:
    """Return the body of a list of referrers."""
    fields = {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": descriptors}
    return json.dumps(fields).encode()


def _refusal(status: int, code: str, headers: dict[str, str] | None = None) -> Reply:
    body = json.dumps({"errors": [{"code": code, "message": "the fake says so"}]}).encode()
    return Reply(status, body, headers or {})
