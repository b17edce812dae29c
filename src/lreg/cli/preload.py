"""`lreg preload`: what manifests need, brought into the registry here."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lreg.admin.values import Wanted, WantedImages
from lreg.cli.bringing.command import bring, bring_options, chosen
from lreg.cli.options.access import Access, access_options
from lreg.cli.options.sources import look, names_any, source_options
from lreg.cli.registries.naming import repository_of
from lreg.errors import NameInvalid, UsageError
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.cli.bringing.bring import Bringing
    from lreg.cli.registries.remote import Registries
    from lreg.images.finding.found import Need
    from lreg.images.finding.sources import Sources
    from lreg.images.lock import Locked
    from lreg.oci.digest import Digest
    from lreg.oci.platform import Platform
    from lreg.oci.reference import RepositoryName


@click.command(epilog="Example: lreg preload ./manifests --lock images.lock")
@source_options
@click.option("--force", is_flag=True, help="Ask upstream for what is here already, too.")
@click.option("--keep-going", is_flag=True, help="Go on with the others where an image fails.")
@click.option(
    "--lock",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a lock file of all the images, with their digests.",
)
@access_options
@bring_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    sources: Sources,
    only_sure: bool,
    exclude: tuple[str, ...],
    force: bool,
    keep_going: bool,
    lock: Path | None,
    platforms: tuple[Platform, ...],
    all_platforms: bool,
    referrers: bool,
    jobs: int,
    access: Access,
    quiet: bool,
    as_json: bool,
) -> None:
    """Bring the images that each PATH needs and that are not here, as `lreg cache` brings them.

    PATH is as for `lreg images`. With --referrers upstream is asked about all of them, also those
    that are here. An image that is only guessed and that nobody has is said on stderr, and is no
    error.
    """
    if not names_any(sources):
        raise UsageError("name files or folders, or use --kubeadm or --cluster")
    of_index = chosen(platforms, every=all_platforms)
    needs, _ = look(sources, only_sure=only_sure, exclude=exclude)
    work = Preload(needs, of_index, jobs, force=force, keep_going=keep_going, referrers=referrers)
    bringing = work.run(access, lock, platforms, quiet=quiet)
    bring(ctx, bringing, quiet=quiet, as_json=as_json, guessed=work.guessed)


@dataclass(frozen=True)
class Preload:
    """Images to bring.

    Attributes:
        needs: the images.
        of_index: which images of an index, as `Wanted` has it.
        jobs: how many at a time.
        force: whether those that are here are asked for again.
        keep_going: whether to go on where one fails that is no guess.
        referrers: whether to bring what refers to them too, of those that are here as well.
    """

    needs: Sequence[Need]
    of_index: tuple[str, ...]
    jobs: int
    force: bool
    keep_going: bool
    referrers: bool

    @property
    def guessed(self) -> frozenset[str]:
        """The images that are guessed."""
        return frozenset(need.image for need in self.needs if not need.sure)

    async def run(
        self, access: Access, lock: Path | None, platforms: Sequence[Platform], *, quiet: bool
    ) -> Bringing:
        """Bring them, and write the lock file; return what became of them."""
        from lreg.cli.registries.remote import Registries  # noqa: PLC0415 -- `--help` needs no client

        async with Registries(access) as registries:
            found = await self._bring(registries, quiet=quiet)
            failed = {one.image for one in found.failed}
            if lock and (self.keep_going or not failed - self.guessed):
                from lreg.images.lock import write  # noqa: PLC0415

                known = {one.image: one.digest for one in found.brought}
                here = [need.image for need in self.needs if need.image not in failed]
                write(lock, [await _locked(registries, one, known, platforms) for one in here])
        return found

    async def _bring(self, registries: Registries, *, quiet: bool) -> Bringing:
        from lreg.cli.bringing.bring import Bringing, by_copies, by_fills  # noqa: PLC0415
        from lreg.cli.bringing.missing import missing_images  # noqa: PLC0415
        from lreg.cli.output.progress import shown  # noqa: PLC0415

        names = [need.image for need in self.needs]
        if not (self.force or self.referrers):
            # Which images of an index a registry that is no lreg should have, nothing tells.
            names = [one.image for one in await missing_images(registries, names, self.of_index)]
        if not names:
            return Bringing()
        images = tuple(Wanted(name, self.of_index) for name in names)
        wanted = WantedImages(images, self.jobs, self.referrers)
        stop_at = frozenset() if self.keep_going else frozenset(names) - self.guessed
        admin = await registries.admin()
        with shown(quiet=quiet) as progress:
            if admin:
                return await by_fills(admin, wanted, progress, stop_at)
            return await by_copies(registries, wanted, progress, stop_at)


async def _locked(
    registries: Registries, image: str, known: dict[str, str], platforms: Sequence[Platform]
) -> Locked:
    from lreg.images.lock import Locked  # noqa: PLC0415
    from lreg.oci.digest import Digest  # noqa: PLC0415

    reference = Reference.parse(image)
    name = _kept_as(reference, registries.local_host)
    digest = known.get(image)
    found = Digest.parse(digest) if digest else await _digest(registries, reference, name)
    return Locked(name, reference.tag, found, tuple(platforms))


def _kept_as(reference: Reference, own_host: str) -> RepositoryName:
    """Return the repository here in which lreg keeps an image; without a host one of its own."""
    if reference.host != own_host:
        with suppress(NameInvalid):  # an address in brackets begins no repository's name
            return repository_of(reference)
    return reference.repository


async def _digest(registries: Registries, reference: Reference, name: RepositoryName) -> Digest:
    """Return what an image that is here is: under its whole name, else the one without a host."""
    from lreg.cli.bringing.missing import ABSENT  # noqa: PLC0415

    try:
        here = await registries.repository(Reference(registries.local_host, name))
        return (await here.resolve(reference.selector)).digest
    except ABSENT:
        plain = Reference(registries.local_host, reference.repository)
        repository = await registries.repository(plain)
        return (await repository.resolve(reference.selector)).digest
