"""Which paths the admin API has, and who may ask for them."""

from __future__ import annotations

import pytest

from lreg.errors import EndpointUnknown, Unsupported
from lreg.registry import admin
from lreg.registry.admin.routes import (
    CheckUpstreams,
    ListImages,
    ListUpstreams,
    PinTags,
    ReadAbout,
    route,
)

_READS = ["/images", "/usage", "/pulls", "/upstreams"]
_CHANGES = ["/cache", "/refresh", "/pin", "/unpin", "/evict", "/override", "/undo"]


@pytest.mark.parametrize("path", ["", *_READS])
def test_reads(path: str) -> None:
    """Looking is GET or HEAD; only what the registry is may everybody ask."""
    call = route("GET", f"/lreg/v1{path}")
    assert call == route("HEAD", f"/lreg/v1{path}")
    assert call is not None
    assert call.is_open == (path == "")


@pytest.mark.parametrize("path", [*_CHANGES, "/upstreams/check", "/missing"])
def test_changes(path: str) -> None:
    """What has a body, changes something or has upstreams dialled is POST, not for all."""
    call = route("POST", f"/lreg/v1{path}")
    assert call is not None
    assert not call.is_open


@pytest.mark.parametrize("path", ["/", "/v2/", "/lreg", "/lreg/v10", "/v2/lreg/v1/tags/list"])
def test_not_ours(path: str) -> None:
    """Other paths are none of the API's: a repository may be called lreg/v1."""
    assert admin.route("GET", path) is None


def test_calls() -> None:
    """Each call is told from the others."""
    assert route("GET", "/lreg/v1/") == ReadAbout()
    assert route("GET", "/lreg/v1/images") == ListImages()
    assert route("POST", "/lreg/v1/pin") == PinTags(pinned=True)
    assert route("POST", "/lreg/v1/unpin") == PinTags(pinned=False)
    assert route("GET", "/lreg/v1/upstreams") == ListUpstreams()
    assert route("POST", "/lreg/v1/upstreams/check") == CheckUpstreams()


def test_unknown() -> None:
    """A path below the API's that it has not is 404."""
    with pytest.raises(EndpointUnknown, match="/lreg/v1/other"):
        route("GET", "/lreg/v1/other")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("DELETE", "/images", "GET, HEAD"), ("GET", "/cache", "POST"), ("PUT", "", "GET, HEAD")],
)
def test_wrong_method(method: str, path: str, allow: str) -> None:
    """A wrong method is 405 with those that do."""
    with pytest.raises(Unsupported) as raised:
        route(method, f"/lreg/v1{path}")
    assert raised.value.headers["Allow"] == allow
