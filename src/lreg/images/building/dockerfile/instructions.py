"""The instructions of a Dockerfile as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lreg.images.building.dockerfile.lines import Heredoc, Statement


@dataclass(frozen=True, slots=True)
class Instruction:
    """Any of them; `statement` says where it stands."""

    statement: Statement


@dataclass(frozen=True, slots=True)
class From(Instruction):
    """FROM: the beginning of a stage."""

    image: str
    name: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Arg(Instruction):
    """ARG: variables of the build, without or with a default."""

    variables: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Pairs(Instruction):
    """ENV and LABEL."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Copy(Instruction):
    """COPY and ADD.

    Attributes:
        sources: what to copy: paths, or URLs.
        target: where to.
        heredocs: files in the Dockerfile to copy.
        is_add: whether it is ADD, which fetches URLs and unpacks archives.
        unpacks: whether it unpacks any archive, or none; None: those it does not fetch.
        checksum: what a URL must give.
        origin: the stage or image to copy from; "" is the context.
        owner, mode: what `--chown` and `--chmod` say.
        parents: whether the folders that the sources lie in are made as well.
        excludes: patterns of what not to copy.
        link: whether it is a layer that knows nothing of those below.
    """

    sources: tuple[str, ...]
    target: str
    heredocs: tuple[Heredoc, ...] = ()
    is_add: bool = False
    unpacks: bool | None = None
    checksum: str = ""
    origin: str = ""
    owner: str = ""
    mode: str = ""
    parents: bool = False
    excludes: tuple[str, ...] = ()
    link: bool = False


@dataclass(frozen=True, slots=True)
class Run(Instruction):
    """RUN, which lreg leaves to others."""


@dataclass(frozen=True, slots=True)
class Command(Instruction):
    """CMD and ENTRYPOINT: the words of a JSON list, or what a shell is to run."""

    words: tuple[str, ...]
    is_shell: bool


@dataclass(frozen=True, slots=True)
class Text(Instruction):
    """WORKDIR, USER, STOPSIGNAL and MAINTAINER, which take one text."""

    text: str


@dataclass(frozen=True, slots=True)
class Words(Instruction):
    """EXPOSE, VOLUME and SHELL."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Healthcheck(Instruction):
    """HEALTHCHECK, as Docker's image config has it; durations in nanoseconds."""

    check: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Onbuild(Instruction):
    """ONBUILD: what images that are built on this one begin with."""

    trigger: str


@dataclass(frozen=True, slots=True)
class Stage:
    """What is between one FROM and the next."""

    begin: From
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A Dockerfile.

    Attributes:
        arguments: those that FROM may use.
        stages: in its order, at least one.
        escape: the character that escapes in it.
    """

    arguments: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    escape: str = field(default="\\")
