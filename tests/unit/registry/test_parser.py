"""The HTTP parser: what it takes, what it refuses, and that it agrees with h11."""

from __future__ import annotations

import contextlib

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.errors import BadRequest
from lreg.registry.http.parser import ChunkedDecoder, parse_head

TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30)


def head(*lines: str) -> bytes:
    return "\r\n".join(lines).encode("latin-1")


def test_a_request_is_taken_apart() -> None:
    """Method, path, query and headers come out as they were meant."""
    parsed = parse_head(head("GET /v2/a%2Fb/tags/list?n=1 HTTP/1.1", "Host: h:1", "X-A:  b \t"))
    assert (parsed.method, parsed.path, parsed.query) == ("GET", "/v2/a/b/tags/list", "n=1")
    assert parsed.headers == {"host": "h:1", "x-a": "b"}
    assert (parsed.keep_alive, parsed.length) == (True, 0)


def test_lines_of_one_name_are_one_value() -> None:
    """Docker sends Accept in several lines; they mean one list."""
    parsed = parse_head(head("GET / HTTP/1.1", "Host: h", "Accept: a", "accept: b"))
    assert parsed.headers["accept"] == "a, b"


def test_absolute_targets_are_paths() -> None:
    """A client that takes this server for a proxy is understood (RFC 9112, 3.2.2)."""
    parsed = parse_head(head("GET http://h:1/v2/?x=1 HTTP/1.1", "Host: h"))
    assert (parsed.path, parsed.query) == ("/v2/", "x=1")


@pytest.mark.parametrize(
    "lines",
    [
        ("GET / HTTP/1.1",),
        ("GET  / HTTP/1.1", "Host: h"),
        ("GET / HTTP/2.0", "Host: h"),
        ("GET / HTTP/1.1", "Host: h", "Host: h"),
        ("GET / HTTP/1.1", "Host : h"),
        ("GET / HTTP/1.1", "Host: h", " folded"),
        ("GET / HTTP/1.1", "Host: h", "A: b\nC: d"),
        ("GET / HTTP/1.1", "Host: h", "A: b\0"),
        ("GET / HTTP/1.1", "Host: h", "no colon"),
        ("PUT / HTTP/1.1", "Host: h", "Content-Length: 1", "Content-Length: 1"),
        ("PUT / HTTP/1.1", "Host: h", "Content-Length: +1"),
        ("PUT / HTTP/1.1", "Host: h", "Content-Length: 1", "Transfer-Encoding: chunked"),
        ("PUT / HTTP/1.1", "Host: h", "Transfer-Encoding: gzip, chunked"),
        ("PUT / HTTP/1.0", "Host: h", "Transfer-Encoding: chunked"),
    ],
)
def test_what_could_mean_two_things_is_refused(lines: tuple[str, ...]) -> None:
    """Nothing is guessed where two servers in a row could guess differently."""
    with pytest.raises(BadRequest):
        parse_head(head(*lines))


@given(method=TOKENS, path=VALUES, headers=st.lists(st.tuples(TOKENS, VALUES), max_size=6))
def test_agrees_with_h11(method: str, path: str, headers: list[tuple[str, str]]) -> None:
    """What a well-kept parser takes, this one takes for the same."""
    fields = [("Host", "h"), *(("x-" + name, value) for name, value in headers)]
    lines = [f"{method} /{path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    data = head(*lines)
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data + b"\r\n\r\n")
    event = connection.next_event()
    assert isinstance(event, h11.Request)
    parsed = parse_head(data)
    assert parsed.method == event.method.decode()
    names = {name.decode() for name, _ in event.headers}
    assert set(parsed.headers) == names


@given(data=st.binary(max_size=300))
def test_no_bytes_break_it(data: bytes) -> None:
    """Whatever arrives is a request or a 400, never a traceback."""
    with contextlib.suppress(BadRequest):
        parse_head(b"GET / HTTP/1.1\r\nHost: h\r\n" + data)


@given(pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=8), data=st.data())
def test_chunks_survive_any_cut(pieces: list[bytes], data: st.DataObject) -> None:
    """A chunked body comes out whole however the network cuts it, and ends where it ends."""
    wire = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    wire += b"0\r\nTrailer: x\r\n\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    decoder, content = ChunkedDecoder(), b""
    for start, stop in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        content += b"".join(bytes(part) for part in decoder.feed(memoryview(wire[start:stop])))
    assert content == b"".join(pieces)
    assert decoder.finished
    assert list(decoder.feed(memoryview(b"next"))) == []
    assert decoder.unused == 4


@pytest.mark.parametrize(
    "wire",
    [
        *(b"x\r\n", b"-1\r\n", b"3\nabc", b"3\r\nabcd\r\n", b"1" * 5000),
        b"0\r\n" + b"Trailer: x\r\n" * 10_000,
    ],
    ids=lambda wire: wire[:8].decode(),
)
def test_malformed_chunks_are_refused(wire: bytes) -> None:
    """A body that is not chunked as it says is an error, not content."""
    with pytest.raises(BadRequest):
        list(ChunkedDecoder().feed(memoryview(wire)))
