"""A lreg whose internet is made of fakes on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.support.registries import start_lreg

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.registries import Running

Upstreams = Mapping[str, "str | Mapping[str, object]"]
"""By host: the URL to dial instead of it, or the whole table."""

# What takes a minute of a user's time takes a second of a test's.
HASTE = 'upstream-stall = "1s"\nupstream-patience = "4s"\n'


def write_config(folder: Path, upstreams: Upstreams, settings: str = HASTE) -> Path:
    """Write a lreg.toml and return it.

    Args:
        folder: where to.
        upstreams: the fakes.
        settings: the other settings and tables, as TOML.
    """
    lines = [settings]
    for host, table in upstreams.items():
        fields = table if isinstance(table, Mapping) else {"address": table}
        lines.append(f"[upstream.{json.dumps(host)}]")
        # What JSON calls a string, a number, a list or true, TOML does too.
        lines += [f"{key} = {json.dumps(value)}" for key, value in fields.items()]
    file = folder / "lreg.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


def start_mirror(
    folder: Path,
    upstreams: Upstreams,
    *options: str,
    settings: str = HASTE,
    tls: bool = False,
    inside: Sequence[str] = (),
    port: int = 0,
) -> Running:
    """Start `lreg serve` between clients and fakes; as `start_lreg` and `write_config` take it.

    Its store is `folder/store`: one that is started again finds what the last one left.
    """
    config = write_config(folder, upstreams, settings)
    options = (f"--config={config}", "--no-offline", *options)
    return start_lreg(folder, *options, tls=tls, inside=inside, port=port)


class Start:
    """Starts registries, as `start_mirror` does, one after the other on the same store.

    Args:
        folder: where.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Running] = []

    def __call__(
        self,
        upstreams: Upstreams,
        *options: str,
        settings: str = HASTE,
        tls: bool = False,
        inside: Sequence[str] = (),
        port: int = 0,
    ) -> Running:
        """Start one; the arguments are those of `start_mirror`."""
        made = start_mirror(
            self._folder, upstreams, *options, settings=settings, tls=tls, inside=inside, port=port
        )
        self._started.append(made)
        return made

    def close(self) -> None:
        """End those that still run, and hold them to what they promise."""
        for each in self._started:
            if not each.process.has_ended:
                each.stop()
