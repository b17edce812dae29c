"""Fill a server before it is measured, each registry through its own API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.content import MANIFEST_TYPE, REPOSITORY
from bench.servers import Nginx
from bench.wire import ask, expect, push

if TYPE_CHECKING:
    from bench.content import Content
    from bench.servers import Server


def fill(server: Server, content: Content) -> None:
    """Give a running server all the content."""
    if isinstance(server, Nginx):
        server.fill(content)
        return
    with server.target.connect() as sock:
        for blob in content.blobs:
            push(sock, REPOSITORY, blob)
        headers = {"Content-Type": MANIFEST_TYPE}
        answer = ask(sock, "PUT", content.manifest_path, body=content.manifest, headers=headers)
        expect(answer, 201, "PUT manifest")
