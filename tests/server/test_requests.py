"""Everything else that a request can be: listings, errors, health, metrics."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.images import hello, sha256

if TYPE_CHECKING:
    from tests.support.registries import Running
    from tests.support.wire import Wire

DIGEST = sha256(b"x")
PARTS = (
    *("v2", "a", "..", "%00", "%ff", "%0d%0aX:%20y", "", "?n=1", "?digest=", DIGEST, "latest"),
    *("blobs", "uploads", "manifests", "tags", "list", "referrers", "_catalog"),
)


def test_ping(wire: Wire) -> None:
    """Clients find a registry at /v2/."""
    assert wire.ask("GET", "/v2/").expect(200).json() == {}
    wire.ask("GET", "/v2").expect(200)


def test_tags_by_pages(wire: Wire, repository: str) -> None:
    """Tags come sorted by byte, page by page, each page linking to the next."""
    tags = ["1.0", "10", "2", "A", "_x", "a", "b"]
    for tag in reversed(tags):
        wire.push(repository, hello("tags"), tag)
    path = f"/v2/{repository}/tags/list"
    assert wire.ask("GET", path).json() == {"name": repository, "tags": tags}
    seen: list[str] = []
    link = f"{path}?n=3"
    while link:
        page = wire.ask("GET", link).expect(200)
        seen += page.json()["tags"]
        found = re.fullmatch(r'<(.*)>; rel="next"', page.headers.get("link", ""))
        link = found[1] if found else ""
    assert seen == tags
    assert wire.ask("GET", f"{path}?last=2&n=2").json()["tags"] == ["A", "_x"]
    empty = wire.ask("GET", f"{path}?n=0")
    assert empty.json()["tags"] == []
    assert "link" not in empty.headers


def test_the_catalog_by_pages(wire: Wire, repository: str) -> None:
    """Repositories come sorted by byte, whatever their folders, page by page."""
    names = [f"{repository}/{name}" for name in ("a", "a-b", "a/b", "a0", "b")]
    for name in names:
        wire.push(name, hello("catalog"), "v1")
    first = wire.ask("GET", f"/v2/_catalog?n=3&last={repository}/").expect(200)
    assert first.json()["repositories"] == names[:3]
    second = wire.ask("GET", f"/v2/_catalog?n=2&last={names[2]}").expect(200)
    assert second.json()["repositories"] == names[3:]


@pytest.mark.parametrize("number", ["-1", "x", "1.5", "", "%D9%A3", "9" * 19])
def test_a_page_of_no_number(wire: Wire, number: str) -> None:
    """A number of results that is none is the client's error."""
    answer = wire.ask(
        "GET", f"/v2/_catalog?n={number.encode().hex() if number == '٣' else number}x"
    )
    assert answer.expect(400).json()["errors"][0]["code"] == "PAGINATION_NUMBER_INVALID"


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("GET", "/", 404, "UNSUPPORTED"),
        ("GET", "/v2/x", 404, "UNSUPPORTED"),
        ("GET", "/v2/no/such/tags/list", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/no/such/manifests/latest", 404, "NAME_UNKNOWN"),
        ("GET", f"/v2/no/such/blobs/{DIGEST}", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/UPPER/manifests/latest", 400, "NAME_INVALID"),
        ("GET", "/v2/a/%2e%2e/b/manifests/latest", 400, "NAME_INVALID"),
        ("GET", "/v2/" + "a" * 300 + "/manifests/latest", 400, "NAME_INVALID"),
        ("GET", "/v2/a/manifests/sha256:abc", 400, "DIGEST_INVALID"),
        ("GET", "/v2/a/manifests/-bad", 400, "MANIFEST_INVALID"),
        ("GET", "/v2/a/blobs/latest", 400, "DIGEST_INVALID"),
        ("GET", "/v2/a/blobs/md5:00", 400, "DIGEST_INVALID"),
        ("GET", "/v2/a/referrers/latest", 400, "DIGEST_INVALID"),
        ("PUT", "/v2/a/blobs/uploads/%2e%2e?digest=" + DIGEST, 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PATCH", "/v2/a/blobs/uploads/00000000-0000-0000-0000-000000000000", 404, None),
        ("POST", "/v2/a/blobs/uploads/?digest=sha256:1", 400, "DIGEST_INVALID"),
        ("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", 400, "DIGEST_INVALID"),
        ("POST", f"/v2/a/blobs/uploads/?mount={DIGEST}&from=B", 400, "NAME_INVALID"),
        ("POST", f"/v2/a/blobs/{DIGEST}", 405, "UNSUPPORTED"),
        ("BREW", "/v2/", 405, "UNSUPPORTED"),
    ],
)
def test_every_mistake_has_its_code(
    wire: Wire, method: str, path: str, status: int, expected: str | None
) -> None:
    """A wrong request gets the spec's JSON error and the right status."""
    answer = wire.ask(method, path, b"" if method in ("PUT", "PATCH", "POST") else None)
    errors = answer.expect(status).json()["errors"]
    assert answer.headers["content-type"] == "application/json"
    assert errors[0]["message"]
    if expected:
        assert errors[0]["code"] == expected
    if status == 405:
        assert "GET" in answer.headers["allow"]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
    path=st.lists(st.sampled_from(PARTS), max_size=7),
    headers=st.dictionaries(
        st.sampled_from(["Range", "If-None-Match", "Content-Range", "Authorization", "Accept"]),
        st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=20).map(str.strip),
    ),
)
def test_no_request_is_a_bug(
    server: Running, method: str, path: list[str], headers: dict[str, str]
) -> None:
    """Whatever a client sends, it gets an answer that is not 5xx."""
    safe = {name: re.sub(r"[\x7f-\xa0]", "", value) for name, value in headers.items()}
    with server.wire() as wire:
        answer = wire.ask(method, "/v2/" + "/".join(path), b"{}", safe)
    assert answer.status < 500


def test_a_browser_is_not_this_machine(wire: Wire, repository: str) -> None:
    """A web page can't push to the registry of whoever looks at it, on loopback either."""
    path = f"/v2/{repository}/blobs/uploads/"
    refused = wire.ask("POST", path, headers={"Origin": "http://evil.example"}).expect(401)
    assert refused.json()["errors"][0]["code"] == "UNAUTHORIZED"
    wire.ask("POST", path).expect(202)


def test_health_and_metrics(wire: Wire, repository: str) -> None:
    """Monitoring finds that it lives and what it did."""
    wire.ask("GET", "/healthz").expect(200)
    wire.push(repository, hello("metrics"), "v1")
    wire.ask("GET", f"/v2/{repository}/manifests/v1").expect(200)
    text = wire.ask("GET", "/metrics").expect(200).body.decode()
    assert re.search(r'lreg_requests_total\{call="ReadManifest",status="200"\} \d+', text)
    assert 'lreg_body_bytes_total{direction="received"}' in text
