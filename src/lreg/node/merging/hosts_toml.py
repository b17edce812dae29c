"""containerd's hosts.toml: the order of its [host] tables is that in which they are asked."""

from __future__ import annotations

import os
import re
import tomllib
from typing import TYPE_CHECKING, Any

import tomlkit

from lreg.errors import LregError
from lreg.node.merging.documents import edited, meaning
from lreg.node.merging.values import combined
from lreg.node.plan import Merge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lreg.node.merging.draft import Draft

NAME = "hosts.toml"
_HOST = re.compile(r"^[ \t]*\[\s*host\b", re.MULTILINE)


def merged(text: str, ours_text: str, where: str, notes: list[str]) -> str:
    """Return the file with ours in it, our hosts before its owner's.

    Args:
        text: the owner's.
        ours_text: as it would be where there is none.
        where: the file, for errors and notes.
        notes: gets a sentence where hosts of the owner's may be asked against our will.

    Raises:
        LregError: it is unreadable, or written in a way that can't be edited.
    """
    theirs = meaning(text, Merge.TOML, where)
    ours = _to_be_first(meaning(ours_text, Merge.TOML, where), theirs, where)
    there: dict[str, Any] = theirs.get("host", {})
    if not meaning(ours_text, Merge.TOML, where).get("host") and there:
        notes.append(f"{where} has {', '.join(there)} too: asked where lreg lacks an image")
    hosts = ours.pop("host", {})
    new = {url: host for url, host in hosts.items() if url not in there}
    known = {url: host for url, host in hosts.items() if url in there}
    if known or not hosts:
        # Without any, [host] has to be there all the same: containerd 1.6 demands it.
        ours["host"] = known
    wanted = combined(theirs, ours, where)
    result = edited(text, Merge.TOML, wanted, where)
    return _with_hosts(result, new, wanted, where) if new else result


def note_hidden(path: str, draft: Draft) -> None:
    """Note it where a new file for a host hides the owner's one for all hosts."""
    folder, host = os.path.split(os.path.dirname(path))
    default = os.path.join(folder, "_default", NAME)
    if draft.read(default) is not None:
        draft.notes.append(
            f"{draft.where(default)} is not read for {host} any more, which has a file of its own"
        )


def _to_be_first(ours: dict[str, Any], theirs: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return what to bring in, so that lreg is asked first whatever is there already."""
    if ours.get("host") and "server" in theirs:
        # There it says only who is asked last.
        return {key: value for key, value in ours.items() if key != "server"}
    if not ours.get("host") and theirs.get("host"):
        # `server` alone would come after the hosts that are there.
        server = ours["server"]
        if "[" in server:
            raise LregError(
                f"{where} has hosts of its own, and containerd 1.x can't have {server} beside "
                "them: take them away, or give lreg a name by --registry-name"
            )
        return ours | {"host": {server: {"capabilities": ["pull", "resolve"]}}}
    return ours


def _with_hosts(text: str, new: Mapping[str, Any], wanted: Mapping[str, Any], where: str) -> str:
    """Return the text with tables of hosts before those it has: tomlkit can't put them there."""
    block = _tables(new)
    if match := _HOST.search(text):
        result = f"{text[: match.start()]}{block}\n{text[match.start() :]}"
    else:
        result = f"{text.rstrip()}\n\n{block}" if text.strip() else block
    hosts = {**new, **wanted.get("host", {})}
    try:
        found = tomllib.loads(result)
    except tomllib.TOMLDecodeError:
        found = {}
    if found != {**wanted, "host": hosts} or list(found["host"]) != list(hosts):
        raise LregError(
            f"{where} is written in a way that lreg can't edit: put this before its hosts by hand, "
            f"then apply again: {' '.join(block.split())}"
        )
    return result


def _tables(hosts: Mapping[str, Any]) -> str:
    tables = tomlkit.table(is_super_table=True)
    for url, host in hosts.items():
        tables[url] = host
    document = tomlkit.document()
    document["host"] = tables
    return tomlkit.dumps(document)
