"""Building what a Dockerfile says, stage by stage, without running anything."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lreg.errors import LregError, UsageError
from lreg.images.building.build import Part
from lreg.images.building.context.tree import Context, read_ignore
from lreg.images.building.dockerfile.expansion import expand
from lreg.images.building.dockerfile.fetching import is_repository
from lreg.images.building.dockerfile.instructions import Copy, Run
from lreg.images.building.dockerfile.lines import read_statements, syntax_of
from lreg.images.building.dockerfile.parser import parse, parse_statement
from lreg.images.building.dockerfile.plan import Plan
from lreg.images.building.dockerfile.stage import StageImage
from lreg.images.building.dockerfile.steps import Steps
from lreg.images.building.xcluster import write_context
from lreg.oci.platform import Platform
from lreg.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lreg.images.building.dockerfile.copying import Origin
    from lreg.images.building.dockerfile.instructions import Instruction, Stage
    from lreg.images.building.sources import Work

_SCRATCH = "scratch"
_MAX_TEXT = 4 << 20
# Docker's own frontends, wherever they are mirrored: what they read is what is built here.
_SYNTAX = re.compile(r"(?:.*/)?docker/dockerfile(?:-upstream)?(?:[:@].*)?")


@dataclass(frozen=True, slots=True)
class DockerfileSource:
    """A Dockerfile and the folder that it copies from.

    Attributes:
        path: the Dockerfile.
        context: the folder.
        target: the name or number of the stage that is wanted; "" is the last.
        arguments: values for ARGs.
        has_script: whether the context's own `tar` makes the real context, one of an `ovl.tar`.
    """

    path: Path
    context: Path
    target: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    has_script: bool = False

    @contextmanager
    def prepared(self) -> Iterator[DockerfileSource]:
        """Give itself with the context that is really copied from; that is gone after.

        Raises:
            LregError: its script fails.
        """
        if not self.has_script:
            yield self
            return
        with TemporaryDirectory(prefix="lreg-") as folder:
            write_context(self.context, Path(folder))
            yield replace(self, context=Path(folder), has_script=False)

    def parts(self, work: Work) -> list[Part]:
        """Return the image of the wanted stage for each platform.

        Raises:
            LregError: it can't be built; the message names the line.
        """
        plan = self._plan()
        for name in sorted(self.arguments.keys() - plan.declared()):
            work.say(f"lreg: {self.path} has no ARG {name}: nothing takes --build-arg {name}")
        with self.prepared() as ready:
            context = _Lazy(ready.context, self.path)
            images = [_Build(plan, context, platform, work).wanted() for platform in work.wanted]
        return [Part(image.config, image.layers) for image in images]

    def needs(self, platforms: Sequence[Platform]) -> str:
        """Return what of it lreg itself does not do, in words; nothing where it builds it all.

        Raises:
            UsageError: it can't be read, or is not well-formed.
        """
        # Of another language nothing need make sense here.
        if (syntax := syntax_of(self._text())) and not _SYNTAX.fullmatch(syntax):
            return f"{self.path}: its language is that of {syntax:.200}"
        plan = self._plan()
        numbers = {number for platform in platforms for number in plan.reachable(platform)}
        needs = (
            f"{self.path}, line {instruction.statement.line}: {need}"
            for number in sorted(numbers)
            for instruction in plan.stages[number].instructions
            if (need := _need(instruction))
        )
        return next(needs, "")

    def _text(self) -> str:
        try:
            if self.path.exists() and not self.path.is_file():
                raise UsageError(f"{self.path} is no file")
            with self.path.open(encoding="utf-8", errors="surrogateescape") as file:
                text = file.read(_MAX_TEXT + 1)
        except OSError as error:
            raise UsageError(f"{self.path} can't be read: {error.strerror}") from error
        if len(text) > _MAX_TEXT:
            raise UsageError(f"{self.path} has more than {_MAX_TEXT >> 20} MiB")
        return text

    def _plan(self) -> Plan:
        text = self._text()
        try:
            return Plan(parse(text), self.target, self.arguments, self.path)
        except UsageError as error:
            raise UsageError(f"{self.path}: {error}") from error


def _need(instruction: Instruction) -> str:
    """Return what it takes that lreg does not do; nothing where it takes nothing of that."""
    if isinstance(instruction, Run):
        return "RUN runs something"
    sources = instruction.sources if isinstance(instruction, Copy) else ()
    repository = next(filter(is_repository, sources), None)
    return f"ADD clones {repository!r:.80}" if repository else ""


class _Lazy:
    """A context that is read when something is copied from it."""

    def __init__(self, folder: Path, dockerfile: Path) -> None:
        self._folder, self._dockerfile = folder, dockerfile
        self._context: Context | None = None

    def read(self) -> Context:
        if self._context is None:
            ignore = read_ignore(self._folder, self._dockerfile)
            self._context = Context(self._folder, ignore)
        return self._context


class _Build:
    """The stages for one platform, each built once and when it is needed."""

    def __init__(self, plan: Plan, context: _Lazy, platform: Platform, work: Work) -> None:
        self._plan, self._context, self._platform, self._work = plan, context, platform, work
        self._globals = plan.globals(platform)
        self._built: dict[int, StageImage] = {}
        self._variables: dict[int, Mapping[str, str]] = {}
        self._images: dict[str, StageImage] = {}

    def wanted(self) -> StageImage:
        """Return the image of the wanted stage."""
        # Those that others need stand before them.
        for number in self._plan.reachable(self._platform):
            self.image(number)
        return self.image(self._plan.wanted)

    def image(self, number: int) -> StageImage:
        """Return the image of a stage."""
        if number not in self._built:
            self._built[number] = self._build(number)
        return self._built[number]

    def _build(self, number: int) -> StageImage:
        stage = self._plan.stages[number]
        image, variables = self._begin(number, stage)
        steps = Steps(
            image,
            variables,
            lambda name, default: self._plan.argument(name, default, self._globals),
            lambda name: self._origin(name, number),
            self._work.staging,
        )
        steps.escape = self._plan.escape
        instructions = [*self._triggers(image, stage), *stage.instructions]
        for instruction in instructions:
            statement = instruction.statement
            self._work.say(f"{self._platform}: {statement.name} {statement.rest}"[:200])
            try:
                steps.do(instruction)
            except UsageError as error:
                raise UsageError(f"{self._plan.path}: {error}") from error
            except LregError as error:
                raise type(error)(f"{self._plan.path}: {error}") from error
        self._variables[number] = steps.variables
        return image

    def _begin(self, number: int, stage: Stage) -> tuple[StageImage, Mapping[str, str]]:
        """Return what a stage begins with, and the variables that it inherits."""
        base = self._plan.base(number, self._globals)
        if isinstance(base, int):
            return self.image(base).child(), self._variables[base]
        platform = self._platform
        if stage.begin.platform:
            platform = Platform.parse(expand(stage.begin.platform, self._globals))
        if base == _SCRATCH:
            return StageImage.from_scratch(platform, self._work), {}
        try:
            return self._on(base, platform).child(), {}
        except LregError as error:
            where = f"{self._plan.path}: line {stage.begin.statement.line}: FROM"
            raise type(error)(f"{where} {base}: {error}") from error

    def _on(self, name: str, platform: Platform) -> StageImage:
        key = f"{name} {platform}"
        if key not in self._images:
            base = self._work.bases.find(Reference.parse(name), platform)
            made = self._images[key] = StageImage.on_base(base, self._work)
            if not made.config.platform.matches(platform):
                self._work.say(f"lreg: {name} is for {made.config.platform}, not for {platform}")
        return self._images[key]

    def _triggers(self, image: StageImage, stage: Stage) -> Iterator[Instruction]:
        """Yield what the base has ONBUILD for."""
        triggers = image.config.run.pop("OnBuild", None)
        for trigger in triggers if isinstance(triggers, list) else ():
            for statement in read_statements(str(trigger)).statements:
                instruction = parse_statement(statement, "\\")
                if isinstance(instruction, Run):
                    raise stage.begin.statement.wrong(
                        "its image has a RUN for whatever is built on it (ONBUILD): take --builder"
                    )
                yield instruction

    def _origin(self, name: str, number: int) -> Origin:
        """Return what `--from` means in a stage; nothing means the context."""
        if not name:
            return self._context.read()
        stage = self._plan.find(name, number)
        return self._on(name, self._platform) if stage is None else self.image(stage)
