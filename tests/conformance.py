"""Run the Open Container Initiative's own conformance suite against lreg (``make conformance``).

The suite is pinned in ``tests/tools/conformance`` and runs at version "dev", its strictest.
The reports (junit.xml, report.html, results.yaml), the suite's text and the server's log are left
in ``build/conformance/``. Exit code 0 only when every test ran and passed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from tests.tools import ToolUnavailable, build

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]

LEAST_TESTS = 982
"""The suite's size when the bar was set; a run with fewer tests did not run everything."""

DISABLED_AT_DEV = frozenset({"Sparse Manifests"})
"""The one kind of data that the suite itself leaves out at dev unless asked for (its config.go)."""

START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of the suite counted.

    ``disabled`` counts tests; ``disabled_data`` and ``skipped_parts`` name the kinds of data and
    the API calls that the suite's own summary lists as not tried.
    """

    tests: int
    failed: int
    skipped: int
    disabled: int
    disabled_data: frozenset[str]
    skipped_parts: frozenset[str]

    @property
    def passed(self) -> int:
        """Tests that ran and were right."""
        return self.tests - self.failed - self.skipped - self.disabled

    def complaints(self) -> list[str]:
        """Every way in which this run falls short of the bar; none when it stands."""
        found = []
        if self.tests < LEAST_TESTS:
            found.append(f"{self.tests} tests ran, of at least {LEAST_TESTS}")
        if self.failed:
            found.append(f"{self.failed} failed")
        if self.skipped or self.skipped_parts:
            names = ", ".join(sorted(self.skipped_parts)) or "none by name"
            found.append(f"{self.skipped} skipped ({names})")
        if self.disabled or self.disabled_data != DISABLED_AT_DEV:
            names = ", ".join(sorted(self.disabled_data)) or "nothing"
            found.append(f"{self.disabled} disabled; left out: {names}")
        return found


def read_outcome(results: Path) -> Outcome:
    """Read the suite's junit.xml and results.yaml in folder ``results``.

    Raises:
        FileNotFoundError: The suite wrote no report, so it did not run to its end.
    """
    suites = ET.parse(results / "junit.xml").getroot()  # noqa: S314 (our own suite wrote it)

    def count(name: str) -> int:
        return int(suites.get(name, "0"))

    statuses: dict[str, set[str]] = {"Skip": set(), "Disabled": set()}
    for line in (results / "results.yaml").read_text().splitlines():
        part, _, status = line.strip().rpartition(": ")
        if status in statuses:
            statuses[status].add(part)
    return Outcome(
        tests=count("tests"),
        failed=count("failures") + count("errors"),
        skipped=count("skipped"),
        disabled=count("disabled"),
        disabled_data=frozenset(statuses["Disabled"]),
        skipped_parts=frozenset(statuses["Skip"]),
    )


@contextlib.contextmanager
def running_lreg(log: Path) -> Iterator[str]:
    """Run ``lreg serve`` on a store of its own and a free port; give host:port while it runs.

    Raises:
        RuntimeError: It did not answer in time, or did not end with code 0 when asked to stop.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with tempfile.TemporaryDirectory(prefix="lreg-conformance-") as store, log.open("wb") as output:
        command = [sys.executable, "-m", "lreg", "serve", "--store", store, "--listen", address]
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait(server, f"http://{address}/v2/", log)
            yield address
        finally:
            server.terminate()
            code = server.wait(timeout=30)
    if code != 0:
        raise RuntimeError(f"lreg ended with code {code} when asked to stop; its log: {log}")


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 (always http://127.0.0.1)
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise RuntimeError(f"lreg did not answer at {url}:\n{log.read_text(errors='replace')[-2000:]}")


def run_suite(suite: Path, registry: str, results: Path, only: str) -> None:
    """Run the suite's binary against host:port ``registry``, reports into folder ``results``."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OCI_")}
    environment |= {
        "OCI_VERSION": "dev",
        "OCI_TLS": "disabled",
        "OCI_REGISTRY": registry,
        "OCI_RESULTS_DIR": str(results),
    }
    if only:
        environment["OCI_FILTER_TEST"] = only
    with (results / "suite.txt").open("wb") as text:
        # In its results folder, so that no oci-conformance.yaml lying about changes what is tested.
        # Its exit code says less than its report: it is 0 too when it could not start.
        subprocess.run([suite], cwd=results, env=environment, stdout=text, check=False)


def main(arguments: list[str]) -> int:
    """Build, run, report; 0 when the bar stands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--registry", metavar="HOST:PORT", help="test this one, start no lreg")
    parser.add_argument(
        "--only", default="", metavar="NAME", help="only tests whose name starts so; never passes"
    )
    options = parser.parse_args(arguments)
    results = ROOT / "build" / "conformance"
    results.mkdir(parents=True, exist_ok=True)
    for stale in results.iterdir():
        stale.unlink()
    try:
        suite = build("conformance")
        with contextlib.ExitStack() as stack:
            registry = options.registry or stack.enter_context(running_lreg(results / "server.log"))
            run_suite(suite, registry, results, options.only)
        outcome = read_outcome(results)
    except (ToolUnavailable, RuntimeError, FileNotFoundError) as error:
        sys.stderr.write(f"conformance: {error}\n")
        return 1
    complaints = outcome.complaints()
    for complaint in complaints:
        sys.stdout.write(f"conformance: {complaint}\n")
    sys.stdout.write(f"{outcome.tests} tests, reports in {results.relative_to(ROOT)}/\n")
    sys.stdout.write(
        f"{outcome.passed} passed, {outcome.failed} failed, {outcome.skipped} skipped\n"
    )
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
