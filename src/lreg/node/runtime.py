"""What is known of a runtime, whatever it is to be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lreg.node.plan import Mechanism, NodeFile, NodePlan

Commands = tuple[tuple[str, ...], ...]
Emit = Callable[[NodePlan], Iterable[NodeFile]]


@dataclass(frozen=True, slots=True)
class Runtime:
    """A container runtime, or a tool that sets nodes up.

    Attributes:
        name: by which commands call it.
        title: by which its makers do.
        emit: gives the files of a plan, for a node that had none of them; raises UsageError with
            the reason where it can't work, and what does.
        needs: by mechanism, what has to hold besides the files, in words; a mechanism that is
            absent can't work.
        cannot: by mechanism, what it can't do, in words.
        reload: by mechanism, the commands after which it heeds the files, to be run in this
            order; nothing where it needs none.
        restart: the commands that make it read everything anew: after what it was told is taken
            back, or a CA of the system has changed.
        on_node: whether the files lie on the node itself; else they are for the machine where
            nodes are made.
        carries: whether these bring the files of another runtime to nodes, `NodePlan.inner`.
    """

    name: str
    title: str
    emit: Emit
    needs: Mapping[Mechanism, str]
    cannot: Mapping[Mechanism, str] = field(default_factory=dict)
    reload: Mapping[Mechanism, Commands] = field(default_factory=dict)
    restart: Commands = ()
    on_node: bool = True
    carries: bool = False


def always(commands: Commands) -> Mapping[Mechanism, Commands]:
    """Return `Runtime.reload` where it is the same by every mechanism."""
    return dict.fromkeys(Mechanism, commands)


def needing(what: str) -> Mapping[Mechanism, str]:
    """Return `Runtime.needs` where each mechanism needs the same besides lreg and its CA."""
    return {
        Mechanism.MIRROR: what,
        Mechanism.SPOOF_HTTP: f"lreg on port 80; {what}",
        Mechanism.SPOOF_TLS: f"lreg on port 443 and its CA; {what}",
    }
