"""Every file that a node gets, as it stands in `golden/`: a change to any is a change people see.

`GOLDEN=write pytest tests/unit/node/test_golden.py` writes them anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lreg.errors import UsageError
from lreg.node.plan import Mechanism
from lreg.node.runtimes import RUNTIMES, files_for
from tests.unit.node.plans import plan

if TYPE_CHECKING:
    from lreg.node.plan import NodePlan

GOLDEN = Path(__file__).parent / "golden"
# Besides each mechanism as it is: what changes the form of a runtime's files.
_HUB = ("docker.io",)
_VARIANTS: dict[str, dict[str, NodePlan]] = {
    "containerd": {
        "mirror, 2.x": plan(version="2.1"),
        "mirror, no fallback": plan(fallback=False),
        "mirror, TLS": plan(registry="https://10.0.0.1:5001"),
        "mirror, IPv6, 2.x": plan(registry="[fd00::1]:5000", version="2.1"),
        "mirror, IPv6, no fallback": plan(registry="[fd00::1]:5000", fallback=False),
    },
    "crio": {
        "mirror, no fallback": plan(fallback=False),
        "mirror, TLS": plan(registry="https://10.0.0.1:5001"),
        "mirror, 1.20": plan(version="1.20.7"),
        "spoof-http, 1.17": plan(Mechanism.SPOOF_HTTP, version="1.17"),
        "mirror, IPv6 by a name": plan(registry="[fd00::1]:5000", name="lreg.internal"),
        "spoof-http, IPv6": plan(Mechanism.SPOOF_HTTP, registry="[fd00::1]:80"),
    },
    "docker": {
        "mirror, docker.io": plan(upstreams=_HUB),
        "mirror, 29": plan(version="29.7"),
        "mirror, 29, no fallback": plan(version="29.7", fallback=False),
        "mirror, 29, TLS": plan(version="29.7", registry="https://10.0.0.1:5001"),
    },
    "k3s": {
        "mirror, no fallback": plan(fallback=False),
        "mirror, TLS": plan(registry="https://10.0.0.1:5001"),
    },
    "k3d": {"mirror, no fallback": plan(fallback=False)},
    "kind": {"mirror, 0.27": plan(version="0.27.0")},
    "talos": {
        "mirror, 1.12, no fallback": plan(version="1.12.0", fallback=False),
        "spoof-tls, 1.12": plan(Mechanism.SPOOF_TLS, version="1.12.0"),
    },
    "kaniko": {
        "mirror": plan(upstreams=_HUB),
        "mirror, TLS, no fallback": plan(
            registry="https://10.0.0.1:5001", upstreams=_HUB, fallback=False
        ),
    },
    "minikube": {
        "mirror, docker": plan(upstreams=_HUB, inner="docker"),
        "mirror, crio, TLS": plan(registry="https://10.0.0.1:5001", inner="crio"),
    },
    "cloud-init": {"spoof-tls, docker": plan(Mechanism.SPOOF_TLS, inner="docker")},
    "kubernetes": {"mirror, k3s": plan(inner="k3s")},
}


def _plans(name: str) -> dict[str, NodePlan]:
    usual = {how.value: plan(how) for how in Mechanism}
    return usual | _VARIANTS.get(name, {})


def _listing(name: str) -> str:
    """Return all that a runtime may be given, for people to read."""
    parts = []
    for title, each in _plans(name).items():
        parts.append(f"######## {name}: {title}\n")
        try:
            files = files_for(name, each)
        except UsageError as error:
            parts.append(f"refused: {error}\n")
            continue
        parts += (
            f"==== {file.path} ({file.merge.value}, {file.mode:04o})\n{file.text}" for file in files
        )
    return "\n".join(parts)


@pytest.mark.parametrize("name", RUNTIMES)
def test_files(name: str) -> None:
    """What is emitted for a runtime, by every mechanism, is what has been read and agreed to."""
    file = GOLDEN / f"{name}.txt"
    listing = _listing(name)
    if os.environ.get("GOLDEN") == "write":
        file.write_text(listing)
    assert listing == file.read_text()


def test_no_golden_file_is_left_over() -> None:
    """The files that are kept for reading are of runtimes that there are."""
    assert {file.stem for file in GOLDEN.iterdir()} == set(RUNTIMES)


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("how", Mechanism)
def test_every_mechanism_works_or_says_why_not(name: str, how: Mechanism) -> None:
    """For each runtime and mechanism it is said what it needs, or why it can't work."""
    runtime = RUNTIMES[name]
    if how in runtime.needs:
        return
    with pytest.raises(UsageError) as refused:
        files_for(name, plan(how))
    assert runtime.cannot[how] in str(refused.value)
    assert all(other.value in str(refused.value) for other in runtime.needs)
