"""What is found: images, each with where it is named; and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lreg.oci.reference import Reference


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands.

    Attributes:
        file: the file, or what was asked: `kubeadm v1.30.0`, `the cluster`.
        line: its line, from 1; 0 where what was read was made by a program.
        path: the object and the way to the field in it, such as
            `Deployment/web: spec.template.spec.containers[0].image`.
    """

    file: str
    line: int = 0
    path: str = ""

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        return f"{self.file}{line}{f': {self.path}' if self.path else ''}"


@dataclass(frozen=True, slots=True)
class Found:
    """An image where it is named.

    Attributes:
        reference: as it is written there.
        place: where.
        sure: whether a runtime will be asked for it; otherwise it is guessed from how it looks.
    """

    reference: Reference
    place: Place
    sure: bool

    @property
    def image(self) -> str:
        """Its whole name, as Docker means it."""
        return str(self.reference.familiar())


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What could not be read, so that images may be missing from the list."""

    place: Place
    why: str

    def __str__(self) -> str:
        return f"{self.place}: {self.why}"


@dataclass(frozen=True, slots=True)
class Need:
    """An image that is needed.

    Attributes:
        image: its whole name, as Docker means it.
        found: every place that names it.
    """

    image: str
    found: tuple[Found, ...]

    @property
    def sure(self) -> bool:
        """Whether at least one place is sure."""
        return any(one.sure for one in self.found)


@dataclass(slots=True)
class Findings:
    """What was found so far."""

    found: list[Found] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, reference: Reference, place: Place, *, sure: bool) -> None:
        """Add an image."""
        self.found.append(Found(reference, place, sure))

    def fail(self, place: Place, why: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(place, why))

    def include(self, other: Findings) -> None:
        """Add all of another's."""
        self.found += other.found
        self.problems += other.problems

    def needs(self) -> tuple[Need, ...]:
        """Return the images, each once, by name."""
        ordered = sorted(dict.fromkeys(self.found), key=_order)
        return tuple(Need(name, tuple(each)) for name, each in groupby(ordered, _image))


def as_json(needs: Sequence[Need], problems: Iterable[Problem]) -> Mapping[str, object]:
    """Return what `lreg images --json` prints."""
    return {
        "images": [
            {"image": need.image, "sure": need.sure, "found": [_json(one) for one in need.found]}
            for need in needs
        ],
        "problems": [{**_place(problem.place), "why": problem.why} for problem in problems],
    }


def _json(found: Found) -> dict[str, object]:
    return {"as": str(found.reference), **_place(found.place), "sure": found.sure}


def _place(place: Place) -> dict[str, object]:
    fields: dict[str, object] = {"file": place.file}
    if place.line:
        fields["line"] = place.line
    if place.path:
        fields["path"] = place.path
    return fields


def _image(found: Found) -> str:
    return found.image


def _order(found: Found) -> tuple[str, Place]:
    return found.image, found.place
