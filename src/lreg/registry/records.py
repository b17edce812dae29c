"""What is written down of every request: a log line and the metrics.

Both are on the path of every small answer, so lines are gathered for a moment and metrics are
looked up once for each kind of request.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from lreg import __version__
from lreg.log import write_many
from lreg.registry.collector import CacheCollector

if TYPE_CHECKING:
    from lreg.registry.http.messages import Request, Response
    from lreg.upstream.mirror import Mirror

log = logging.getLogger("lreg.request")

# Seconds; pulls of large layers over a slow line take minutes.
_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 300)
# Lines wait for this many others, or this many seconds.
_GATHER_LINES, _GATHER_SECONDS = 64, 0.1


class Records:
    """Counts and logs requests."""

    def __init__(self, mirror: Mirror) -> None:
        """Start at zero; to be made inside of a running event loop."""
        self._loop = asyncio.get_running_loop()
        self._lines: list[tuple[float, dict[str, object]]] = []
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "lreg_requests", "Requests answered.", ("call", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "lreg_request_seconds",
            "From a request's head to the end of its response.",
            ("call",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        labels = ("direction",)
        body_bytes = Counter("lreg_body_bytes", "Bytes of bodies.", labels, registry=self._registry)
        self._received = body_bytes.labels("received")
        self._sent = body_bytes.labels("sent")
        self.connections = Gauge(
            "lreg_connections", "Connections that are open.", registry=self._registry
        )
        Gauge("lreg_info", "This lreg.", ("version",), registry=self._registry).labels(
            __version__
        ).set(1)
        self._registry.register(CacheCollector(mirror))
        self._counters: dict[tuple[str, int], Counter] = {}
        self._histograms: dict[str, Histogram] = {}

    def note(self, call: str, request: Request, response: Response, sent: int) -> None:
        """Count one exchange that is over and log it shortly.

        Args:
            call: what kind of request it was.
            request: the request.
            response: the response.
            sent: how many bytes of its body went out.
        """
        now = self._loop.time()
        key = call, response.status
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = self._requests.labels(*map(str, key))
            self._histograms[call] = self._seconds.labels(call)
        counter.inc()
        self._histograms[call].observe(now - request.started)
        self._sent.inc(sent)
        if request.body.received:
            self._received.inc(request.body.received)
        if log.isEnabledFor(logging.INFO):
            self._gather(request, response, sent, now)

    def flush(self) -> None:
        """Write the lines that were gathered."""
        lines, self._lines = self._lines, []
        write_many("request", lines)

    def _gather(self, request: Request, response: Response, sent: int, now: float) -> None:
        fields = {
            "method": request.method,
            "path": request.path,
            "status": response.status,
            "received": request.body.received,
            "sent": sent,
            "seconds": round(now - request.started, 6),
            "peer": request.peer,
            "agent": request.headers.get("user-agent", ""),
            **response.fields,
        }
        if request.query:
            fields["query"] = request.query
        if not self._lines:
            self._loop.call_later(_GATHER_SECONDS, self.flush)
        self._lines.append((time.time(), fields))
        if len(self._lines) >= _GATHER_LINES:
            self.flush()

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self._registry)
