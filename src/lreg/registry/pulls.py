"""The journal of what nodes pulled: JSON lines, in two files of bounded size.

Operators and controllers pull images that no manifest names; this is how they are found out.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from typing import TYPE_CHECKING

from lreg.admin.codec import decode, to_json
from lreg.admin.values import Pull
from lreg.oci.reference import Tag
from lreg.upstream.names import namespace_of

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.oci.digest import Digest
    from lreg.oci.reference import RepositoryName
    from lreg.registry.http.messages import Request

log = logging.getLogger(__name__)

_MAX_FILE = 8 << 20
# Lines wait for others for so many seconds: a crash loses no more than that.
_GATHER = 1.0
# A client asks for an image several times while it pulls it, by HEAD and GET, by tag and digest.
_ONE_PULL = 60.0
_MOST_REMEMBERED = 8192
_OWN_AGENT = "lreg/"


class Pulls:
    """Writes down who asked for which manifest; used from one event loop.

    Args:
        folder: where the files lie; made when there is something to write.
        max_file: a file that has so many bytes is the last one but the newest: what was before it
            is thrown away.
    """

    def __init__(self, folder: Path, *, max_file: int = _MAX_FILE) -> None:
        self._folder = folder
        self._max_file = max_file
        self._lines: list[Pull] = []
        self._asked: dict[tuple[str, str, str], float] = {}
        self._pulled: dict[tuple[str, str, str, Digest], float] = {}
        self._disk = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()

    def note(
        self, request: Request, name: RepositoryName, want: Tag | Digest, digest: Digest
    ) -> None:
        """Note that a manifest was asked for and given; call it for every one.

        What belongs to one pull is noted once: a tag's HEAD and GET, and the GET by digest that
        follows. The images of an index are noted too: they tell which platforms were pulled.

        Args:
            request: a GET or HEAD of a manifest. Those of lreg's own commands are no pulls.
            name: the canonical name that it meant.
            want: the tag or digest that it named.
            digest: the manifest's.
        """
        now = request.started
        # On the path of every small answer: most end here.
        asked = request.peer, request.path, request.query
        if self._asked.get(asked, 0.0) > now:
            return
        self._remember(now)
        self._asked[asked] = now + _ONE_PULL
        agent = request.headers.get("user-agent", "")
        if agent.startswith(_OWN_AGENT) and "via" not in request.headers:
            return
        client = _address(request.peer)
        key = client, agent, name.text, digest
        if self._pulled.get(key, 0.0) > now:
            return
        self._pulled[key] = now + _ONE_PULL
        loop = asyncio.get_running_loop()
        self._lines.append(
            Pull(
                time=round(_wall_clock(loop, now), 3),
                client=client,
                agent=agent,
                repository=name.text,
                digest=str(digest),
                tag=want.text if isinstance(want, Tag) else None,
                namespace=namespace_of(request.query) or None,
            )
        )
        if self._timer is None:
            self._timer = loop.call_later(_GATHER, self._flush)

    async def since(self, moment: float) -> list[Pull]:
        """Return what was pulled after `moment`, in seconds since 1970, oldest first."""
        async with self._disk:
            # What waits to be written is in no file yet.
            waiting = list(self._lines)
            found = await asyncio.to_thread(self._read, moment)
        return found + [pull for pull in waiting if pull.time > moment]

    async def close(self) -> None:
        """Write what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._flush()
        await asyncio.gather(*self._writing)

    def _remember(self, now: float) -> None:
        """Make room: forget what is too old to matter."""
        if len(self._asked) >= _MOST_REMEMBERED:
            self._asked = {key: end for key, end in self._asked.items() if end > now}
            self._pulled = {key: end for key, end in self._pulled.items() if end > now}
        if len(self._asked) >= _MOST_REMEMBERED:
            self._asked.clear()
            self._pulled.clear()

    def _flush(self) -> None:
        self._timer = None
        task = asyncio.get_running_loop().create_task(self._write_waiting())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write_waiting(self) -> None:
        async with self._disk:
            lines, self._lines = self._lines, []
            try:
                await asyncio.to_thread(self._write, lines)
            except OSError as error:
                log.warning("pulls.not_written", extra={"error": str(error), "lost": len(lines)})

    @property
    def _file(self) -> Path:
        return self._folder / "pulls.jsonl"

    @property
    def _older(self) -> Path:
        return self._folder / "pulls.1.jsonl"

    def _write(self, pulls: list[Pull]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._file.exists() and self._file.stat().st_size >= self._max_file:
            self._file.replace(self._older)
        with self._file.open("a+b") as stream:
            data = "".join(f"{json.dumps(_sparse(pull))}\n" for pull in pulls).encode()
            if stream.seek(0, os.SEEK_END):
                # A crash may have left half a line.
                stream.seek(-1, os.SEEK_END)
                data = data if stream.read(1) == b"\n" else b"\n" + data
            stream.write(data)

    def _read(self, moment: float) -> list[Pull]:
        found = []
        for file in (self._older, self._file):
            try:
                text = file.read_text(errors="replace")
            except FileNotFoundError:
                continue
            for line in text.splitlines():
                try:
                    pull = decode(Pull, line)
                except ValueError:
                    continue
                if pull.time > moment:
                    found.append(pull)
        return found


def _sparse(pull: Pull) -> dict[str, object]:
    return {name: value for name, value in to_json(pull).items() if value or name == "agent"}


def _address(peer: str) -> str:
    """Return the address of a peer without its port; an IPv4 one as such."""
    host = peer.rpartition(":")[0] or peer
    return host.removeprefix("::ffff:") if "." in host else host


def _wall_clock(loop: asyncio.AbstractEventLoop, moment: float) -> float:
    return time.time() - loop.time() + moment
