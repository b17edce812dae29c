"""What the commands share that look for images in manifests: what to look through, and the list."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.images.finding.found import Findings, Need
    from lreg.images.finding.sources import Sources

F = TypeVar("F", bound=Callable[..., Any])


def source_options(function: F) -> F:
    """Give a command PATHs and what else names images.

    It gets `sources`, `only_sure` and `exclude`.
    """

    @functools.wraps(function)
    def wrapped(
        *args: Any,
        path: tuple[str, ...],
        values: tuple[Path, ...],
        settings: tuple[str, ...],
        kubeadm: str,
        cluster: bool,
        kubeconfig: Path | None,
        context: str,
        no_render: bool,
        **options: Any,
    ) -> Any:
        from lreg.images.finding.cluster import Cluster  # noqa: PLC0415 -- `--help` needs no YAML
        from lreg.images.finding.helm import Values  # noqa: PLC0415
        from lreg.images.finding.sources import Sources  # noqa: PLC0415

        asked = Cluster(kubeconfig, context) if cluster or kubeconfig or context else None
        given = Values(values, settings)
        return function(
            *args, sources=Sources(path, given, kubeadm, asked, not no_render), **options
        )

    decorated: Any = wrapped
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return cast("F", decorated)


_OPTIONS = (
    click.argument("path", nargs=-1, type=click.Path()),
    click.option(
        "--values",
        multiple=True,
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        metavar="FILE",
        help="Values for the Helm charts; may be repeated.",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="A value for the Helm charts, as of `helm --set`; may be repeated.",
    ),
    click.option(
        "--kubeadm",
        default="",
        metavar="VERSION",
        help="Also what kubeadm of this version of Kubernetes pulls, pause included.",
    ),
    click.option("--cluster", is_flag=True, help="Also what a live cluster runs, by kubectl."),
    click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        metavar="FILE",
        help="How to reach that cluster.  [default: as kubectl]",
    ),
    click.option("--context", default="", metavar="NAME", help="Which context of the kubeconfig."),
    click.option(
        "--no-render",
        is_flag=True,
        help="Run neither kustomize nor helm: read what is theirs as it stands.",
    ),
    click.option("--only-sure", is_flag=True, help="Leave out images that are guessed."),
    click.option(
        "--exclude",
        multiple=True,
        metavar="GLOB",
        help="Leave out images whose whole names match, such as '*:local'.",
    ),
)


def look(
    sources: Sources, *, only_sure: bool, exclude: Sequence[str] = ()
) -> tuple[tuple[Need, ...], Findings]:
    """Return the images that are needed, by name, and all that was found.

    What could not be read is said on stderr.

    Args:
        sources: what to look through.
        only_sure: leave out guesses.
        exclude: globs of names to leave out.
    """
    from lreg.images.finding.sources import find  # noqa: PLC0415 -- `--help` needs no YAML

    findings = find(sources, os.environ)
    for problem in sorted(set(findings.problems)):
        click.echo(f"lreg: {problem}", err=True)
    needs = (need for need in findings.needs() if need.sure or not only_sure)
    kept = (need for need in needs if not any(fnmatchcase(need.image, each) for each in exclude))
    return tuple(kept), findings


def names_any(sources: Sources) -> bool:
    """Return whether there is anything to look through."""
    return bool(sources.names or sources.kubernetes or sources.cluster)
