"""From a request line to a call: the spec's table of endpoints, as data.

Every name, tag, digest and upload id is parsed here, before anything is done with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from lreg.errors import EndpointUnknown, Unsupported, UploadUnknown
from lreg.oci.digest import Digest
from lreg.oci.reference import RepositoryName, Tag, parse_tag_or_digest

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_UPLOAD_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Ping:
    """end-1: is this a registry?"""


@dataclass(frozen=True, slots=True)
class ReadToken:
    """The token endpoint that `WWW-Authenticate` names (distribution's token specification)."""


@dataclass(frozen=True, slots=True)
class ReadHealth:
    """Does the process answer?"""


@dataclass(frozen=True, slots=True)
class ReadMetrics:
    """What has it done so far?"""


@dataclass(frozen=True, slots=True)
class ListRepositories:
    """The catalog (distribution's API; the OCI spec leaves it out)."""


@dataclass(frozen=True, slots=True)
class ReadBlob:
    """end-2."""

    name: RepositoryName
    digest: Digest


@dataclass(frozen=True, slots=True)
class DeleteBlob:
    """end-10."""

    name: RepositoryName
    digest: Digest


@dataclass(frozen=True, slots=True)
class StartUpload:
    """end-4a, 4b, 4c and 11: the parameters tell which."""

    name: RepositoryName


@dataclass(frozen=True, slots=True)
class ReadUpload:
    """end-13."""

    name: RepositoryName
    upload: str


@dataclass(frozen=True, slots=True)
class AppendUpload:
    """end-5."""

    name: RepositoryName
    upload: str


@dataclass(frozen=True, slots=True)
class FinishUpload:
    """end-6."""

    name: RepositoryName
    upload: str


@dataclass(frozen=True, slots=True)
class CancelUpload:
    """end-14."""

    name: RepositoryName
    upload: str


@dataclass(frozen=True, slots=True)
class ReadManifest:
    """end-3."""

    name: RepositoryName
    want: Tag | Digest


@dataclass(frozen=True, slots=True)
class PutManifest:
    """end-7a and 7b."""

    name: RepositoryName
    want: Tag | Digest


@dataclass(frozen=True, slots=True)
class DeleteManifest:
    """end-9."""

    name: RepositoryName
    want: Tag | Digest


@dataclass(frozen=True, slots=True)
class ListTags:
    """end-8a and 8b."""

    name: RepositoryName


@dataclass(frozen=True, slots=True)
class ListReferrers:
    """end-12a and 12b."""

    name: RepositoryName
    subject: Digest


Call = (
    Ping
    | ReadToken
    | ReadHealth
    | ReadMetrics
    | ListRepositories
    | ReadBlob
    | DeleteBlob
    | StartUpload
    | ReadUpload
    | AppendUpload
    | FinishUpload
    | CancelUpload
    | ReadManifest
    | PutManifest
    | DeleteManifest
    | ListTags
    | ListReferrers
)
NAMED = (
    ReadBlob,
    DeleteBlob,
    StartUpload,
    ReadUpload,
    AppendUpload,
    FinishUpload,
    CancelUpload,
    ReadManifest,
    PutManifest,
    DeleteManifest,
    ListTags,
    ListReferrers,
)
WRITES = (
    StartUpload,
    ReadUpload,
    AppendUpload,
    FinishUpload,
    CancelUpload,
    PutManifest,
    DeleteManifest,
    DeleteBlob,
)


# Clients ask for the same few paths again and again, and parsing is pure.
@lru_cache(maxsize=4096)
def route(method: str, path: str) -> Call:
    """Return what a request asks for; HEAD asks for what GET does.

    Raises:
        EndpointUnknown: nothing is at this path.
        Unsupported: something is, but not for this method.
        NameInvalid, TagInvalid, DigestInvalid, UploadUnknown: a part of the path is not valid.
    """
    parts = path.split("/")[1:]
    if call := _match("GET" if method == "HEAD" else method, parts):
        return call
    allowed = [other for other in METHODS if other != "HEAD" and _match(other, parts)]
    if not allowed:
        raise EndpointUnknown(f"there is nothing at {path!r:.300}")
    if "GET" in allowed:
        allowed.append("HEAD")
    raise Unsupported(f"{method:.20} is not supported here", headers={"Allow": ", ".join(allowed)})


def _match(  # noqa: C901, PLR0911, PLR0912 - the spec's table, a row a case
    method: str, parts: list[str]
) -> Call | None:
    match method, parts:
        case "GET", ["v2", ""] | ["v2"]:
            return Ping()
        case "GET", ["v2", "_catalog"]:
            return ListRepositories()
        case "GET", ["token"]:
            return ReadToken()
        case "GET", ["healthz"]:
            return ReadHealth()
        case "GET", ["metrics"]:
            return ReadMetrics()
        case _, ["v2", *name, "blobs", "uploads", ""] | ["v2", *name, "blobs", "uploads"]:
            return StartUpload(_name(name)) if method == "POST" else None
        case _, ["v2", *name, "blobs", "uploads", upload]:
            return _match_upload(method, _name(name), _upload_id(upload))
        case "GET", ["v2", *name, "blobs", digest]:
            return ReadBlob(_name(name), Digest.parse(digest))
        case "DELETE", ["v2", *name, "blobs", digest]:
            return DeleteBlob(_name(name), Digest.parse(digest))
        case "GET", ["v2", *name, "manifests", want]:
            return ReadManifest(_name(name), parse_tag_or_digest(want))
        case "PUT", ["v2", *name, "manifests", want]:
            return PutManifest(_name(name), parse_tag_or_digest(want))
        case "DELETE", ["v2", *name, "manifests", want]:
            return DeleteManifest(_name(name), parse_tag_or_digest(want))
        case "GET", ["v2", *name, "tags", "list"]:
            return ListTags(_name(name))
        case "GET", ["v2", *name, "referrers", digest]:
            return ListReferrers(_name(name), Digest.parse(digest))
    return None


def _match_upload(method: str, name: RepositoryName, upload: str) -> Call | None:
    match method:
        case "GET":
            return ReadUpload(name, upload)
        case "PATCH":
            return AppendUpload(name, upload)
        case "PUT":
            return FinishUpload(name, upload)
        case "DELETE":
            return CancelUpload(name, upload)
    return None


def _name(parts: list[str]) -> RepositoryName:
    return RepositoryName.parse("/".join(parts))


def _upload_id(text: str) -> str:
    if not _UPLOAD_ID.fullmatch(text):
        raise UploadUnknown(f"{text!r:.80} is not an upload's id")
    return text
