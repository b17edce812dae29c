"""`lreg node emit`: the files that tell a runtime where to look for images."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lreg.cli.node.planning import plan_options_when_asked
from lreg.cli.output.sink import write_to
from lreg.cli.output.text import print_json
from lreg.errors import UsageError
from lreg.node.overlay import overlay
from lreg.node.plan import Mechanism
from lreg.node.runtimes import RUNTIMES, files_for, runtime_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lreg.node.plan import NodeFile, NodePlan
    from lreg.node.runtime import Runtime


def _names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    del ctx, param
    return [name for name in RUNTIMES if name.startswith(incomplete)]


@click.command(
    epilog="Examples: lreg node emit containerd; lreg node emit crio --mechanism spoof-http -o "
    "out; lreg node emit docker --upstream docker.io -o - | tar -t"
)
@click.argument("runtime", required=False, shell_complete=_names)
@click.option(
    "-o",
    "--output",
    metavar="DIR|-",
    help="Write the files under DIR; -: as a tar to stdout.  [default: list them on stdout]",
)
@plan_options_when_asked
@click.option(
    "--node-runtime",
    metavar="RUNTIME",
    help="Which runtime is on the nodes, for cloud-init, kubernetes and minikube.  "
    "[default: containerd]",
)
@click.option("--list", "listing", is_flag=True, help="Say what each needs and what it can't do.")
@click.option("--json", "as_json", is_flag=True, help="Print the files, or the list, as JSON.")
def command(
    make_plan: Callable[[], NodePlan],
    *,
    runtime: str | None,
    output: str | None,
    node_runtime: str | None,
    listing: bool,
    as_json: bool,
) -> None:
    """Print the files that make RUNTIME pull from lreg; nothing on this machine is changed.

    Each is what a node gets that had none at its place: `lreg node apply` on the node itself
    brings them into files that hold more. Paths are relative to the node's root, or to DIR where
    the files are for the tool that makes nodes. A listing names each file in a line with # before
    it; of a single file nothing else is printed, and its path goes to stderr.
    """
    if listing:
        _list(as_json=as_json)
        return
    if runtime is None:
        raise UsageError(f"name a runtime: {', '.join(RUNTIMES)}")
    known = runtime_named(runtime)
    plan = make_plan()
    if node_runtime:
        if not known.carries:
            raise UsageError(f"{runtime} is itself what runs on nodes: leave --node-runtime out")
        plan = replace(plan, inner=runtime_named(node_runtime).name)
    files = files_for(runtime, plan)
    if as_json:
        print_json([_as_json(file) for file in files])
    elif output == "-":
        write_to("-", lambda file: file.write(overlay(files)))
    elif output is not None:
        _write(files, Path(output))
    else:
        _print(files)
    needs = known.needs[plan.mechanism]
    click.echo(f"lreg: {known.title} by {plan.mechanism.value} needs {needs}", err=True)


def _as_json(file: NodeFile) -> dict[str, Any]:
    return {**asdict(file), "merge": file.merge.value, "mode": f"{file.mode:04o}"}


def _print(files: Sequence[NodeFile]) -> None:
    if len(files) == 1:
        click.echo(f"lreg: {files[0].path}:", err=True)
        click.echo(files[0].text, nl=False)
        return
    click.echo("\n".join(f"# {file.path}\n{file.text}" for file in files), nl=False)


def _write(files: Iterable[NodeFile], folder: Path) -> None:
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)
        path.chmod(file.mode)
        click.echo(f"lreg: wrote {path}", err=True)


def _list(*, as_json: bool) -> None:
    if as_json:
        print_json({name: _facts(runtime) for name, runtime in RUNTIMES.items()})
        return
    for runtime in RUNTIMES.values():
        click.echo(click.style(f"{runtime.name}", bold=True) + f" ({runtime.title})")
        for how in Mechanism:
            click.echo(f"  {how.value:<10}  {_needs(runtime, how)}")
            if how in runtime.needs and how in runtime.cannot:
                click.echo(f"  {'':<10}  not: {runtime.cannot[how]}")


def _needs(runtime: Runtime, how: Mechanism) -> str:
    if how in runtime.needs:
        return f"needs {runtime.needs[how]}"
    return f"can't: {runtime.cannot[how]}"


def _facts(runtime: Runtime) -> dict[str, Any]:
    return {
        "title": runtime.title,
        "on_node": runtime.on_node,
        "mechanisms": {
            how.value: {
                "works": how in runtime.needs,
                "needs": runtime.needs.get(how, ""),
                "cannot": runtime.cannot.get(how, ""),
                "reload": [list(words) for words in runtime.reload.get(how, ())],
            }
            for how in Mechanism
        },
    }
