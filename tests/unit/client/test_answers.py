"""What refusals, links and addresses mean."""

from __future__ import annotations

import json

import pytest

from lreg import errors
from lreg.client.answers import error_of, next_page
from lreg.client.connection import Address


def refusal(status: int, body: object = None, **headers: str) -> errors.RegistryError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_of(
        status, headers, raw, what="a/b:1", host="r.example", missing=errors.ManifestUnknown
    )


def said(code: str, message: str = "because") -> object:
    return {"errors": [{"code": code, "message": message, "detail": {"x": 1}}]}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "MANIFEST_UNKNOWN", errors.ManifestUnknown),
        (404, "NAME_UNKNOWN", errors.NameUnknown),
        (404, "BLOB_UNKNOWN", errors.BlobUnknown),
        (404, "NOT_FOUND", errors.ManifestUnknown),
        (404, "MANIFEST_BLOB_UNKNOWN", errors.ManifestBlobUnknown),
        (400, "DIGEST_INVALID", errors.DigestInvalid),
        (400, "MANIFEST_INVALID", errors.ManifestInvalid),
        (400, "TAG_INVALID", errors.TagInvalid),
        (401, "UNAUTHORIZED", errors.Unauthorized),
        (403, "UNAUTHORIZED", errors.Denied),
        (403, "DENIED", errors.Denied),
        (405, "UNSUPPORTED", errors.Unsupported),
        (429, "TOOMANYREQUESTS", errors.TooManyRequests),
        (500, "UNKNOWN", errors.Unavailable),
        (500, "DENIED", errors.Unavailable),
        (503, "UNAVAILABLE", errors.Unavailable),
        (507, "DENIED", errors.StoreFull),
        (418, "UNKNOWN", errors.RegistryError),
    ],
)
def test_refusals(status: int, code: str, kind: type[errors.RegistryError]) -> None:
    """A refusal becomes the error that it means, with the registry's own words."""
    error = refusal(status, said(code))
    assert type(error) is kind
    assert f"a/b:1: r.example says {status} {code}: because" in str(error)
    assert error.detail == {"x": 1}


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\x00", b"<html>oh</html>", [], {}, {"errors": []}, {"errors": [1]}, {"errors": 1}],
)
def test_odd_refusals(body: object) -> None:
    """A refusal in any other shape is still the error of its status."""
    assert type(refusal(404, body)) is errors.ManifestUnknown
    assert type(refusal(502, body)) is errors.Unavailable


@pytest.mark.parametrize(
    ("missing", "words"),
    [(errors.ManifestUnknown, "no such image"), (errors.EndpointUnknown, "is it a registry?")],
)
@pytest.mark.parametrize("body", [b"", b"<!DOCTYPE HTML><html>404</html>"])
def test_wordless_refusals(missing: type[errors.RegistryError], words: str, body: bytes) -> None:
    """A 404 without words, as HEAD has none, says what is not there."""
    error = error_of(404, {}, body, what="a/b:1", host="r.example", missing=missing)
    assert str(error).startswith("a/b:1: r.example says 404: ")
    assert words in str(error)


def test_refusals_print_on_a_line() -> None:
    """What a registry says can't move a terminal's cursor or fill it."""
    text = str(refusal(400, said("DENIED", "a\x1b[2Jb\nc" + "x" * 9999)))
    assert text.isprintable()
    assert len(text) < 500


def test_links() -> None:
    """The next page is found in a Link header, alone or among others."""
    assert next_page({"Link": '</v2/_catalog?n=1&last=a>; rel="next"'}) == "/v2/_catalog?n=1&last=a"
    assert next_page({"Link": "</a>; rel=prev, </b>; title=x; rel=next"}) == "/b"
    assert next_page({"Link": "</a>; rel=prev"}) is None
    assert next_page({}) is None


@pytest.mark.parametrize(
    ("text", "insecure", "ca", "host", "urls"),
    [
        ("quay.io", False, False, "quay.io", ("https://quay.io",)),
        ("r:5000", True, False, "r:5000", ("https://r:5000", "http://r:5000")),
        ("127.0.0.1:5000", False, False, None, ("http://127.0.0.1:5000", "https://127.0.0.1:5000")),
        ("[::1]:5000", False, True, "[::1]:5000", ("https://[::1]:5000",)),
        ("http://r:5000/", False, False, "r:5000", ("http://r:5000",)),
        ("docker.io", False, False, "docker.io", ("https://registry-1.docker.io",)),
        ("index.docker.io", False, False, "docker.io", ("https://registry-1.docker.io",)),
        ("unix:/run/x", False, False, "unix:/run/x", ("http://localhost",)),
    ],
)
def test_addresses(
    text: str,
    insecure: bool,
    ca: bool,
    host: str | None,
    urls: tuple[str, ...],
) -> None:
    """Https everywhere but here; plain HTTP elsewhere only where that is asked for."""
    address = Address.parse(text, insecure=insecure, ca=ca)
    assert (address.host, address.urls) == (host or text, urls)
