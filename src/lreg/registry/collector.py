"""The cache's figures as metrics, read when somebody asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from lreg.upstream.mirror import Mirror

_COUNTERS = {
    "hits": "Manifests and blobs of upstreams answered from here.",
    "misses": "Manifests and blobs that had to be fetched.",
    "stale": "Answers that upstream could not be asked about.",
    "fetched": "Bytes that came from upstream.",
    "served": "Bytes of bodies that went to clients.",
    "resumed": "Downloads taken up again after the connection broke.",
    "stalled": "Downloads taken up again because nothing came any more.",
    "failed": "Downloads given up.",
    "wrong": "Bodies that were not what their digest names.",
}
_BYTES = {"fetched", "served"}


class CacheCollector(Collector):
    """What a mirror has done and does (prometheus_client's Collector)."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, by upstream where that makes sense."""
        figures = self._mirror.figures
        for name, words in _COUNTERS.items():
            unit = "_bytes" if name in _BYTES else ""
            family = CounterMetricFamily(f"lreg_cache_{name}{unit}", words, labels=("upstream",))
            for host, count in getattr(figures, name).items():
                family.add_metric((host,), count)
            yield family
        yield GaugeMetricFamily("lreg_fills_running", "Downloads that run.", figures.running)
        yield GaugeMetricFamily(
            "lreg_fills_waiting", "Downloads that wait for their turn.", figures.waiting
        )
        quota = GaugeMetricFamily(
            "lreg_upstream_quota", "Pulls that an upstream still allows.", labels=("upstream",)
        )
        for host, upstream in self._mirror.upstreams.items():
            if upstream.quota:
                quota.add_metric((host,), upstream.quota.remaining)
        yield quota
