"""A registry as HTTP shows it, and nothing that a client would hide."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin, urlsplit

from tests.support.images import Image, Index, sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.images import Content

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ACCEPT = {"Accept": ", ".join(MANIFEST_TYPES)}


@dataclass(frozen=True, slots=True)
class Answer:
    """One response; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.body)

    def expect(self, *statuses: int) -> Answer:
        """Return itself, if its status is one of those."""
        if self.status not in statuses:
            raise AssertionError(f"{self.status}, not {statuses}: {self.body[:500]!r}")
        return self


@dataclass(frozen=True, slots=True)
class Marks:
    """How requests say which registry they mean: a path, a query, a Host, or nothing.

    Attributes:
        under: what is put before repositories: `docker.io/`, say.
        query: what is put after `?`: `ns=docker.io`, say.
        host: the Host header; empty: what was dialled.
    """

    under: str = ""
    query: str = ""
    host: str = ""

    def mark(self, path: str, headers: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """Return path and headers with query and Host."""
        if self.query:
            path += ("&" if "?" in path else "?") + self.query
        return path, dict(headers) | ({"Host": self.host} if self.host else {})


UNMARKED = Marks()


class Wire:
    """One kept connection to a registry; for one thread."""

    def __init__(
        self, url: str, ca: Path | None = None, timeout: float = 30, marks: Marks = UNMARKED
    ) -> None:
        parts = urlsplit(url)
        self._prefix = url
        self._marks = marks
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=str(ca))
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.netloc, timeout=timeout, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; the next `ask` dials again."""
        self._connection.close()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and return its response; an iterator is sent chunked.

        Raises:
            OSError, http.client.HTTPException: there was no whole response.
        """
        path, headers = self._marks.mark(path, headers or {})
        target = urlsplit(urljoin(self._prefix, path))
        try:
            self._connection.request(
                method,
                target._replace(scheme="", netloc="").geturl(),
                body,
                headers,
                encode_chunked=not isinstance(body, bytes | None),
            )
            response = self._connection.getresponse()
            got = response.read()
        except BaseException:
            self.close()
            raise
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, got)

    def _at(self, repository: str) -> str:
        return f"/v2/{self._marks.under}{repository}"

    def start_upload(self, repository: str) -> str:
        """Begin an upload and return its location."""
        started = self.ask("POST", f"{self._at(repository)}/blobs/uploads/").expect(202)
        return started.headers["location"]

    def finish_upload(self, location: str, digest: str, rest: bytes = b"") -> Answer:
        """Send the last bytes, if any, and commit."""
        joint = "&" if "?" in location else "?"
        headers = {"Content-Type": "application/octet-stream"}
        return self.ask("PUT", f"{location}{joint}digest={digest}", rest, headers)

    def push_blob(self, repository: str, data: bytes, digest: str = "") -> str:
        """Push a blob in a POST and a PUT; return its digest (sha256 unless given)."""
        digest = digest or sha256(data)
        self.finish_upload(self.start_upload(repository), digest, data).expect(201)
        return digest

    def push_chunked(self, repository: str, data: bytes, size: int, digest: str = "") -> str:
        """Push a blob in PATCHes of `size` bytes; return its digest (sha256 unless given)."""
        location = self.start_upload(repository)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Range": f"{start}-{start + len(piece) - 1}",
            }
            location = self.ask("PATCH", location, piece, headers).expect(202).headers["location"]
        digest = digest or sha256(data)
        self.finish_upload(location, digest).expect(201)
        return digest

    def push_manifest(self, repository: str, manifest: Content, tag: str = "") -> str:
        """Push a manifest, by tag or else by digest; return its digest."""
        self.put_manifest(repository, manifest, tag).expect(201)
        return manifest.digest

    def put_manifest(self, repository: str, manifest: Content, tag: str = "") -> Answer:
        """As `push_manifest`, but return the answer, whatever it is."""
        path = f"{self._at(repository)}/manifests/{tag or manifest.digest}"
        return self.ask("PUT", path, manifest.data, {"Content-Type": manifest.media_type})

    def push(self, repository: str, image: Image | Index, tag: str = "") -> str:
        """Push everything of an image or an index; return the digest of its manifest."""
        match image:
            case Index():
                for each in image.images:
                    self.push(repository, each)
            case Image():
                for blob in image.blobs:
                    self.push_blob(repository, blob.data)
        return self.push_manifest(repository, image.manifest, tag)

    def manifest(self, repository: str, reference: str) -> Answer:
        """GET a manifest of any type."""
        return self.ask("GET", f"{self._at(repository)}/manifests/{reference}", headers=ACCEPT)

    def blob(self, repository: str, digest: str) -> Answer:
        """GET a blob."""
        return self.ask("GET", f"{self._at(repository)}/blobs/{digest}")

    def pull(self, repository: str, reference: str) -> str:
        """Get a manifest and all that it names, verify each byte, and return its digest."""
        answer = self.manifest(repository, reference).expect(200)
        digest = sha256(answer.body)
        assert answer.headers["docker-content-digest"] == digest
        assert ":" not in reference or reference == digest
        parsed = answer.json()
        for child in parsed.get("manifests", ()):
            assert self.pull(repository, child["digest"]) == child["digest"]
        for named in [*filter(None, [parsed.get("config")]), *parsed.get("layers", ())]:
            blob = self.blob(repository, named["digest"]).expect(200)
            assert (sha256(blob.body), len(blob.body)) == (named["digest"], named["size"])
        return digest

    def listing(self, path: str, key: str) -> list[str]:
        """Return a whole listing, following Link; empty where there is none (404)."""
        found: list[str] = []
        while path:
            answer = self.ask("GET", path).expect(200, 404)
            if answer.status == 404:
                return found
            found += answer.json()[key] or []
            link = answer.headers.get("link", "")
            path = link[1 : link.index(">")] if link else ""
        return found

    def repositories(self) -> list[str]:
        """Return the whole catalog."""
        return self.listing("/v2/_catalog", "repositories")

    def tags(self, repository: str) -> list[str]:
        """Return every tag of a repository; none where there is no repository."""
        return self.listing(f"{self._at(repository)}/tags/list", "tags")
