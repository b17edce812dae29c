"""Every error that a person or a client can meet: one tree.

Each class says what its edges need: the spec's `code` and the HTTP `status` for a client, the
`exit_code` for a script. The message says what was wrong and what to do about it.
"""

from __future__ import annotations


class LregError(Exception):
    """Something a person can act on: the message is one line for stderr."""

    exit_code = 1

    def __str__(self) -> str:
        """Return the sentence; the class' docstring where none was given."""
        return super().__str__() or (self.__doc__ or "").split("\n", 1)[0]


class UsageError(LregError):
    """The command, an option or the configuration is not well-formed."""

    exit_code = 2


class StoreTaken(UsageError):
    """Another lreg serves this store."""


class RegistryError(LregError):
    """An error with a code and a status of the distribution spec ("Error Codes").

    Attributes:
        detail: what the client sent or asked for, JSON-serialisable, or None.
        headers: what the response must carry besides the body.
        told: the code by which another registry told it; "": none did.
    """

    code = "UNKNOWN"
    status = 500
    told = ""

    def __init__(
        self, message: str = "", *, detail: object = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.detail = detail
        self.headers = headers or {}


class NameInvalid(RegistryError):
    """The text is not a repository name."""

    code, status, exit_code = "NAME_INVALID", 400, 2


class TagInvalid(RegistryError):
    """The text is not a tag."""

    code, status, exit_code = "MANIFEST_INVALID", 400, 2


class ReferenceInvalid(RegistryError):
    """The text is not an image reference."""

    code, status, exit_code = "NAME_INVALID", 400, 2


class PlatformInvalid(UsageError):
    """The text is not a platform such as linux/arm64/v8."""


class DigestInvalid(RegistryError):
    """The text is not a digest, its algorithm is not supported, or the content has another one."""

    code, status, exit_code = "DIGEST_INVALID", 400, 3


class SizeInvalid(RegistryError):
    """The content is not as long as was declared."""

    code, status, exit_code = "SIZE_INVALID", 400, 3


class SizeUnstated(SizeInvalid):
    """More came than is taken of content whose size nobody has said."""


class ManifestInvalid(RegistryError):
    """The bytes are not a manifest, or not of the type they were declared to be."""

    code, status, exit_code = "MANIFEST_INVALID", 400, 3


class ContentTooLarge(RegistryError):
    """The manifest, or another body that is read whole, is larger than a registry accepts."""

    code, status, exit_code = "SIZE_INVALID", 413, 3


class NameUnknown(RegistryError):
    """The registry has no such repository."""

    code, status, exit_code = "NAME_UNKNOWN", 404, 4


class BlobUnknown(RegistryError):
    """The repository does not hold this blob."""

    code, status, exit_code = "BLOB_UNKNOWN", 404, 4


class ManifestUnknown(RegistryError):
    """The repository does not hold this manifest or tag."""

    code, status, exit_code = "MANIFEST_UNKNOWN", 404, 4


class ManifestBlobUnknown(RegistryError):
    """The manifest names content that the repository does not hold: push that first."""

    code, status, exit_code = "MANIFEST_BLOB_UNKNOWN", 404, 4


class UploadUnknown(RegistryError):
    """The upload does not exist: it was finished, cancelled or swept; start another."""

    code, status, exit_code = "BLOB_UPLOAD_UNKNOWN", 404, 4


class UploadInvalid(RegistryError):
    """The upload can't take this request."""

    code, status = "BLOB_UPLOAD_INVALID", 400


class RangeInvalid(RegistryError):
    """The range lies outside of what is there (RFC 9110, 15.5.17) or out of order (a chunk)."""

    code, status = "BLOB_UPLOAD_INVALID", 416


class PaginationInvalid(RegistryError):
    """`n` is not a number of results, or `last` not a name."""

    code, status = "PAGINATION_NUMBER_INVALID", 400


class BadRequest(RegistryError):
    """The request is not well-formed HTTP."""

    code, status = "UNSUPPORTED", 400


class HeadTooLarge(BadRequest):
    """The request's headers are larger than the server keeps: send fewer, or shorter ones."""

    status = 431


class Unauthorized(RegistryError):
    """Credentials are needed, or those given are wrong: `docker login`, or a token."""

    code, status, exit_code = "UNAUTHORIZED", 401, 5


class Denied(RegistryError):
    """Those credentials do not allow this."""

    code, status, exit_code = "DENIED", 403, 5


class EndpointUnknown(RegistryError):
    """There is nothing at this path."""

    code, status, exit_code = "UNSUPPORTED", 404, 4


class Unsupported(RegistryError):
    """The method is not supported here."""

    code, status = "UNSUPPORTED", 405


class TooManyRequests(RegistryError):
    """The registry asks to be asked less often."""

    code, status, exit_code = "TOOMANYREQUESTS", 429, 6


class StoreFull(RegistryError):
    """The registry's disk is full: free some space there, then push again."""

    code, status, exit_code = "DENIED", 507, 6


class StoreFailed(RegistryError):
    """The registry can't read or write its store: its log says why; try again."""

    code, status, exit_code = "UNAVAILABLE", 503, 6


class Unavailable(RegistryError):
    """The registry is stopping or can't be reached: try again."""

    code, status, exit_code = "UNAVAILABLE", 503, 6


class NamespaceUnknown(NameUnknown):
    """Nothing is fetched from that host: put [upstream."HOST"] into lreg.toml to allow it."""


class UpstreamFailed(RegistryError):
    """The upstream can't be reached, or did not answer as a registry does."""

    code, status, exit_code = "UNAVAILABLE", 502, 6


class UpstreamUnreachable(UpstreamFailed):
    """The upstream can't be reached."""


class UpstreamTimeout(UpstreamFailed):
    """The upstream did not answer in time."""

    status = 504


class UpstreamWrong(UpstreamFailed):
    """The upstream sends something else than what its digest names."""


class UpstreamDenied(Denied):
    """The upstream does not give this to us: it may need credentials."""


class LoopDetected(UpstreamFailed):
    """This registry was to fetch from itself: its own names lead back here."""

    status = 508


class Unreachable(Unavailable):
    """Nothing answers at that address."""


class TlsFailed(Unavailable):
    """The server does not speak TLS, or its certificate is not trusted."""


class Untrusted(TlsFailed):
    """The server's certificate is not trusted."""


class SharedDigest(LregError):
    """More tags mean this manifest than were to be removed."""


class TransferBroken(LregError):
    """The other end of a transfer went away before its end."""

    exit_code = 6
