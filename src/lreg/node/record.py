"""What `lreg node apply` did to a node, kept on the node: who may take it back, and how."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lreg.errors import LregError
from lreg.locks import alone
from lreg.node.plan import Mechanism, Merge, NodeFile, NodePlan, RegistryAddress
from lreg.node.rooted import Root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = "var/lib/lreg-node"
STATE = f"{FOLDER}/state.json"
ORIGINALS = f"{FOLDER}/original"
_FORMAT = 1
# Any bytes, one character each: a state file that people can read.
_BYTES = "latin-1"


@dataclass(frozen=True, slots=True)
class Applied:
    """What was applied for one runtime: the plan, and the files that came of it."""

    plan: NodePlan
    files: tuple[NodeFile, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of one file that was changed.

    Attributes:
        original: what it is to hold once all is taken back; None: it goes.
        written: everything that we may have left in it, the last first.
    """

    original: bytes | None
    written: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """What was done to a node.

    Attributes:
        runtimes: by name, in the order in which they were applied.
        files: by path without links, relative to the root.
        folders: that were made for these files, the outermost first.
    """

    runtimes: dict[str, Applied] = field(default_factory=dict)
    files: dict[str, Kept] = field(default_factory=dict)
    folders: tuple[str, ...] = ()


def remembered(root: Path) -> dict[str, NodePlan]:
    """Return what a node was told, by runtime; nothing where nothing was applied.

    Args:
        root: the node's.

    Raises:
        LregError: the record can't be read.
    """
    return {name: applied.plan for name, applied in load(Root(root)).runtimes.items()}


def check_place(root: Root) -> None:
    """Raise LregError where a link in a folder that is not this machine's leads the record away."""
    if root.folder != "/" and root.resolve(STATE) != STATE:
        raise LregError(
            f"{root.absolute(FOLDER)} lies behind a link, which may lead anywhere: take it away, "
            "or run lreg on that node itself"
        )


def load(root: Root) -> Record:
    """Return the record of a node, an empty one where there is none; raise LregError."""
    check_place(root)
    text = root.read(STATE)
    if text is None:
        return Record()
    try:
        value = json.loads(text)
        if value["format"] != _FORMAT:
            raise LregError(
                f"{root.absolute(STATE)} is of another version of lreg: undo with that one"
            )
        return _decoded(value)
    except (ValueError, KeyError, TypeError) as error:
        raise LregError(
            f"{root.absolute(STATE)} is damaged ({error}): the originals are in "
            f"{root.absolute(ORIGINALS)}; put them back by hand, then remove "
            f"{root.absolute(FOLDER)}"
        ) from error


def encoded(record: Record) -> bytes:
    """Return what `load` reads."""
    value = {
        "format": _FORMAT,
        "runtimes": {name: _of_applied(each) for name, each in record.runtimes.items()},
        "files": {
            path: {"original": _text(kept.original), "written": list(map(_text, kept.written))}
            for path, kept in record.files.items()
        },
        "folders": record.folders,
    }
    return f"{json.dumps(value, indent=1)}\n".encode()


@contextlib.contextmanager
def locked(root: Root) -> Iterator[None]:
    """Keep other processes from changing the node as well; the record's folder has to be there."""
    while True:
        with alone(root.absolute(FOLDER)) as folder:
            # The one who had the lock may have taken the folder away.
            if _is_still(root.absolute(FOLDER), folder):
                yield
                return


def _is_still(path: str, descriptor: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    return False


def _of_applied(applied: Applied) -> dict[str, Any]:
    plan = asdict(applied.plan) | {"mechanism": applied.plan.mechanism.value}
    files = [asdict(file) | {"merge": file.merge.value} for file in applied.files]
    return {"plan": plan, "files": files}


def _decoded(value: dict[str, Any]) -> Record:
    for path in (*value["files"], *value["folders"]):
        # Whoever made an image may have had a say in the record within.
        if os.path.normpath(path) != path or path.startswith(("/", "..")):
            raise ValueError(f"{path!r} leads out of the node")
    return Record(
        {name: _applied(each) for name, each in value["runtimes"].items()},
        {
            path: Kept(
                _bytes(each["original"]), tuple(text.encode(_BYTES) for text in each["written"])
            )
            for path, each in value["files"].items()
        },
        tuple(value["folders"]),
    )


def _applied(value: dict[str, Any]) -> Applied:
    plan = value["plan"]
    return Applied(
        NodePlan(
            **plan
            | {
                "registry": RegistryAddress(**plan["registry"]),
                "upstreams": tuple(plan["upstreams"]),
                "mechanism": Mechanism(plan["mechanism"]),
            }
        ),
        tuple(NodeFile(**each | {"merge": Merge(each["merge"])}) for each in value["files"]),
    )


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(_BYTES)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode(_BYTES)
