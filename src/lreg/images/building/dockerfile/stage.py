"""One stage of a Dockerfile while it is built: its config, its layers and its files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lreg.errors import LregError, UsageError
from lreg.images.building.base import BaseBlob
from lreg.images.building.config import ImageConfig
from lreg.images.building.draft import Draft
from lreg.images.building.layers import BuiltLayer, write_layer
from lreg.images.building.root import Root
from lreg.images.contents.entries import read_entries
from lreg.images.contents.layers import Layers
from lreg.oci import mediatypes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lreg.images.building.base import Base
    from lreg.images.building.sources import Work
    from lreg.images.contents.entries import Entry
    from lreg.images.members import Member
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.platform import Platform

# What an image has whose base says nothing, as with Docker.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Docker's layers are OCI's under other names (image-spec, media-types.md, "Compatibility Matrix").
_AS_OCI = {
    mediatypes.DOCKER_LAYER_GZIP: mediatypes.OCI_LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar": mediatypes.OCI_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": mediatypes.OCI_LAYER_ZSTD,
}


class StageImage:
    """An image that grows.

    Attributes:
        config: its config by now.
        layers: lowest first, those of other images and those that were built.
    """

    def __init__(self, config: ImageConfig, work: Work) -> None:
        """Begin from nothing: see also `on_base` and `child`."""
        self.config = config
        self.layers: list[BaseBlob | BuiltLayer] = []
        self._work = work
        self._contents: dict[tuple[int, int], Member] = {}
        self._root: Root | None = None
        self._parent: StageImage | None = None

    @classmethod
    def from_scratch(cls, platform: Platform, work: Work) -> StageImage:
        """Return an image of nothing."""
        made = cls(ImageConfig(platform, work.recipe.epoch), work)
        made._root = Root()
        made._with_path()
        return made

    @classmethod
    def on_base(cls, base: Base, work: Work) -> StageImage:
        """Return an image that is another one by now; nothing of its layers is read.

        Raises:
            LregError: its config can't be had, or makes no sense.
        """
        manifest = base.manifest
        if manifest.config is None:
            raise UsageError(f"{manifest.digest} is an index, not an image")
        raw = b"".join(base.read(manifest.config))
        made = cls(ImageConfig.of_base(raw, work.recipe.epoch), work)
        made.layers = [BaseBlob(base, _as_oci(layer)) for layer in manifest.layers]
        made._with_path()
        return made

    def child(self) -> StageImage:
        """Return another one that begins with what this is, which may not grow any more."""
        made = StageImage(self.config.copy(), self._work)
        made.layers = list(self.layers)
        made._contents, made._parent = dict(self._contents), self
        return made

    @property
    def root(self) -> Root:
        """Its files; what other images have of them is looked up when this is first asked for."""
        if self._root is None:
            self._root = self._parent.root.copy() if self._parent else self._read()
        return self._root

    def members(self, entries: Iterable[Entry]) -> dict[tuple[int, int], Member]:
        """Return the contents of files by their places; those in other images are fetched now."""
        places = {entry.place for entry in entries}
        for number in sorted({layer for layer, _ in places - self._contents.keys()}):
            wanted = {position for layer, position in places if layer == number}
            self._fetch(number, wanted)
        return {place: self._contents[place] for place in places}

    def draft(self, *, alone: bool = False) -> Draft:
        """Return a layer to be put on top by `add`; `alone`: as if there were none below."""
        return Draft(Root() if alone else self.root, len(self.layers))

    def add(self, draft: Draft, created_by: str) -> None:
        """Put a layer on top, unless it is empty, and record what made it.

        Raises:
            UsageError: a file of it can't be read.
        """
        if draft.is_empty:
            self.config.record(created_by)
            return
        if draft.root is not self.root:
            self.root.apply(file.entry for file in draft.files())
        layer = write_layer(draft.files(), self._work.staging, self._work.recipe)
        self.layers.append(layer)
        self._contents |= draft.contents
        self.config.record(created_by, layer.diff_id)

    def _with_path(self) -> None:
        if "PATH" not in self.config.environment:
            self.config.set_environment({"PATH": _PATH})

    def _read(self) -> Root:
        root = Root()
        for number in range(len(self.layers)):
            try:
                root.apply(self._below.entries(number))
            except LregError as error:
                raise UsageError(f"layer {number + 1} of the base: {error}") from error
        return root

    def _fetch(self, number: int, wanted: set[int]) -> None:
        layer = self._below.open(number)
        for entry in read_entries(layer, number):
            if entry.place[1] in wanted and entry.is_file:
                pieces = layer.pieces(entry.size)
                self._contents[entry.place] = self._work.staging.add(entry.path, pieces)

    @property
    def _below(self) -> Layers:
        """The layers of other images, as they are read."""
        bases = [layer for layer in self.layers if isinstance(layer, BaseBlob)]
        blobs = {blob.descriptor.digest: blob for blob in bases}
        described = tuple(blob.descriptor for blob in bases)
        return Layers(described, lambda layer: blobs[layer.digest].pieces())


def _as_oci(layer: Descriptor) -> Descriptor:
    return replace(layer, media_type=_AS_OCI.get(layer.media_type, layer.media_type))
