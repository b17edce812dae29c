"""What each instruction does to the image of its stage."""

from __future__ import annotations

import posixpath
import re
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lreg.errors import LregError, UsageError
from lreg.images.building.context.ignore import Ignore
from lreg.images.building.dockerfile.copying import Copying, copy_files, put_file, put_text
from lreg.images.building.dockerfile.expansion import (
    MAX_EXPANDED,
    expand,
    expand_text,
    expand_words,
)
from lreg.images.building.dockerfile.fetching import fetch, is_repository, is_url, name_of
from lreg.images.building.dockerfile.instructions import (
    Arg,
    Command,
    Copy,
    Healthcheck,
    Onbuild,
    Pairs,
    Text,
    Words,
)
from lreg.images.building.dockerfile.modes import parse_mode
from lreg.images.building.dockerfile.users import owner_of
from lreg.images.building.draft import ROOT
from lreg.oci.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lreg.images.building.dockerfile.copying import Origin
    from lreg.images.building.dockerfile.instructions import Instruction
    from lreg.images.building.dockerfile.stage import StageImage
    from lreg.images.building.draft import Draft, Owner
    from lreg.images.building.staging import Staging

_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)
_SHELL = ["/bin/sh", "-c"]


class Steps:
    """The instructions of one stage, done one after the other.

    Attributes:
        variables: those that instructions may use by now: ARG and ENV.
    """

    def __init__(
        self,
        image: StageImage,
        variables: Mapping[str, str],
        arguments: Callable[[str, str | None], str | None],
        origin: Callable[[str], Origin],
        staging: Staging,
    ) -> None:
        """Begin.

        Args:
            image: what they change.
            variables: those that its base has set.
            arguments: gives the value of an ARG for its name and its default.
            origin: gives what `--from` means, and the context for "".
            staging: where contents lie.
        """
        self.variables = {**image.config.environment, **variables}
        self.escape = "\\"
        self._image = image
        self._arguments = arguments
        self._origin = origin
        self._staging = staging
        self._has_command = False
        self._left = MAX_EXPANDED

    def do(self, instruction: Instruction) -> None:
        """Do one.

        Raises:
            LregError: it can't be done; the message names its line.
        """
        statement = instruction.statement
        try:
            self._do(instruction)
        except UsageError as error:
            raise statement.wrong(str(error)) from error
        except LregError as error:
            raise LregError(f"line {statement.line}: {statement.name}: {error}") from error

    def _do(self, instruction: Instruction) -> None:
        match instruction:
            case Copy():
                self._copy(instruction)
            case Text() if instruction.statement.name == "WORKDIR":
                self._work_in(instruction)
            case _:
                self._note(instruction)
                self._image.config.record(_history(instruction))

    def _note(self, instruction: Instruction) -> None:
        """Do one that changes no file."""
        match instruction:
            case Arg():
                self._declare(instruction)
            case Pairs():
                self._set(instruction)
            case Command():
                self._command(instruction)
            case Words() if instruction.statement.name == "SHELL":
                self._run["Shell"] = list(instruction.words)
            case Words():
                self._words(instruction)
            case Text():
                self._text(instruction)
            case Healthcheck():
                self._run["Healthcheck"] = dict(instruction.check)
            case Onbuild():
                self._run.setdefault("OnBuild", []).append(instruction.trigger)
            case _:
                raise UsageError("lreg runs nothing itself: build it with --builder")

    @property
    def _run(self) -> dict[str, Any]:
        return self._image.config.run

    def _expand(self, text: str) -> str:
        expanded = expand(text, self.variables, self.escape)
        self._left -= len(expanded)
        if self._left < 0:
            raise UsageError(f"its texts grow past {MAX_EXPANDED >> 20} MiB")
        return expanded

    def _declare(self, instruction: Arg) -> None:
        for name, default in instruction.variables.items():
            expanded = None if default is None else self._expand(default)
            if (value := self._arguments(name, expanded)) is not None:
                self.variables[name] = value

    def _set(self, instruction: Pairs) -> None:
        # All of one instruction see the values from before it.
        pairs = {self._expand(name): self._expand(value) for name, value in instruction.pairs}
        if instruction.statement.name == "ENV":
            self.variables |= pairs
            self._image.config.set_environment(pairs)
        else:
            self._image.config.add_labels(pairs)

    def _command(self, instruction: Command) -> None:
        words = list(instruction.words)
        if instruction.is_shell:
            words = [*(self._run.get("Shell") or _SHELL), *words]
        if instruction.statement.name == "CMD":
            self._has_command = True
            self._run["Cmd"] = words
            return
        self._run["Entrypoint"] = words or None
        # That of the base was for another entrypoint.
        if not self._has_command:
            self._run["Cmd"] = None

    def _words(self, instruction: Words) -> None:
        is_ports = instruction.statement.name == "EXPOSE"
        key = "ExposedPorts" if is_ports else "Volumes"
        names = list(self._run.get(key) or ())
        for word in instruction.words:
            if is_ports:
                for text in expand_words(word, self.variables, self.escape):
                    names += _ports(text)
            else:
                names.append(self._expand(word))
        self._run[key] = {name: {} for name in names}

    def _text(self, instruction: Text) -> None:
        name = instruction.statement.name
        if name == "MAINTAINER":
            self._image.config.set_author(instruction.text)
            return
        text = self._expand(instruction.text)
        if not text:
            raise UsageError("nothing is left of its argument when variables are replaced")
        if name == "STOPSIGNAL":
            _check_signal(text)
        self._run["User" if name == "USER" else "StopSignal"] = text

    def _work_in(self, instruction: Text) -> None:
        path = self._absolute(self._expand(instruction.text))
        self._run["WorkingDir"] = path
        if path == "/":
            self._image.config.record(_history(instruction))
            return
        draft = self._image.draft()
        user = self._run.get("User")
        draft.folder(path.strip("/"), owner_of(user, self._image) if user else ROOT)
        self._image.add(draft, _history(instruction))

    def _absolute(self, path: str) -> str:
        here = self._run.get("WorkingDir")
        return posixpath.normpath(posixpath.join("/", here or "", path))

    def _copy(self, instruction: Copy) -> None:
        target = self._expand(instruction.target)
        absolute = self._absolute(target)
        if (target.endswith(("/", "/.")) or target in (".", "")) and absolute != "/":
            absolute += "/"
        paths, urls = self._sources(instruction)
        copying = Copying(
            paths,
            absolute,
            self._owner(instruction),
            parse_mode(mode) if (mode := self._expand(instruction.mode)) else lambda mode: mode,
            instruction.is_add and instruction.unpacks is not False,
            instruction.parents,
            Ignore.of(instruction.excludes),
        )
        draft = self._image.draft(alone=instruction.link)
        if paths:
            copy_files(copying, self._origin(instruction.origin), draft, self._staging)
        for url in urls:
            self._fetch(url, instruction, copying, draft)
        for heredoc in instruction.heredocs:
            text = heredoc.content
            if heredoc.expand:
                text = expand_text(text, self.variables)
            content = self._staging.add(heredoc.name, [text.encode(errors="surrogateescape")])
            put_text(copying, heredoc.name, content, draft)
        self._image.add(draft, _history(instruction))

    def _sources(self, instruction: Copy) -> tuple[list[str], list[str]]:
        """Return what to copy: paths in the origin, and URLs."""
        sources = [self._expand(source) for source in instruction.sources]
        if not instruction.is_add:
            return sources, []
        urls = list(filter(is_url, sources))
        if cloned := next(filter(is_repository, sources), None):
            raise UsageError(f"lreg does not clone {cloned!r:.200}: build it with --builder")
        if instruction.checksum and (len(sources) != 1 or not urls):
            raise UsageError("--checksum is for one URL")
        return [source for source in sources if source not in urls], urls

    def _fetch(self, url: str, instruction: Copy, copying: Copying, draft: Draft) -> None:
        if not copying.target.endswith("/") and len(instruction.sources) > 1:
            raise UsageError(f"several sources need a folder to go to: {copying.target}/")
        said = self._expand(instruction.checksum)
        file = fetch(url, Digest.parse(said) if said else None, self._staging)
        # What is fetched is unpacked only where that is asked for.
        copying = replace(copying, unpacks=instruction.unpacks is True)
        put_file(copying, name_of(url), file, draft, self._staging)

    def _owner(self, instruction: Copy) -> Owner | None:
        text = self._expand(instruction.owner)
        return owner_of(text, self._image) if text else None


def _history(instruction: Instruction) -> str:
    return f"{instruction.statement.name} {instruction.statement.rest}"


def _ports(text: str) -> list[str]:
    """Return the ports of `80`, `80/udp` or `8000-8010/tcp`, as a config names them."""
    match = _PORT.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not match or not 0 < first <= last < 1 << 16:
        raise UsageError(f"{text!r:.80} is no port such as 80, 53/udp or 8000-8010/tcp")
    protocol = (match[3] or "tcp").lower()
    return [f"{port}/{protocol}" for port in range(first, last + 1)]


def _check_signal(text: str) -> None:
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    known = name in signal.Signals.__members__ or name.startswith(("SIGRTMIN", "SIGRTMAX"))
    if not known and not (text.isdecimal() and 0 < int(text) < 65):
        raise UsageError(f"{text!r:.80} is no signal such as SIGTERM or 15")
