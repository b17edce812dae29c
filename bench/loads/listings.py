"""Pages of a large catalog and of a long tag list.

The tree is written straight to disk in distribution's layout and served by whoever reads that.
"""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING

from bench import machine
from bench.result import Bar, Row
from bench.wire import ask, expect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.content import Content
    from bench.run import Run
    from bench.wire import Sock

_PAGES = 20
_MOST_SECONDS = 10.0
_LONG = "many/tags"


def measure(run: Run) -> Iterator[Row]:
    """A page of 100 of 10,000 repositories and of 50,000 tags, warm, and the memory after it."""
    repositories, tags = (500, 2_000) if run.quick else (10_000, 50_000)
    run.say(f"writing {repositories} repositories and {tags} tags")
    store = run.folder / "listings"
    _write_tree(store, run.content, repositories, tags)
    catalog: dict[str, list[float]] = {}
    long: dict[str, list[float]] = {}
    memory: dict[str, list[float]] = {}
    for peer in run.peers:
        if not peer.distribution_layout:
            continue
        run.say(f"listings of {peer.name}")
        server = peer(run.folder / "listing" / peer.name.replace(" ", "-"), store=store)
        try:
            server.start()
            with server.target.connect() as sock:
                catalog[peer.name] = _pages(sock, "/v2/_catalog?n=100")
                long[peer.name] = _pages(sock, f"/v2/{_LONG}/tags/list?n=100")
            memory[peer.name] = [machine.resident_mb(server.pid)]
        finally:
            server.stop()
    run.discard(store)
    quick = (Bar(50, at_most=True),)
    yield Row("listings", f"page of 100 of {repositories:,} repositories", "ms", catalog, quick)
    yield Row("listings", f"page of 100 of {tags:,} tags", "ms", long, quick)
    yield Row("listings", "memory after that", "MB", memory)


def _pages(sock: Sock, first: str) -> list[float]:
    """Return the milliseconds that each of some pages took, the first one asked once before."""
    expect(ask(sock, "GET", first), 200, first)
    took: list[float] = []
    path, began = first, time.perf_counter()
    while len(took) < _PAGES and time.perf_counter() - began < _MOST_SECONDS:
        asked = time.perf_counter()
        answer = expect(ask(sock, "GET", path), 200, path)
        took.append((time.perf_counter() - asked) * 1e3)
        path = _next(answer.headers.get("link", "")) or first
    return [sorted(took)[len(took) // 2]]


def _next(link: str) -> str:
    # RFC 8288: <target>; rel="next". The target may be a whole URL.
    target = link.partition("<")[2].partition(">")[0]
    return target[target.find("/v2/") :] if "/v2/" in target else ""


def _write_tree(store: Path, content: Content, repositories: int, tags: int) -> None:
    """Write repositories of one tag each, and one of many, that share one image."""
    tree = store / "docker/registry/v2"
    manifest = hashlib.sha256(content.manifest).hexdigest()
    _blob(tree, manifest, content.manifest)
    for blob in (content.config, *content.small[:8]):
        _blob(tree, blob.digest.partition(":")[2], blob.path.read_bytes())
    link = tree / "link"
    link.write_text(f"sha256:{manifest}")
    for number in range(repositories):
        _repository(tree, f"team-{number % 100:02}/app-{number:05}", manifest, content)
        _tag(tree, f"team-{number % 100:02}/app-{number:05}", "latest", link)
    _repository(tree, _LONG, manifest, content)
    for number in range(tags):
        _tag(tree, _LONG, f"v{number:05}", link)
    link.unlink()


def _blob(tree: Path, hexadecimal: str, data: bytes) -> None:
    folder = tree / "blobs/sha256" / hexadecimal[:2] / hexadecimal
    folder.mkdir(parents=True)
    (folder / "data").write_bytes(data)


def _repository(tree: Path, name: str, manifest: str, content: Content) -> None:
    home = tree / "repositories" / name
    config = content.config.digest.partition(":")[2]
    # The layers' links are left out: no listing reads them, and they would be most of the files.
    for folder in (
        home / "_manifests/revisions/sha256" / manifest,
        home / "_layers/sha256" / config,
    ):
        folder.mkdir(parents=True)
        (folder / "link").write_text(f"sha256:{folder.name}")


def _tag(tree: Path, name: str, tag: str, link: Path) -> None:
    current = tree / "repositories" / name / "_manifests/tags" / tag / "current"
    os.makedirs(current)
    os.link(link, current / "link")
