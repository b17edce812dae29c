"""`lreg completion`: what a shell needs to complete lreg's command lines."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from lreg.errors import UsageError

_SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog="\b\n"
    "bash: lreg completion bash > ~/.local/share/bash-completion/completions/lreg\n"
    "zsh:  lreg completion zsh  > a file called _lreg in a folder of $fpath\n"
    "fish: lreg completion fish > ~/.config/fish/completions/lreg.fish\n"
)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, "lreg", "_LREG_COMPLETE").source())
