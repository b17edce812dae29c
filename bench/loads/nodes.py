"""What it is all for: how soon a node has an image, and eight of them at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.cluster import Outside

from bench.nodes import ARCHIVE, CROWD, INTERNET
from bench.programs import environment
from bench.result import LREG, Bar, Row
from bench.servers import Distribution3, Lreg
from bench.wire import LoadFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.run import Run

_IMPORTED = "on the node, by ctr images import; for CRI-O by skopeo copy"


def measure(run: Run) -> Iterator[Row]:
    """A 600 MB image of ten layers: imported, or pulled through lreg and others."""
    if os.geteuid() or not {Lreg, Distribution3} <= set(run.peers):
        run.say("nodes: needs root, lreg and distribution 3")
        return
    home = run.folder / "nodes"
    home.mkdir()
    argv = [sys.executable, "-m", "bench.nodes", str(home), str(run.quick)]
    env = environment() | {"BENCH_HOST": Outside.address}
    done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, text=True, check=False)
    run.discard(home)
    if done.returncode:
        raise LoadFailed("bench.nodes failed, see above")
    found = json.loads(done.stdout)
    bars = (
        Bar(1.1, ARCHIVE, at_most=True),
        Bar(1.0, Distribution3.name, at_most=True),
        Bar(0.2, INTERNET, at_most=True),
    )
    for runtime, figures in found["alone"].items():
        run.columns |= {ARCHIVE: _IMPORTED, INTERNET: "20 MB/s, 60 ms"}
        title = f"{runtime} {found['versions'][runtime]}"
        yield Row("nodes", f"{title}: image of 10 layers usable", "s", figures, bars)
    slow = found["alone"]["containerd 2.3"][INTERNET]
    figures = {LREG: found["crowd"], INTERNET: slow}
    yield Row("nodes", f"{CROWD} nodes at once through an empty lreg; one without", "s", figures)
