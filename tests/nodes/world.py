"""What the nodes' cluster has: lreg on a bridge, behind it an internet, and a name server."""

from __future__ import annotations

import base64
import json
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from tests.fakes.dns import NameServer
from tests.fakes.stage import Stage
from tests.fakes.upstream import Upstream
from tests.support.cluster import Node, Outside
from tests.support.mirrors import HASTE, write_config
from tests.support.processes import Program, clean_environment, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.support.images import Image

HOSTS = ("docker.io", "registry.k8s.io", "quay.io")
PORT = 5000


@dataclass(frozen=True, slots=True)
class Pull:
    """A request for a manifest or a blob, as the registry's log has it.

    Attributes:
        peer: the address that asked.
        path: for what, without the query.
        status: what it was answered.
        upstream: whose images were meant; empty: this registry's own.
    """

    peer: str
    path: str
    status: int
    upstream: str


class World:
    """A context manager: an outside, and lreg in it, in front of an internet of fakes.

    Attributes:
        outside: the bridge.
        names: the name server that every node asks, if it asks any.
        internet: the fakes by host.
    """

    address, address6 = Outside.address, Outside.address6

    def __init__(self, folder: Path) -> None:
        self.outside = Outside(folder / "outside")
        self._folder = folder
        self._stage = Stage(self.outside.network)
        self.names = NameServer(self.outside.address)
        self.internet = {
            host: Upstream(f"127.0.0.{number}") for number, host in enumerate(HOSTS, start=5)
        }
        self._lreg: Program | None = None
        self._log = folder / "lreg.log"
        self._nodes = 1
        self._online = False

    def __enter__(self) -> Self:
        self._stage.__enter__()
        self._stage.enter(self.names)
        self.go_online()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._end_lreg()
        finally:
            self._stage.__exit__()
            self.outside.close()

    def node(self, name: str, programs: Sequence[Path] = ()) -> Node:
        """Return a new node with these programs first in its PATH."""
        self._nodes += 1
        return Node(self.outside, self._nodes, self._folder / name, programs)

    @property
    def ca(self) -> str:
        """The CA of the certificates that nodes see, PEM."""
        return self._run("ca", "--store", str(self._folder / "store"))

    def go_offline(self) -> None:
        """Start lreg again with no internet, which is gone as well."""
        self._start("--offline")
        self.lose_internet()

    def lose_internet(self) -> None:
        """Take the internet away; nobody tells lreg."""
        for each in self.internet.values():
            self._stage.leave(each)
        self._online = False

    def go_online(self) -> None:
        """Start lreg again with an internet, unless it has one."""
        if self._online:
            return
        for each in self.internet.values():
            self._stage.enter(each)
        self._start("--no-offline")
        self._online = True

    def push(self, name: str, made: Image, tag: str) -> None:
        """Have an image in lreg that no host on the internet has."""
        source = self.internet["quay.io"]
        source.hold(f"pushed/{name}", made, tag)
        there = f"{source.host}/pushed/{name}:{tag}"
        self._run("copy", "--quiet", "--insecure", there, f"{name}:{tag}")

    def cache(self, name: str) -> None:
        """Have lreg bring an image, as somebody does who prepares for the internet to be gone."""
        self._run("cache", "--quiet", "--insecure", "--all-platforms", name)

    def pulls(self, since: int = 0) -> Iterator[Pull]:
        """Yield what was asked for since the log had that size; see `mark`."""
        with self._log.open("rb") as log:
            log.seek(since)
            for line in log:
                if b'"event": "request"' in line:
                    said: dict[str, Any] = json.loads(line)
                    peer = said["peer"].rpartition(":")[0]
                    yield Pull(peer, said["path"], said["status"], said.get("upstream", ""))

    def mark(self) -> int:
        """Return the size of the log."""
        return self._log.stat().st_size

    def _start(self, *options: str) -> None:
        self._end_lreg()
        config = write_config(
            self._folder, {host: fake.url for host, fake in self.internet.items()}, HASTE
        )
        places = [
            f"{scheme}://{address}:{port}"
            for address in (self.outside.address, f"[{self.outside.address6}]")
            for scheme, port in (("http", PORT), ("http", 80), ("https", 443))
        ]
        argv = [*self.outside.on_network, sys.executable, "-m", "lreg", "serve"]
        argv += ["--store", str(self._folder / "store"), "--config", str(config)]
        argv += ["--log-format=json", *options]
        argv += [f"--listen={place}" for place in places]
        self._lreg = Program(argv, self._log, clean_environment(self._folder), self._folder)
        log = self._lreg
        log.wait_until(lambda: log.log.count("listening on") == len(places))
        # Told once, at the first start on a store.
        if token := re.search(r"-u (\S+) -p (\S+)", log.log):
            login = base64.b64encode(":".join(token.groups()).encode()).decode()
            auths = {"auths": {f"{self.outside.address}:{PORT}": {"auth": login}}}
            self._folder.joinpath(".docker").mkdir()
            self._folder.joinpath(".docker/config.json").write_text(json.dumps(auths))

    def _end_lreg(self) -> None:
        if self._lreg:
            code = self._lreg.stop()
            assert code == 0, self._lreg.log[-4000:]
            self._lreg = None

    def _run(self, *command: str) -> str:
        argv = [*self.outside.on_network, sys.executable, "-m", "lreg", *command]
        here = f"{self.outside.address}:{PORT}"
        env = clean_environment(self._folder, LOCAL_REGISTRY=here)
        return run(*argv, env=env, cwd=self._folder).out
