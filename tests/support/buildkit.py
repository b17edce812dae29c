"""BuildKit's daemon, on its own socket, with its own data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import tools
from tests.support.clients import Client
from tests.support.processes import Program, clean_environment

if TYPE_CHECKING:
    from pathlib import Path


class BuildKit:
    """A buildkitd of tests/tools and its client; registries on loopback are plain HTTP to it.

    Attributes:
        cli: buildctl.
        address: where it listens.
        programs: the folder with buildctl.
    """

    def __init__(self, folder: Path) -> None:
        """Start it; its data lie in `folder`, which is made."""
        folder.mkdir()
        self.address = f"unix://{folder}/buildkitd.sock"
        self.programs = tools.build("buildctl").parent
        daemon = [str(tools.build("buildkitd")), "--addr", self.address, "--root", f"{folder}/root"]
        daemon += ["--oci-worker-snapshotter=native", "--oci-worker-net=host"]
        # In a mount namespace: whatever it mounts goes with it.
        argv = ["unshare", "--mount", "--propagation", "private", *daemon]
        self._daemon = Program(argv, folder / "buildkitd.log", clean_environment(folder))
        self.cli = Client(folder / "home", str(tools.build("buildctl")), "--addr", self.address)
        self._daemon.wait_until(lambda: self.cli.attempt("debug", "workers").code == 0)

    def close(self) -> None:
        """End it."""
        self._daemon.stop()
