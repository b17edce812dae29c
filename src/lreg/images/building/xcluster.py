"""Folders of images as xcluster has them: an executable `tar` beside `manifest.json`.

`./tar FILE` writes the image's root as a tar, `./tar -` to stdout. manifest.json is an ACI image
manifest of which name, the labels `version`, `os` and `arch`, and `app.exec` have a meaning.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from lreg.errors import LregError, UsageError
from lreg.images.building.build import Part
from lreg.images.building.config import ImageConfig
from lreg.images.building.draft import Draft
from lreg.images.building.layers import write_layer
from lreg.images.building.objects import read_object
from lreg.images.building.root import Root
from lreg.images.building.unpacking import unpack
from lreg.images.contents.unpacking import Plain
from lreg.oci.platform import Platform
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lreg.images.building.layers import Recipe
    from lreg.images.building.staging import Staging

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Overlay:
    """What manifest.json says.

    Attributes:
        name: what the image is called, with its tag.
        command: what it runs.
        platform: what for, None where it does not say.
    """

    name: Reference
    command: tuple[str, ...]
    platform: Platform | None

    @classmethod
    def read(cls, path: Path) -> Overlay:
        """Return what a manifest.json says.

        Raises:
            UsageError: it can't be read, or lacks something.
        """
        return read_object(path, cls._parse)

    @classmethod
    def _parse(cls, fields: dict[str, Any]) -> Overlay:
        labels = _labels(fields.get("labels"))
        if "version" not in labels:
            raise UsageError('it needs {"name": "version", "value": "…"} among its labels')
        app = fields.get("app")
        command = app.get("exec") if isinstance(app, dict) else None
        if not isinstance(command, list) or not all(isinstance(one, str) for one in command):
            raise UsageError("app.exec must be the list of strings that the image runs")
        name = Reference.parse(f"{fields.get('name', '')}:{labels['version']}")
        platform = None
        if "arch" in labels:
            platform = Platform.parse(f"{labels.get('os', 'linux')}/{labels['arch']}")
        return cls(name, tuple(command), platform)


def _labels(value: object) -> dict[str, str]:
    pairs: list[Any] = value if isinstance(value, list) else []
    return {
        str(pair.get("name")): str(pair.get("value")) for pair in pairs if isinstance(pair, dict)
    }


def has_script(folder: Path) -> bool:
    """Return whether a folder has a `tar` that can be run."""
    return os.access(folder / "tar", os.X_OK) and (folder / "tar").is_file()


def overlay_part(
    folder: Path, overlay: Overlay, platform: Platform, staging: Staging, recipe: Recipe
) -> Part:
    """Return the image of what the folder's `tar` writes.

    Raises:
        UsageError: it writes no tar, or one with what an image can't hold.
        LregError: it fails.
    """
    draft = Draft(Root(), 0)
    with _running(folder, "-", stdout=subprocess.PIPE) as pieces:
        unpack(Plain(pieces), draft, staging)
        # A script whose last bytes nobody takes fails.
        for _ in pieces:
            pass
    layer = write_layer(draft.files(), staging, recipe)
    config = ImageConfig(platform, recipe.epoch)
    config.run["Cmd"] = list(overlay.command)
    config.record("./tar -", layer.diff_id)
    return Part(config, (layer,))


def write_context(folder: Path, context: Path) -> None:
    """Have the folder's `tar` write `ovl.tar` into a folder; raise LregError where it fails."""
    with _running(folder, str(context / "ovl.tar"), stdout=2):
        pass


@contextmanager
def _running(folder: Path, argument: str, stdout: int) -> Iterator[Iterator[bytes]]:
    """Run `./tar ARGUMENT` within the context and give its output; its complaints go to stderr."""
    script = str((folder / "tar").absolute())
    try:
        process = subprocess.Popen([script, argument], cwd=folder, stdout=stdout)
    except OSError as error:
        raise UsageError(f"{script} can't be run: {error.strerror}") from error
    with process:
        try:
            yield _pieces(process.stdout)
        except LregError as error:
            process.kill()
            raise UsageError(f"{script} {argument}: {error}") from error
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise LregError(f"{script} {argument} failed: exit code {process.returncode}")


def _pieces(output: IO[bytes] | None) -> Iterator[bytes]:
    while output and (piece := output.read(_PIECE)):
        yield piece
