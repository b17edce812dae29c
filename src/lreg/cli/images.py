"""`lreg images`: which images manifests, charts, overlays or a cluster need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lreg.cli.options.printing import json_option
from lreg.cli.options.sources import look, names_any, source_options
from lreg.cli.output.text import columns, print_json, printable
from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lreg.images.finding.found import Need
    from lreg.images.finding.sources import Sources


@click.command(
    epilog="Examples: lreg images ./manifests; lreg images chart-1.2.tgz --values mine.yaml; "
    "lreg images --kubeadm v1.30.2; kustomize build . | lreg images -"
)
@source_options
@click.option("--where", is_flag=True, help="Below each image list the places that name it.")
@json_option
def command(
    *,
    sources: Sources,
    only_sure: bool,
    exclude: tuple[str, ...],
    where: bool,
    as_json: bool,
) -> None:
    """List every image that is named in each PATH: a file, a folder, - for stdin.

    Found are the images of Kubernetes objects of any kind, kustomizations (by kustomize or kubectl
    if one is here), Helm charts (by helm if it is here), compose files and xcluster overlays, the
    last also by name along $XCLUSTER_OVLPATH.

    One image a line, its whole name. `guessed` stands after what only looks like one: in an
    argument, a variable, a ConfigMap, a chart that is not rendered. What can't be read is said on
    stderr.
    """
    if not names_any(sources):
        raise UsageError("name files or folders, or use --kubeadm or --cluster")
    needs, findings = look(sources, only_sure=only_sure, exclude=exclude)
    if as_json:
        from lreg.images.finding.found import as_json as fields  # noqa: PLC0415

        print_json(fields(needs, findings.problems))
        return
    for line in _with_places(needs) if where else columns(map(_row, needs)):
        click.echo(line)


def _row(need: Need) -> tuple[str, str]:
    return need.image, "" if need.sure else "guessed"


def _with_places(needs: Sequence[Need]) -> Iterator[str]:
    for need in needs:
        yield f"{need.image}{'' if need.sure else '  guessed'}"
        for found in need.found:
            yield f"  {printable(str(found.place))}{'' if found.sure else '  guessed'}"
