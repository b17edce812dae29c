"""How an upstream is dialled: what `[upstream."host"]` can say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.fakes.tokens import Tokens
from tests.support.images import hello, multi_arch

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.upstream import Upstream
    from tests.support.mirrors import Start

MADE = hello("dialling", 100_000)
HELPER = """\
#!/bin/sh
[ "$1" = get ] || exit 1
server=$(cat)
echo "$server" >> "$0.asked"
echo '{"ServerURL":"'"$server"'","Username":"ann","Secret":"from the helper"}'
"""


@pytest.mark.parametrize("scheme", ["url", "plain-http"])
def test_address(start: Start, hub: Upstream, scheme: str) -> None:
    """An upstream can be dialled elsewhere, by a URL or a host and a port."""
    hub.hold("some/app", MADE, "v1")
    table = {"address": hub.url} if scheme == "url" else {"address": hub.host, "plain-http": True}
    with start({"registry.example": table}).wire() as wire:
        assert wire.pull("registry.example/some/app", "v1") == MADE.manifest.digest


def test_path(start: Start, hub: Upstream) -> None:
    """Another registry's proxy of an upstream is asked by the path that it has there."""
    hub.hold("proxies/hub/library/app", MADE, "v1")
    table = {"address": hub.url, "path": "proxies/hub"}
    with start({"docker.io": table}).wire() as wire:
        assert wire.pull("docker.io/library/app", "v1") == MADE.manifest.digest
        assert "docker.io/library/app" in wire.repositories()


def test_proxy(start: Start, hub: Upstream) -> None:
    """An upstream is reached through the HTTP proxy that is named for it."""
    hub.hold("some/app", MADE, "v1")
    table = {"address": "http://registry.invalid:5000", "proxy": hub.url}
    with start({"registry.example": table}).wire() as wire:
        assert wire.pull("registry.example/some/app", "v1") == MADE.manifest.digest
    assert all(one.target.startswith("http://registry.invalid:5000/v2/") for one in hub.seen)


def test_proxy_of_the_environment(start: Start, hub: Upstream, quay: Upstream) -> None:
    """Without a proxy of its own it is the environment's, unless it says "none"."""
    quay.hold("some/app", MADE, "v1")
    hub.hold("some/app", hello("through the proxy"), "v1")
    inside = ("env", f"HTTP_PROXY={hub.url}", f"http_proxy={hub.url}")
    upstreams = {
        "one.example": {"address": "http://registry.invalid:5000"},
        "two.example": {"address": quay.url, "proxy": "none"},
    }
    with start(upstreams, inside=inside).wire() as wire:
        through = hello("through the proxy").manifest.digest
        assert wire.pull("one.example/some/app", "v1") == through
        assert wire.pull("two.example/some/app", "v1") == MADE.manifest.digest


def test_credential_helper(start: Start, hub: Upstream, tmp_path: Path) -> None:
    """The user's credential helper is asked for an upstream's password, and only for its."""
    helper = tmp_path / "docker-credential-drawer"
    helper.write_text(HELPER)
    helper.chmod(0o755)
    hub.tokens = Tokens(users={"ann": "from the helper"}, anonymous=frozenset())
    hub.hold("some/app", MADE, "v1")
    inside = ("env", f"PATH={tmp_path}:{os.environ['PATH']}")
    table = {"address": hub.url, "credential-helper": "drawer"}
    with start({"registry.example": table}, inside=inside).wire() as wire:
        assert wire.pull("registry.example/some/app", "v1") == MADE.manifest.digest
    asked = (tmp_path / "docker-credential-drawer.asked").read_text().split()
    assert set(asked) == {"registry.example"}


def test_credential_files(start: Start, hub: Upstream, tmp_path: Path) -> None:
    """With `credential-helper = "docker"` what `docker login` wrote is used."""
    (tmp_path / ".docker").mkdir()
    file = '{"auths": {"registry.example": {"auth": "YW5uOmZyb20gdGhlIGZpbGU="}}}'
    (tmp_path / ".docker/config.json").write_text(file)
    hub.tokens = Tokens(users={"ann": "from the file"}, anonymous=frozenset())
    hub.hold("some/app", MADE, "v1")
    table = {"address": hub.url, "credential-helper": "docker"}
    with start({"registry.example": table}).wire() as wire:
        assert wire.pull("registry.example/some/app", "v1") == MADE.manifest.digest


def test_no_credentials_unless_told(start: Start, hub: Upstream, tmp_path: Path) -> None:
    """Without a word on credentials pulls are anonymous, whatever this user logged in to."""
    (tmp_path / ".docker").mkdir()
    file = '{"auths": {"registry.example": {"auth": "YW5uOmZyb20gdGhlIGZpbGU="}}}'
    (tmp_path / ".docker/config.json").write_text(file)
    hub.tokens = Tokens(users={"ann": "from the file"})
    hub.hold("some/app", MADE, "v1")
    with start({"registry.example": hub.url}).wire() as wire:
        assert wire.pull("registry.example/some/app", "v1") == MADE.manifest.digest
    shown = {one.headers.get("authorization", "") for one in hub.seen}
    assert not any(header.startswith("Basic") for header in shown)


def test_platforms(start: Start, hub: Upstream) -> None:
    """`platforms` says what `lreg cache` brings of an upstream's indexes where nobody says more."""
    index = multi_arch("platforms of an upstream")
    hub.hold("some/index", index, "v1")
    wanted = [image for image in index.images if image.architecture in {"arm64", "s390x"}]
    table = {"address": hub.url, "platforms": ["linux/arm64", "linux/s390x"]}
    body = b'{"images": [{"image": "docker.io/some/index:v1", "platforms": []}], "jobs": 1}'
    with start({"docker.io": table}, "--no-prefetch").wire() as wire:
        wire.ask("POST", "/lreg/v1/cache", body).expect(200)
    asked = {one.path.rpartition("/")[2] for one in hub.requests("GET", "/blobs/")}
    assert asked == {blob.digest for image in wanted for blob in image.blobs}
