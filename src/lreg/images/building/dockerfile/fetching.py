"""What ADD fetches: files by HTTP (BuildKit's Dockerfile reference, "ADD")."""

from __future__ import annotations

import http.client
import posixpath
import re
import stat
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from lreg import __version__
from lreg.errors import LregError, UsageError
from lreg.images.answers import pieces_of
from lreg.images.building.layers import LayerFile
from lreg.images.contents.entries import Entry
from lreg.network import words
from lreg.oci.digest import Digest

if TYPE_CHECKING:
    from lreg.images.building.staging import Staging
    from lreg.images.members import Member
    from lreg.oci.digest import Algorithm

_URL = re.compile(r"https?://")
_REPOSITORY = re.compile(r"git://|ssh://|git@|.*\.git(?:#|$)")
# The seconds in which the other end must say something.
_STALL = 60.0


def is_repository(source: str) -> bool:
    """Return whether a source of ADD is a git repository."""
    return bool(_REPOSITORY.match(source))


def is_url(source: str) -> bool:
    """Return whether a source of ADD is a file somewhere else."""
    return bool(_URL.match(source)) and not is_repository(source)


def name_of(url: str) -> str:
    """Return what a file is called in a folder that it is added to."""
    return posixpath.basename(unquote(urlsplit(url).path).rstrip("/")) or "__unnamed__"


def fetch(url: str, checksum: Digest | None, staging: Staging) -> LayerFile:
    """Return a file as ADD puts it into an image: root's, for nobody else to read.

    Args:
        url: where it is, by http or https; the proxies of the environment are asked.
        checksum: what it must be; None: anything.
        staging: where its content lies.

    Raises:
        UsageError: it is not what it must be.
        LregError: it can't be had; says why.
    """
    try:
        with _asked(url) as answer:
            content = staging.add(name_of(url), pieces_of(answer))
            modified = _time_of(answer.headers["Last-Modified"])
    except urllib.error.HTTPError as error:
        raise LregError(f"{url:.200} is answered with {error.code} {error.reason}") from error
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise LregError(f"{url:.200} can't be fetched: {_words(error)}") from error
    if checksum and (found := _digest(content, checksum.algorithm)) != checksum:
        raise UsageError(f"{url:.200} is {found}, and --checksum says {checksum}")
    entry = Entry("", stat.S_IFREG | 0o600, 0, 0, content.size, modified)
    return LayerFile(entry, content)


def _asked(url: str) -> http.client.HTTPResponse:
    agent = {"User-Agent": f"lreg/{__version__}"}
    request = urllib.request.Request(url, headers=agent)  # noqa: S310 -- is_url: http or https
    answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_STALL)  # noqa: S310
    return answer


def _digest(content: Member, algorithm: Algorithm) -> Digest:
    hasher = algorithm.hasher()
    for piece in content.pieces():
        hasher.update(piece)
    return Digest.finished(algorithm, hasher)


def _words(error: Exception) -> str:
    """Return what went wrong, without what urllib wraps it in."""
    match error:
        case urllib.error.URLError(reason=OSError() as reason):
            return words(reason)
        case http.client.IncompleteRead(expected=int(missing)):
            return f"it broke off {missing} bytes before its end"
    return words(error)


def _time_of(text: str | None) -> float:
    """Return the time that a header says, in seconds since 1970; 0 where it says none."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else 0
    except ValueError:
        return 0
