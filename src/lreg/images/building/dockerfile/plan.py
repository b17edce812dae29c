"""Which stages a Dockerfile has, what each is built on, and which of them are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.images.building.dockerfile.expansion import MAX_EXPANDED, expand
from lreg.images.building.dockerfile.instructions import Arg, Copy
from lreg.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lreg.images.building.dockerfile.instructions import Dockerfile


class Plan:
    """Which stages there are, and which of them are needed.

    Attributes:
        stages: in the Dockerfile's order.
        wanted: the number of the one that becomes the image.
        path: the Dockerfile.
    """

    def __init__(
        self, dockerfile: Dockerfile, target: str, arguments: Mapping[str, str], path: Path
    ) -> None:
        self.stages = dockerfile.stages
        self.escape = dockerfile.escape
        self.path = path
        self._dockerfile = dockerfile
        self._arguments = arguments
        self._target = target or "default"
        self.wanted = len(self.stages) - 1
        if target:
            found = self.find(target, len(self.stages))
            if found is None:
                names = ", ".join(stage.begin.name for stage in self.stages if stage.begin.name)
                raise UsageError(f"there is no stage {target!r:.80}: it has {names or 'no names'}")
            self.wanted = found

    def declared(self) -> set[str]:
        """Return the names of all ARGs."""
        nested = [stage.instructions for stage in self.stages]
        everywhere = [*self._dockerfile.arguments, *(one for each in nested for one in each)]
        return {name for one in everywhere if isinstance(one, Arg) for name in one.variables}

    def find(self, name: str, before: int) -> int | None:
        """Return the number of the stage that a name or a number means in stage `before`."""
        for number in reversed(range(before)):
            if self.stages[number].begin.name == name.lower():
                return number
        return int(name) if name.isdecimal() and int(name) < before else None

    def globals(self, platform: Platform) -> dict[str, str]:
        """Return what FROM may use: the ARGs before it, and those of the platforms."""
        here = Platform.here()
        values = _of_platform("TARGET", platform) | _of_platform("BUILD", here)
        values["TARGETSTAGE"] = self._target
        values |= {name: self._arguments[name] for name in values.keys() & self._arguments.keys()}
        size = 0
        for argument in self._dockerfile.arguments:
            for name, default in argument.variables.items():
                value = self._arguments.get(name)
                if value is None and default is not None:
                    value = expand(default, values, self.escape)
                if value is not None:
                    values[name] = value
                    size += len(value)
                if size > MAX_EXPANDED:
                    raise argument.statement.wrong(f"they grow past {MAX_EXPANDED >> 20} MiB")
        return values

    def argument(self, name: str, default: str | None, known: Mapping[str, str]) -> str | None:
        """Return the value of an ARG in a stage."""
        if name in self._arguments:
            return self._arguments[name]
        return known.get(name) if default is None else default

    def base(self, number: int, known: Mapping[str, str]) -> int | str:
        """Return the stage that a stage is built on, or the name of the image."""
        begin = self.stages[number].begin
        name = expand(begin.image, known, self.escape)
        if not name:
            raise begin.statement.wrong(f"nothing is left of {begin.image} without its variables")
        for earlier in reversed(range(number)):
            if self.stages[earlier].begin.name == name.lower():
                return earlier
        return name

    def reachable(self, platform: Platform) -> list[int]:
        """Return the numbers of the stages that the wanted one needs, and its own, sorted."""
        known = self.globals(platform)
        found, waiting = set(), [self.wanted]
        while waiting:
            number = waiting.pop()
            if number in found:
                continue
            found.add(number)
            base = self.base(number, known)
            waiting += [base] if isinstance(base, int) else []
            for instruction in self.stages[number].instructions:
                if isinstance(instruction, Copy) and instruction.origin:
                    origin = self.find(instruction.origin, number)
                    waiting += [] if origin is None else [origin]
        return sorted(found)


def _of_platform(prefix: str, platform: Platform) -> dict[str, str]:
    return {
        f"{prefix}PLATFORM": str(platform),
        f"{prefix}OS": platform.os,
        f"{prefix}ARCH": platform.architecture,
        f"{prefix}VARIANT": platform.variant or "",
    }
