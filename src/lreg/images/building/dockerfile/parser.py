"""Reading Dockerfiles: every instruction with its own rules, whatever is wrong with its line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lreg.errors import UsageError
from lreg.images.building.dockerfile.fetching import is_repository, is_url
from lreg.images.building.dockerfile.instructions import (
    Arg,
    Command,
    Copy,
    Dockerfile,
    From,
    Healthcheck,
    Instruction,
    Onbuild,
    Pairs,
    Run,
    Stage,
    Text,
    Words,
)
from lreg.images.building.dockerfile.lines import read_statements
from lreg.images.building.dockerfile.words import (
    json_words,
    pairs,
    split_flags,
    split_plain,
    split_quoted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lreg.images.building.dockerfile.lines import Statement

_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_HEALTH_FLAGS = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}
_COPY_FLAGS = {"chown", "chmod", "link", "exclude", "parents", "from"}
_ADD_FLAGS = {"chown", "chmod", "link", "exclude", "keep-git-dir", "checksum", "unpack"}
_SWITCHES = {"link", "parents", "keep-git-dir", "unpack"}


def parse(text: str) -> Dockerfile:
    """Return what a Dockerfile says.

    Raises:
        UsageError: it is not well-formed; the message names the line.
    """
    read = read_statements(text)
    arguments: list[Arg] = []
    stages: list[tuple[From, list[Instruction]]] = []
    for statement in read.statements:
        instruction = parse_statement(statement, read.escape)
        if isinstance(instruction, From):
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif isinstance(instruction, Arg):
            arguments.append(instruction)
        else:
            raise statement.wrong("FROM must come first")
    if not stages:
        raise UsageError("it has no FROM")
    made = (Stage(begin, tuple(instructions)) for begin, instructions in stages)
    return Dockerfile(tuple(arguments), tuple(made), read.escape)


def parse_statement(statement: Statement, escape: str) -> Instruction:
    """Return one instruction; raise UsageError."""
    reader = _READERS.get(statement.name)
    if reader is None:
        raise UsageError(f"line {statement.line}: there is no instruction {statement.name!r:.80}")
    if not statement.rest:
        raise statement.wrong("it needs an argument")
    try:
        return reader(statement, escape)
    except ValueError as error:
        raise statement.wrong(str(error)) from error


def _flags(
    statement: Statement, escape: str, allowed: set[str]
) -> tuple[dict[str, list[str]], str]:
    texts, rest = split_flags(statement.rest, escape)
    flags: dict[str, list[str]] = {}
    for text in texts:
        name, sign, value = text[2:].partition("=")
        if name not in allowed:
            known = ", ".join(f"--{one}" for one in sorted(allowed)) or "no flags"
            raise ValueError(f"unknown flag --{name}: it takes {known}")
        if name in _SWITCHES:
            if value.lower() not in ("", "true", "false") or (sign and not value):
                raise ValueError(f"--{name} is true or false, not {value!r:.20}")
            value = value.lower() or "true"
        elif not sign:
            raise ValueError(f"--{name} needs a value: --{name}=…")
        if name in flags and name != "exclude":
            raise ValueError(f"--{name} is given twice")
        flags.setdefault(name, []).append(value)
    if not rest:
        raise ValueError("it needs an argument")
    return flags, rest


def _from(statement: Statement, escape: str) -> From:
    flags, rest = _flags(statement, escape, {"platform"})
    words = split_plain(rest)
    platform = flags.get("platform", [""])[0]
    if len(words) == 1:
        return From(statement, words[0], platform=platform)
    if len(words) != 3 or words[1].lower() != "as":
        raise ValueError("it takes IMAGE, or IMAGE AS NAME")
    name = words[2].lower()
    if not _STAGE_NAME.fullmatch(name):
        raise ValueError(f"{words[2]!r:.80} is no name for a stage: use letters, digits, - _ .")
    return From(statement, words[0], name, platform)


def _arg(statement: Statement, escape: str) -> Arg:
    found: dict[str, str | None] = {}
    for word in split_quoted(statement.rest, escape):
        name, sign, value = word.partition("=")
        if not name:
            raise ValueError(f"{word!r:.80} has no name")
        found[name] = value if sign else None
    return Arg(statement, found)


def _pairs(statement: Statement, escape: str) -> Pairs:
    _, rest = _flags(statement, escape, set())
    return Pairs(statement, tuple(pairs(rest, escape)))


def _copy(statement: Statement, escape: str) -> Copy:
    is_add = statement.name == "ADD"
    flags, rest = _flags(statement, escape, _ADD_FLAGS if is_add else _COPY_FLAGS)
    words = json_words(rest) or split_plain(rest)
    if len(words) < 2:
        raise ValueError("it needs a source and a target")
    heredocs = {heredoc.word: heredoc for heredoc in statement.heredocs}
    if words[-1] in heredocs:
        raise ValueError("its target can't be a heredoc")
    sources = tuple(word for word in words[:-1] if word not in heredocs)
    for source in () if is_add else sources:
        if is_url(source) or is_repository(source):
            raise ValueError(f"{source!r:.200} is a URL: only ADD fetches")

    def flag(name: str) -> str:
        return flags.get(name, [""])[0]

    return Copy(
        statement,
        sources,
        words[-1],
        statement.heredocs,
        is_add,
        flag("unpack") == "true" if "unpack" in flags else None,
        flag("checksum"),
        flag("from"),
        flag("chown"),
        flag("chmod"),
        flag("parents") == "true",
        tuple(flags.get("exclude", ())),
        # BuildKit takes no notice of it beside a mode.
        flag("link") == "true" and "chmod" not in flags,
    )


def _run(statement: Statement, _escape: str) -> Run:
    return Run(statement)


def _command(statement: Statement, escape: str) -> Command:
    _, rest = _flags(statement, escape, set())
    words = json_words(rest)
    return Command(statement, (rest,) if words is None else tuple(words), words is None)


def _shell(statement: Statement, escape: str) -> Words:
    _, rest = _flags(statement, escape, set())
    if not (words := json_words(rest)):
        raise ValueError('it takes a JSON list: SHELL ["/bin/sh", "-c"]')
    return Words(statement, tuple(words))


def _text(statement: Statement, escape: str) -> Text:
    _, rest = _flags(statement, escape, set())
    return Text(statement, rest)


def _words(statement: Statement, escape: str) -> Words:
    _, rest = _flags(statement, escape, set())
    words = split_plain(rest)
    if statement.name == "VOLUME" and (listed := json_words(rest)) is not None:
        words = [word.strip() for word in listed]
    if not all(words) or not words:
        raise ValueError("an empty string names nothing")
    return Words(statement, tuple(words))


def _healthcheck(statement: Statement, escape: str) -> Healthcheck:
    flags, rest = _flags(statement, escape, {*_HEALTH_FLAGS, "retries"})
    kind, _, command = rest.partition(" ")
    command = command.strip()
    if kind.upper() == "NONE" and not command:
        return Healthcheck(statement, {"Test": ["NONE"]})
    if kind.upper() != "CMD" or not command:
        raise ValueError("it takes CMD and a command, or NONE")
    words = json_words(command)
    check: dict[str, Any] = {"Test": ["CMD-SHELL", command] if words is None else ["CMD", *words]}
    for flag, (text,) in flags.items():
        if flag != "retries":
            check[_HEALTH_FLAGS[flag]] = _nanoseconds(flag, text)
        elif not text.isdecimal():
            raise ValueError(f"--retries={text:.20} is no number")
        else:
            check["Retries"] = int(text)
    return Healthcheck(statement, {key: value for key, value in check.items() if value})


def _nanoseconds(flag: str, text: str) -> int:
    """Return a duration as Go writes it: 1m30s."""
    found = _DURATION.findall(text)
    if text != "0" and "".join(number + unit for number, unit in found) != text:
        raise ValueError(f"--{flag}={text:.20} is no duration such as 30s or 1m30s")
    total = sum(round(float(number) * _NANOSECONDS[unit]) for number, unit in found)
    if 0 < total < 10**6:
        raise ValueError(f"--{flag}={text:.20} is less than a millisecond")
    return total


def _onbuild(statement: Statement, escape: str) -> Onbuild:
    name = statement.rest.split(maxsplit=1)[0].upper()
    if name in ("ONBUILD", "FROM", "MAINTAINER"):
        raise ValueError(f"{name} can't be a trigger")
    trigger = statement.rest
    for heredoc in statement.heredocs:
        trigger += f"\n{heredoc.content}{heredoc.name}"
    (nested,) = read_statements(trigger).statements
    parse_statement(nested, escape)
    return Onbuild(statement, trigger)


_READERS: Mapping[str, Callable[[Statement, str], Instruction]] = {
    "FROM": _from,
    "ARG": _arg,
    "ENV": _pairs,
    "LABEL": _pairs,
    "COPY": _copy,
    "ADD": _copy,
    "RUN": _run,
    "CMD": _command,
    "ENTRYPOINT": _command,
    "SHELL": _shell,
    "WORKDIR": _text,
    "USER": _text,
    "STOPSIGNAL": _text,
    "MAINTAINER": _text,
    "EXPOSE": _words,
    "VOLUME": _words,
    "HEALTHCHECK": _healthcheck,
    "ONBUILD": _onbuild,
}
