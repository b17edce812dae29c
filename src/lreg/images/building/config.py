"""Image configs while an image is built (image-spec, config.md)."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lreg.errors import UsageError
from lreg.oci.encoding import json_bytes
from lreg.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lreg.oci.digest import Digest


class ImageConfig:
    """What a config says by now.

    Attributes:
        run: its `config` object: Cmd, Env and so on, as config.md spells them.
        platform: what the image runs on.
    """

    def __init__(self, platform: Platform, epoch: int) -> None:
        """Make one of an image without layers.

        Args:
            platform: what the image runs on.
            epoch: its times, in seconds since 1970.
        """
        self.platform = platform
        self.run: dict[str, Any] = {}
        self._created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._fields: dict[str, Any] = {}
        self._history: list[dict[str, Any]] = []
        self._diff_ids: list[str] = []

    @classmethod
    def of_base(cls, raw: bytes, epoch: int) -> ImageConfig:
        """Return the config of an image that another is built on, to go on from.

        Raises:
            UsageError: it is none.
        """
        try:
            fields = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"its config is not JSON: {error}") from error
        if not isinstance(fields, dict):
            raise UsageError("its config is no JSON object")
        made = cls(Platform.from_json(fields), epoch)
        run, history = fields.pop("config", None), fields.pop("history", None)
        rootfs = fields.pop("rootfs", None)
        made.run = run if isinstance(run, dict) else {}
        made._history = history if isinstance(history, list) else []
        diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
        made._diff_ids = diff_ids if isinstance(diff_ids, list) else []
        kept = ("author", "os.version", "os.features")
        made._fields = {key: fields[key] for key in kept if key in fields}
        return made

    def copy(self) -> ImageConfig:
        """Return another one that says the same."""
        return deepcopy(self)

    def record(self, created_by: str, diff_id: Digest | None = None) -> None:
        """Add a step to the history, and the layer that it made if it made one."""
        step: dict[str, Any] = {"created": self._created, "created_by": created_by}
        if diff_id:
            self._diff_ids.append(str(diff_id))
        else:
            step["empty_layer"] = True
        self._history.append(step)

    def set_author(self, author: str) -> None:
        """Say who made the image."""
        self._fields["author"] = author

    @property
    def environment(self) -> dict[str, str]:
        """What `Env` says, by name."""
        return dict(text.partition("=")[::2] for text in self.run.get("Env") or ())

    def set_environment(self, variables: Mapping[str, str]) -> None:
        """Set variables; those that are there keep their places."""
        merged = self.environment | dict(variables)
        self.run["Env"] = [f"{name}={value}" for name, value in merged.items()]

    def add_labels(self, labels: Mapping[str, str]) -> None:
        """Set labels; the others stay."""
        if labels:
            self.run["Labels"] = {**(self.run.get("Labels") or {}), **labels}

    def to_bytes(self) -> bytes:
        """Return it as JSON, the same bytes for the same config; empty fields are left out."""
        fields = self._fields | {
            "architecture": self.platform.architecture,
            "config": {key: value for key, value in self.run.items() if value not in (None, "")},
            "created": self._created,
            "history": self._history,
            "os": self.platform.os,
            "rootfs": {"diff_ids": self._diff_ids, "type": "layers"},
        }
        if self.platform.variant:
            fields["variant"] = self.platform.variant
        return json_bytes(fields)
