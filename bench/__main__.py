"""``python -m bench``: measure, print, and write ``bench/results/``."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import importlib.util
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bench import machine, report
from bench.copiers import COPIERS
from bench.loads import LOADS
from bench.programs import Program, Unavailable
from bench.run import Run
from bench.servers import PEERS
from bench.wire import LoadFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.result import Row

P = TypeVar("P", bound=Program)

RESULTS = Path(__file__).resolve().parent / "results"
DISK = Path("/var/tmp")  # noqa: S108 (a folder of our own is made in it)
_NEEDED_GIB = 45


def options(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=LOADS, metavar="LOAD", help=", ".join(LOADS)
    )
    names = ", ".join(program.name for program in (*PEERS, *COPIERS))
    parser.add_argument("--peers", metavar="NAME,…", help=f"some of: {names}")
    parser.add_argument("--quick", action="store_true", help="small and short; proves nothing")
    parser.add_argument("--json", action="store_true", help="every figure on standard output")
    parser.add_argument("--name", help='the files\' name in bench/results; a full run is "speed"')
    parser.add_argument("--folder", type=Path, default=DISK, help=f"on a real disk ({DISK})")
    return parser.parse_args(arguments)


def present(
    programs: Iterable[type[P]], wanted: str | None
) -> tuple[dict[type[P], str], dict[str, str]]:
    """Return the programs that can be measured with their versions, and why the others can't."""
    names = {name.strip() for name in wanted.split(",")} if wanted else None
    here: dict[type[P], str] = {}
    missing: dict[str, str] = {}
    for program in programs:
        if names is not None and program.name not in names:
            continue
        try:
            here[program] = program.version()
        except Unavailable as error:
            missing[program.name] = str(error)
    return here, missing


def complaint(folder: Path, *, quick: bool) -> str | None:
    """Return what stands in the way of a run, if anything does."""
    if importlib.util.find_spec("matplotlib") is None:
        return "the chart needs matplotlib: pip install -e '.[bench]'"
    if not machine.is_disk(folder):
        return f"{folder} is not on a disk, and pushes are measured to one: choose a --folder"
    if not quick and machine.free_gib(folder) < _NEEDED_GIB:
        return f"a run needs {_NEEDED_GIB} GiB for a while in {folder}: choose another --folder"
    return None


def main(arguments: list[str]) -> int:
    """Run what was asked for; 0 when all of it could be measured, whatever came out."""
    chosen = options(arguments)
    if said := complaint(chosen.folder, quick=chosen.quick):
        sys.stderr.write(f"bench: {said}\n")
        return 2
    peers, missing = present(PEERS, chosen.peers)
    copiers, lacking = present(COPIERS, chosen.peers)
    missing |= lacking
    versions = {program.name: version for program, version in (peers | copiers).items()}
    for name, why in missing.items():
        sys.stderr.write(f"bench: without {name}: {why}\n")
    # As Ctrl-C does: what was started is stopped, and the gigabytes are taken off the disk.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    rows: list[Row] = []
    failed = False
    with tempfile.TemporaryDirectory(prefix="lreg-bench-", dir=chosen.folder) as folder:
        run = Run(Path(folder), peers, copiers, quick=chosen.quick)
        for load in chosen.only or LOADS:
            sys.stderr.write(f"{load}\n")
            try:
                for row in LOADS[load](run):
                    rows.append(row)
                    sys.stderr.write(f"    {row.name}: {_brief(row)}\n")
            except LoadFailed as error:
                failed = True
                missing[f"load {load}"] = str(error).strip().splitlines()[-1]
                sys.stderr.write(f"bench: {load} ended early: {missing[f'load {load}']}\n")
    partial = bool(chosen.only or chosen.peers or chosen.quick or failed)
    name = chosen.name or ("partial" if partial else "speed")
    minutes = (time.monotonic() - began) / 60
    versions = {
        name: version
        for name, version in (versions | run.columns).items()
        if any(name in row.figures for row in rows)
    }
    text = report.markdown(rows, versions, missing, _facts(chosen, minutes))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text)
    from bench.chart import draw  # noqa: PLC0415 (seconds, and only when all else is done)

    draw(rows, RESULTS / f"{name}.png")
    sys.stdout.write(report.as_json(rows, versions) if chosen.json else text)
    sys.stderr.write(f"bench: bench/results/{name}.md and .png\n")
    return 1 if failed else 0


def _brief(row: Row) -> str:
    return ", ".join(f"{server} {row.median(server):.4g}" for server in row.figures)


def _facts(chosen: argparse.Namespace, minutes: float) -> list[str]:
    today = dt.datetime.now(dt.UTC).date()
    facts = [f"{today}, {minutes:.0f} minutes, client and servers on one machine"]
    facts += [machine.describe(chosen.folder)]
    with contextlib.suppress(OSError):
        facts += [f"load average at the end: {os.getloadavg()[0]:.1f}"]
    if chosen.quick:
        facts += ["**a quick run: small blobs, single turns; its figures prove nothing**"]
    return facts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
