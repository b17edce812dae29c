"""The TLS layer over real sockets: what a client of an encrypted port can do."""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import TYPE_CHECKING

import pytest

from lreg.certificates import ensure_ca
from tests.support.processes import in_time
from tests.unit.registry.test_connection import (
    LAST,
    connected,
    digest_body,
    file_app,
    hello,
    serving,
    talk,
)

if TYPE_CHECKING:
    from pathlib import Path

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


@pytest.fixture
def contexts(tmp_path: Path) -> Contexts:
    """The server's side of TLS, and that of a client who trusts it."""
    authority = ensure_ca(tmp_path)
    certificate, key = authority.issue(["localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, ssl.create_default_context(cafile=str(authority.path))


async def test_plain_http_on_a_tls_port_is_told(contexts: Contexts) -> None:
    """Who forgets the s of https reads what is wrong, in plain text."""
    async with serving(hello, contexts[0]) as (_, _, port):
        answer = await talk(port, LAST)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"https://" in answer


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_bodies_in_both_directions(
    tmp_path: Path, contexts: Contexts, version: ssl.TLSVersion
) -> None:
    """Large bodies arrive unchanged over either version, one request after the other."""
    content = os.urandom((3 << 20) + 5)
    (tmp_path / "file").write_bytes(content)
    files = file_app(tmp_path / "file", [(0, len(content))])
    server, client = contexts
    client.minimum_version = client.maximum_version = version
    async with serving(lambda r: digest_body(r) if r.method == "PUT" else files(r), server) as (
        _,
        app,
        port,
    ):
        head = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(content)
        answer = await talk(port, head + content + LAST, client)
        assert answer.endswith(b"[" + content + b"]")
        await in_time(lambda: app.done == [(201, 64), (200, len(content) + 2)])


async def test_a_slow_reader_gets_everything(tmp_path: Path, contexts: Contexts) -> None:
    """A client that reads slowly is waited for, and nothing is lost or sent twice."""
    content = os.urandom(9 << 20)
    (tmp_path / "file").write_bytes(content)
    files = file_app(tmp_path / "file", [(0, len(content))])
    async with (
        serving(files, contexts[0]) as (_, _, port),
        connected(port, contexts[1]) as (reader, writer),
    ):
        writer.write(LAST)
        await asyncio.sleep(0.3)
        answer = bytearray()
        while piece := await reader.read(1 << 20):
            answer += piece
            await asyncio.sleep(0.005)
        assert answer.endswith(b"[" + content + b"]")


async def test_garbage_ends_the_connection_only(contexts: Contexts) -> None:
    """Bytes that are no TLS after a proper beginning drop that client and no other."""
    async with serving(hello, contexts[0]) as (_, _, port):
        assert await talk(port, b"\x16\x03\x01\x00\x05nonsense" * 40) is not None
        assert b"hello" in await talk(port, LAST, contexts[1])
