"""What shells offer when TAB is pressed behind a command line."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What bash does at TAB: the words broken at colons, the cursor in the last one.
_BASH = """
eval "$(lreg completion bash)"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_lreg_completion lreg
printf '%s\\n' "${COMPREPLY[@]}"
"""
_FISH = 'lreg completion fish | source; complete -C "$LINE"'
# zsh completes in its line editor only: that types the line, presses TAB and then ^X, which leaves.
# What it offers is what compadd is given (zshcompwid(1)).
_ZSH = """
autoload -Uz compinit && compinit -u -D
eval "$(lreg completion zsh)"
compadd() {
    local -a all
    builtin compadd -O all "$@"
    print -rl -- $all >>$OFFERED
    builtin compadd "$@"
}
leave() { exit }
begin() { zle -U $LINE$'\\t\\x18' }
zle -N leave
zle -N zle-line-init begin
bindkey '^X' leave
"""


def bash(env: Mapping[str, str], _: Path, line: str) -> list[str]:
    """What bash offers in place of what follows the last colon."""
    words = re.findall(r":|[^: ]+|(?<= )$", line)
    command = ["bash", "-c", _BASH, "bash", *words]
    said = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert said.stderr == ""
    return said.stdout.split()


def fish(env: Mapping[str, str], _: Path, line: str) -> list[str]:
    """What fish offers; it shows each with its description, behind a tab."""
    command = ["fish", "--no-config", "-c", _FISH]
    env = {**env, "LINE": line}
    said = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert said.stderr == ""
    return [offer.partition("\t")[0] for offer in said.stdout.splitlines()]


def zsh(env: Mapping[str, str], home: Path, line: str) -> list[str]:
    """What zsh offers."""
    (home / ".zshrc").write_text(_ZSH)
    offered = home / "offered"
    offered.write_bytes(b"")
    env = {**env, "ZDOTDIR": str(home), "LINE": line, "OFFERED": str(offered)}
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        ["zsh", "-d", "-i"],
        env=env,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    ):
        os.close(terminal)
        read_terminal(controller)
    return list(filter(None, offered.read_text().splitlines()))


def read_terminal(descriptor: int) -> bytes:
    """Return everything that a terminal shows until it is closed."""
    shown = b""
    while True:
        try:
            piece = os.read(descriptor, 1 << 16)
        except OSError:  # how Linux says that the other end of a terminal was closed
            piece = b""
        if not piece:
            os.close(descriptor)
            return shown
        shown += piece
