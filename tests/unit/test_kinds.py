"""Addresses and durations as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.errors import UsageError
from lreg.kinds import ListenAddress, parse_duration, show_duration


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


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_a_usage_error(text: str) -> None:
    """No text makes the parser fail in any other way; what it takes, it writes back."""
    try:
        address = ListenAddress.parse(text)
    except UsageError:
        return
    assert ListenAddress.parse(str(address)) == address
