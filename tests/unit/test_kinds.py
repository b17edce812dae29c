"""Addresses, durations, sizes and hosts as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.errors import UsageError
from lreg.kinds import (
    ADDRESS,
    JOBS,
    PROXY,
    UPSTREAM,
    ListenAddress,
    parse_duration,
    parse_size,
    parse_upstream,
    show_duration,
    show_size,
)
from lreg.oci.reference import RepositoryName


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:5000", "127.0.0.1", 5000),
        ("[::1]:5000", "::1", 5000),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("registry.local:443", "registry.local", 443),
        ("localhost:0", "localhost", 0),
        (":5000", "", 5000),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    """IPv4, bracketed IPv6, names and every address at once can be listened on."""
    address = ListenAddress.parse(text)
    assert (address.host, address.port, address.path) == (host, port, None)
    assert str(address) == text


@pytest.mark.parametrize("text", ["http://:80", "https://[::1]:443", "https://registry.local:0"])
def test_addresses_with_a_scheme(text: str) -> None:
    """A place to listen says whether TLS is spoken there, if it is not left to the settings."""
    address = ListenAddress.parse(text)
    assert text.startswith(f"{address.scheme}://")
    assert str(address) == text


def test_unix_sockets() -> None:
    """A Unix socket is named by its path, from the folder that names it."""
    assert ListenAddress.parse("unix:/run/lreg.sock").path == Path("/run/lreg.sock")
    assert str(ListenAddress.parse("unix:a/../b", Path("/srv"))) == "unix:/srv/b"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5000",
        "127.0.0.1",
        "::1:5000",
        "[127.0.0.1:5000",
        "[name]:5000",
        "host:65536",
        "host:-1",
        "host:http",
        "host:٣",
        "ho st:1",
        "1.2.3:1",
        "1.2.3.256:1",
        "-x:1",
        "unix:",
        "unix:a\0b",
        "http://127.0.0.1",
        "https://:443/",
        "ftp://:21",
        "http://unix:/run/lreg.sock",
        f"{'a' * 254}:1",
    ],
)
def test_what_is_no_address(text: str) -> None:
    """What can't be listened on is refused before anything is started."""
    with pytest.raises(UsageError):
        ListenAddress.parse(text)


@pytest.mark.parametrize(
    ("text", "loopback", "wildcard"),
    [
        ("127.0.0.1:1", True, False),
        ("127.9.9.9:1", True, False),
        ("[::1]:1", True, False),
        ("[::ffff:127.0.0.1]:1", True, False),
        ("localhost:1", True, False),
        ("my.localhost:1", True, False),
        ("unix:/x", True, False),
        ("notlocalhost:1", False, False),
        ("localhost.example:1", False, False),
        ("10.0.0.1:1", False, False),
        (":1", False, True),
        ("0.0.0.0:1", False, True),
        ("[::]:1", False, True),
    ],
)
def test_who_can_reach_it(text: str, *, loopback: bool, wildcard: bool) -> None:
    """Only what this machine alone can reach counts as loopback: writing is open there."""
    address = ListenAddress.parse(text)
    assert (address.is_loopback, address.is_wildcard) == (loopback, wildcard)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("500ms", 0.5), ("30s", 30), ("1.5m", 90), ("24h", 86400), ("7d", 604800)],
)
def test_durations(text: str, seconds: float) -> None:
    """A duration has its unit beside it."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "-1s", "1 s", "1S", "1h30m", "٣s", "infs"])
def test_what_is_no_duration(text: str) -> None:
    """A duration without a unit, or with a sign, is refused."""
    with pytest.raises(UsageError, match="not a duration"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**9))
def test_durations_are_shown_as_they_are_read(milliseconds: int) -> None:
    """What `config show` prints can be put into lreg.toml."""
    seconds = milliseconds / 1000
    assert parse_duration(show_duration(seconds)) == pytest.approx(seconds, rel=1e-5)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1B", 1),
        ("500MiB", 500 << 20),
        ("20GB", 20 * 10**9),
        ("1.5GB", 1_500_000_000),
        ("0.1KB", 100),
        ("2TiB", 2 << 40),
        ("999999999999999999B", 999_999_999_999_999_999),
    ],
)
def test_sizes(text: str, size: int) -> None:
    """A size has its unit beside it, of a thousand or of 1024, and is exact."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "20", "GB", "-1GB", "1 GB", "1gb", "1G", "1e3B", "٣B", ".5GB"]
)
def test_what_is_no_size(text: str) -> None:
    """A size without a unit, or with a sign, is refused."""
    with pytest.raises(UsageError, match="not a size"):
        parse_size(text)


@given(st.integers(min_value=0, max_value=10**18 - 1))
def test_sizes_are_shown_as_they_are_read(size: int) -> None:
    """A size that `config show` prints can be put into lreg.toml, and is not rounded."""
    assert parse_size(show_size(size)) == size


@pytest.mark.parametrize("text", ["20GB", "500MiB", "1TB", "3KiB", "10B", "0"])
def test_sizes_are_shown_as_people_write_them(text: str) -> None:
    """20GB is not shown as so many bytes."""
    assert show_size(parse_size(text)) == text


@pytest.mark.parametrize("text", ["", "0", "65", "-1", "1.0", "two", "٣", "9" * 5000])
def test_what_is_no_number_of_jobs(text: str) -> None:
    """At least one at a time, 64 at most."""
    with pytest.raises(UsageError, match="from 1 to 64"):
        JOBS.parse(text, Path())


def test_no_upstream_is_a_word() -> None:
    """`none` says that a name without a host means nothing else."""
    assert UPSTREAM.parse("none", Path()) == ""
    assert UPSTREAM.toml("") == '"none"'
    assert UPSTREAM.parse("Index.Docker.IO", Path()) == "docker.io"


@given(st.text(max_size=20) | st.from_regex(r"[A-Za-z0-9._:-]{1,30}", fullmatch=True))
def test_any_text_is_an_upstream_or_a_usage_error(text: str) -> None:
    """What is an upstream can begin the name of a repository, and stays the same host."""
    try:
        host = parse_upstream(text)
    except UsageError:
        return
    assert parse_upstream(host) == host
    assert str(RepositoryName.parse(f"{host}/a")) == f"{host}/a"
    assert "/" not in host


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("quay.io", "quay.io"),
        ("mirror:5000", "mirror:5000"),
        ("[::1]:5000", "[::1]:5000"),
        ("http://127.0.0.2:80/", "http://127.0.0.2:80"),
        ("https://quay.io", "https://quay.io"),
    ],
)
def test_what_can_be_dialled(text: str, address: str) -> None:
    """An upstream can be dialled at a host, a host and port, or a URL without a path."""
    assert ADDRESS.parse(text, Path()) == address


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("none", "none"),
        ("http://proxy:3128", "http://proxy:3128"),
        ("http://me@proxy:3128", "http://me@proxy:3128"),
        ("http://me:hush@proxy:3128/", "http://me@proxy:3128"),
        ("http://me:@[::1]:3128", "http://me@[::1]:3128"),
        ("http://me:h%40sh:x@proxy", "http://me@proxy"),
    ],
)
def test_a_proxy_is_shown_without_its_password(text: str, shown: str) -> None:
    """`config show` shows where a proxy is and who we are to it, and no secret."""
    assert PROXY.parse(text, Path()) == text
    assert PROXY.toml(text) == f'"{shown}"'


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_a_usage_error(text: str) -> None:
    """No text makes the parser fail in any other way; what it takes, it writes back."""
    try:
        address = ListenAddress.parse(text)
    except UsageError:
        return
    assert ListenAddress.parse(str(address)) == address
