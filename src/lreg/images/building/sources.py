"""What images are built from: folders of a root, xcluster's, those with an image.json."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from lreg.errors import UsageError
from lreg.images.building.base import NoBases
from lreg.images.building.build import Part, put_together
from lreg.images.building.config import ImageConfig
from lreg.images.building.described import ImageSource
from lreg.images.building.dockerfile.building import DockerfileSource
from lreg.images.building.folder import folder_files, plain_mode
from lreg.images.building.layers import Recipe, write_layer
from lreg.images.building.staging import Staging
from lreg.images.building.xcluster import Overlay, has_script, overlay_part
from lreg.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lreg.images.building.base import Bases
    from lreg.images.building.build import BuiltImage


@dataclass(frozen=True, slots=True)
class Work:
    """What building takes besides what is built.

    Attributes:
        staging: where the image lies, as long as that lasts.
        recipe: how layers are written.
        bases: where the images are that it is built on.
        platforms: what to build for; none: what the source says, else this machine's.
        say: is told of every step.
    """

    staging: Staging
    recipe: Recipe
    bases: Bases = field(default_factory=NoBases)
    platforms: Sequence[Platform] = ()
    say: Callable[[str], object] = lambda _line: None

    @property
    def wanted(self) -> Sequence[Platform]:
        """What to build for where the source does not say."""
        return self.platforms or [Platform.here()]


class Source(Protocol):
    """What an image is built from."""

    def parts(self, work: Work) -> list[Part]:
        """Return the image for each platform.

        Raises:
            LregError: it can't be built.
        """


@dataclass(frozen=True, slots=True)
class Additions:
    """What is said of an image beside its source.

    Attributes:
        run: fields of the config object of image configs (config.md), in place of the source's.
        environment: variables to be set, beside the source's.
        labels: in its configs.
        annotations: of its manifests.
    """

    run: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


def build_image(source: Source, work: Work, additions: Additions) -> BuiltImage:
    """Return the image of a source, with what is said beside it.

    Raises:
        LregError: it can't be built.
    """
    parts = source.parts(work)
    for part in parts:
        part.config.run |= additions.run
        if additions.environment:
            part.config.set_environment(additions.environment)
        part.config.add_labels(additions.labels)
    return put_together(parts, work.staging, additions.annotations)


@contextmanager
def build(source: ImageSource, *, epoch: int = 0) -> Iterator[BuiltImage]:
    """Build the image of `source`; its layers are gone when the context ends.

    Args:
        source: names, folders and what runs.
        epoch: every time in the image, in seconds since 1970.

    Raises:
        UsageError: a root holds something that an image can't (a socket, a device), or that
            can't be read.
    """
    with Staging() as staging:
        yield build_image(DescribedFolder(source), Work(staging, Recipe(epoch)), Additions())


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is said of a folder's source.

    Attributes:
        dockerfile: one that lies elsewhere.
        manifest: a manifest.json that lies elsewhere.
        target: which stage of a Dockerfile; "" is the last.
        arguments: values for a Dockerfile's ARGs.
    """

    dockerfile: Path | None = None
    manifest: Path | None = None
    target: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)


def find_source(folder: Path, wishes: Wishes) -> tuple[Source, str | None]:
    """Return what a folder is for an image to be built from, and what that calls itself.

    A Dockerfile goes before a manifest.json, and that before an image.json.

    Raises:
        UsageError: nothing that is known here, or it is not well-formed.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder")
    if dockerfile := wishes.dockerfile or _dockerfile(folder):
        scripted = has_script(folder)
        source = DockerfileSource(dockerfile, folder, wishes.target, wishes.arguments, scripted)
        return source, None
    if has_script(folder):
        overlay = Overlay.read(wishes.manifest or folder / "manifest.json")
        return OverlayFolder(folder, overlay), str(overlay.name)
    if (folder / "image.json").exists():
        described = ImageSource.read(folder)
        return DescribedFolder(described), str(described.name)
    raise UsageError(
        f"{folder} has neither a Dockerfile, an executable `tar` with a manifest.json nor an "
        "image.json: --from-dir makes an image of any folder"
    )


def _dockerfile(folder: Path) -> Path | None:
    names = (folder / name for name in ("Dockerfile", "Containerfile"))
    return next((path for path in names if path.is_file()), None)


@dataclass(frozen=True, slots=True)
class Roots:
    """Folders that are roots, for each platform one; None: for those that are wanted."""

    folders: Mapping[Platform | None, Path]

    def parts(self, work: Work) -> list[Part]:
        """Return an image of one layer for each."""
        return [
            _of_root(folder, platform, work)
            for named, folder in self.folders.items()
            for platform in ([named] if named else work.wanted)
        ]


def _of_root(folder: Path, platform: Platform, work: Work) -> Part:
    work.say(f"{platform}: {folder}")
    layer = write_layer(folder_files(str(folder)), work.staging, work.recipe)
    config = ImageConfig(platform, work.recipe.epoch)
    config.record("lreg build --from-dir", layer.diff_id)
    return Part(config, (layer,))


@dataclass(frozen=True, slots=True)
class OverlayFolder:
    """A folder with an executable `tar` and a manifest.json."""

    folder: Path
    overlay: Overlay

    def parts(self, work: Work) -> list[Part]:
        """Return the image of what its `tar` writes."""
        own = [self.overlay.platform] if self.overlay.platform else work.wanted
        made = []
        for platform in work.platforms or own:
            work.say(f"{platform}: {self.folder / 'tar'} -")
            made.append(
                overlay_part(self.folder, self.overlay, platform, work.staging, work.recipe)
            )
        return made


@dataclass(frozen=True, slots=True)
class DescribedFolder:
    """A folder with an image.json."""

    source: ImageSource

    def parts(self, work: Work) -> list[Part]:
        """Return an image of one layer for each root: with the modes that git keeps."""
        made = []
        for platform, root in self.source.roots.items():
            work.say(f"{platform}: {root}")
            layer = write_layer(folder_files(str(root), plain_mode), work.staging, work.recipe)
            config = ImageConfig(platform, work.recipe.epoch)
            config.run |= self.source.run
            config.record("lreg", layer.diff_id)
            made.append(Part(config, (layer,)))
        return made
