"""A server of files, with what can go wrong when one fetches them."""

from __future__ import annotations

import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

MODIFIED = 1_600_000_000
"""When every file was changed, in seconds since 1970."""


class Files:
    """A server on loopback, a context manager.

    Args:
        contents: by their paths, which begin with a slash.
        moved: paths that lead to others.
        broken: paths whose contents break off before their end.

    Attributes:
        url: its address.
        asked: the paths that were asked for.
    """

    def __init__(
        self,
        contents: Mapping[str, bytes],
        moved: Mapping[str, str] | None = None,
        broken: frozenset[str] = frozenset(),
    ) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                path = self.path.partition("?")[0]
                if moved and path in moved:
                    self.send_response(302)
                    self.send_header("Location", moved[path])
                elif path in contents:
                    self.send_response(200)
                    self.send_header("Last-Modified", formatdate(MODIFIED, usegmt=True))
                    self.send_header("Content-Length", str(len(contents[path])))
                else:
                    self.send_response(404)
                    self.send_header("Content-Length", "0")
                self.end_headers()
                if path in contents:
                    self.wfile.write(contents[path][: -1 if path in broken else None])

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
