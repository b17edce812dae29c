"""Building an image and bringing it to where it is wanted: what `lreg build` does."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lreg.cli.building.bases import RegistryBase, RegistryBases
from lreg.cli.options.access import Access
from lreg.cli.output.progress import shown, stepping
from lreg.cli.registries.bridge import in_thread
from lreg.cli.registries.remote import Registries
from lreg.client.copy import push_image
from lreg.errors import UsageError
from lreg.images.archive import open_archive
from lreg.images.building.build import BuiltImage
from lreg.images.building.builders import Builder, Order, builder_here, built_by
from lreg.images.building.dockerfile.building import DockerfileSource
from lreg.images.building.sources import Additions, Work, build_image
from lreg.images.building.staging import Staging
from lreg.images.carrying import Carried, carried_files, write_tar
from lreg.images.layout import write_folder
from lreg.images.whole import whole_file
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lreg.cli.registries.bridge import Bridge
    from lreg.images.building.layers import Recipe
    from lreg.images.building.sources import Source
    from lreg.oci.descriptor import Descriptor
    from lreg.oci.digest import Digest
    from lreg.oci.platform import Platform


@dataclass(frozen=True, slots=True)
class Build:
    """What is to be built, and where it is to go.

    Attributes:
        source: what it is built from.
        recipe: how its layers are written.
        tags: what it is called, as they are to be printed.
        push: whether to push it under its tags.
        output: a folder, or a path with a slash at its end, that becomes an OCI layout; else a
            file that becomes the tar of one.
        platforms: what to build for; none: what the source says, else this machine's.
        additions: what is said of it beside its source.
        access: how to reach registries.
        builder: who is to build a Dockerfile; None: lreg, or another where it can't.
        quiet: show no progress.
    """

    source: Source
    recipe: Recipe
    tags: Sequence[str] = ()
    push: bool = False
    output: str | None = None
    platforms: Sequence[Platform] = ()
    additions: Additions = field(default_factory=Additions)
    access: Access = field(default_factory=Access)
    builder: Builder | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Built:
    """What was built.

    Attributes:
        digest: of the image, or of its index.
        platforms: what for.
        size: of everything that it consists of, in bytes.
        pushed: where it stands in registries now.
        seconds: how long it took.
    """

    digest: Digest
    platforms: tuple[Platform, ...]
    size: int
    pushed: tuple[Reference, ...]
    seconds: float


def build(wanted: Build) -> Built:
    """Build an image, and bring it to where it is wanted.

    Raises:
        UsageError: what is asked for makes no sense together.
        LregError: it can't be built, pushed or written.
    """
    if wanted.push and not wanted.tags:
        raise UsageError("--push needs a --tag: what the image is to be called")
    if wanted.output == "-":
        raise UsageError("stdout is for the tag: give --output a file, or a folder with a /")
    return asyncio.run(_build(wanted))


async def _build(wanted: Build) -> Built:
    begin = time.monotonic()
    async with Registries(wanted.access) as registries:
        names = [registries.parse(tag).tagged() for tag in wanted.tags]
        if digested := next((name for name in names if name.digest), None):
            raise UsageError(f"{digested}: a digest comes out of building; give a tag")
        with ExitStack() as stack:
            image = await in_thread(lambda bridge: _made(wanted, registries, bridge, stack))
            for name in names if wanted.push else ():
                await _push(registries, image, name, quiet=wanted.quiet)
            return Built(
                image.top.digest,
                image.platforms,
                image.size,
                tuple(names) if wanted.push else (),
                time.monotonic() - begin,
            )


def _made(wanted: Build, registries: Registries, bridge: Bridge, stack: ExitStack) -> BuiltImage:
    """Return the image, built and written; readable as long as `stack` lasts."""
    with stepping(quiet=wanted.quiet) as steps:

        def told(count: int) -> None:
            bridge.go_on()
            steps.told(count)

        work = Work(
            stack.enter_context(Staging()),
            replace(wanted.recipe, told=told),
            RegistryBases(registries, bridge),
            wanted.platforms,
            steps.say,
        )
        image = _image(wanted, work, stack)
        if wanted.output:
            steps.say(f"writing {wanted.output}")
            _write(image, wanted.tags, wanted.output, told)
    return image


def _image(wanted: Build, work: Work, stack: ExitStack) -> BuiltImage:
    """Return the image, built by lreg or by another builder."""
    source = wanted.source
    if isinstance(source, DockerfileSource):
        needs = source.needs(work.wanted)
        if builder := _other_builder(needs, wanted.builder):
            work.say(f"{needs or source.path}: built by {builder}")
            return _built_by(builder, source, wanted, stack)
    return build_image(source, work, wanted.additions)


def _other_builder(needs: str, named: Builder | None) -> Builder | None:
    """Return who is to build what needs something that lreg does not do; None: lreg itself.

    Raises:
        UsageError: there is nobody who can.
    """
    if named is Builder.LREG and needs:
        raise UsageError(f"{needs}, which lreg itself does not do: leave --builder to another")
    if named is not None or not needs:
        return None if named is Builder.LREG else named
    if (found := builder_here()) is None:
        raise UsageError(
            f"{needs}, which lreg itself does not do, and there is no buildah, BuildKit or docker "
            "here that would: install one (Debian: apt install buildah)"
        )
    return found


def _built_by(
    builder: Builder, source: DockerfileSource, wanted: Build, stack: ExitStack
) -> BuiltImage:
    additions = wanted.additions
    if len(wanted.platforms) > 1 or additions.run or additions.environment or additions.annotations:
        raise UsageError(
            f"{builder} builds for one --platform, and takes --label, but no --annotation, --cmd "
            "and the like from here: put them into the Dockerfile"
        )
    ready = stack.enter_context(source.prepared())
    order = Order(
        ready.path,
        ready.context,
        ready.target,
        ready.arguments,
        wanted.additions.labels,
        next(iter(wanted.platforms), None),
    )
    archive = stack.enter_context(built_by(builder, order))
    image = stack.enter_context(open_archive(archive))
    return BuiltImage(image.manifests, image.blobs)


async def _push(registries: Registries, image: BuiltImage, name: Reference, *, quiet: bool) -> None:
    based_on = [
        (blob.descriptor, blob.base.repository.blob(blob.descriptor))
        for blob in image.based_on
        if isinstance(blob.base, RegistryBase)
    ]
    with shown(quiet=quiet) as progress:
        await push_image(
            [*image.blobs, *based_on],
            image.manifests,
            await registries.repository(name),
            name.tag,
            progress=progress,
        )


def _write(
    image: BuiltImage, tags: Sequence[str], output: str, told: Callable[[int], None]
) -> None:
    def read(blob: Descriptor) -> Iterator[bytes]:
        for piece in holds[blob.digest].pieces():
            told(len(piece))
            yield piece

    holds = {descriptor.digest: content for descriptor, content in image.contents()}
    names = tuple(str(Reference.parse(tag).tagged()) for tag in tags)
    carried = Carried(names, image.manifests)
    files = carried_files((carried,), read)
    try:
        if os.path.isdir(output) or output.endswith(os.sep):
            write_folder(files, Path(output))
            return
        with whole_file(Path(output)) as file:
            write_tar(files, file)
    except OSError as error:
        raise UsageError(f"{output} can't be written: {error.strerror or error}") from error
