"""`python -m tests.unit.node.killed FOLDER`: apply, killed at every step of it, then undone.

A program of its own, with one thread, so that it can fork.
"""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lreg.node.hosts import hosts_block
from lreg.node.plan import Merge, NodeFile
from tests.unit.node.nodes import DAEMON_JSON, HOSTS, apply, make, mirror_json, survey, undo

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.node.rooted import Root

STEPS = ("mkdir", "rename", "rmdir", "unlink", "fsync", "pwrite", "ftruncate", "open", "fchmod")
FIRST = (
    mirror_json(),
    NodeFile(HOSTS, hosts_block(["quay.io", "docker.io"], "10.0.0.1"), Merge.HOSTS),
    NodeFile("etc/docker/certs.d/quay.io/lreg.crt", "CA\n"),
)
SECOND = (
    mirror_json("http://10.9.9.9:80"),
    NodeFile(HOSTS, hosts_block(["ghcr.io"], "10.9.9.9"), Merge.HOSTS),
)


def _kill_at(step: int, *, after: bool) -> None:
    """Have the process killed before or after its `step`th change of the disk."""
    count = itertools.count(1)

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if function is open_file and not args[1] & os.O_CREAT:
                return function(*args, **kwargs)
            at = next(count) == step
            if at and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return function(*args, **kwargs)
            finally:
                if at:
                    os.kill(os.getpid(), signal.SIGKILL)

        return call

    open_file = os.open
    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))


def _killed(act: Callable[[], object], step: int, *, after: bool) -> bool:
    """Return whether `act`, in a process of its own, was killed at that step."""
    child = os.fork()
    if child == 0:
        _kill_at(step, after=after)
        act()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and status:
        raise AssertionError(f"step {step}: it failed by itself")
    return os.WIFSIGNALED(status)


def _check(folder: Path, begun: Callable[[Root], object], act: Callable[[Root], object]) -> int:
    """Kill `act` at each step, after `begun`; undo must bring back the beginning every time."""
    for step in itertools.count(1):
        for after in (False, True):
            shutil.rmtree(folder, ignore_errors=True)
            root = make(
                folder,
                {DAEMON_JSON: '{"debug": true}', HOSTS: "127.0.0.1 localhost\n" * 500},
            )
            before = survey(root)
            begun(root)
            more = _killed(functools.partial(act, root), step, after=after)
            undo(root)
            if survey(root) != before:
                raise AssertionError(f"step {step}, after: {after}: {survey(root)}")
            undo(root)
            if os.path.lexists(root.absolute("var/lib/lreg-node")):
                raise AssertionError(f"step {step}, after: {after}: a record is left")
            if not more:
                return step - 1
    raise AssertionError


def main(folder: Path) -> None:
    """Check each way to change a node, print how many steps it has."""
    first = _check(folder, lambda _: None, lambda root: apply(root, *FIRST))
    second = _check(folder, lambda root: apply(root, *FIRST), lambda root: apply(root, *SECOND))
    undone = _check(folder, lambda root: apply(root, *FIRST), undo)
    sys.stdout.write(f"{first} {second} {undone}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
