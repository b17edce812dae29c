"""What is told while images are brought: one event a line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Count:
    """How many pieces of content, and how many bytes."""

    count: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Started:
    """The bytes of a piece of content begin to move; a second one: from the start again."""

    image: str
    digest: str
    size: int
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Advanced:
    """So many more of its bytes moved."""

    digest: str
    count: int


@dataclass(frozen=True, slots=True)
class Done:
    """A piece of content is there; `outcome` is one of lreg.client.progress.Outcome."""

    image: str
    digest: str
    size: int
    outcome: str
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Brought:
    """An image is there.

    Attributes:
        image: its name, as it was asked for.
        digest: what it is.
        fetched: what of it was fetched.
        here: what of it was there already.
        seconds: how long that took.
        referrers: how many manifests refer to it, and are there; None: nobody asked for those.
    """

    image: str
    digest: str
    fetched: Count
    here: Count
    seconds: float
    referrers: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """An image is not there: an error as the spec's bodies have it, and its HTTP status."""

    image: str
    message: str
    code: str = "UNKNOWN"
    status: int = 500


@dataclass(frozen=True, slots=True)
class End:
    """All that was wanted is there, or has failed; the last line of a stream."""

    fetched: Count
    here: Count
    seconds: float


Event = Started | Advanced | Done | Brought | Failed | End
EVENTS: dict[str, type[Event]] = {
    "started": Started,
    "advanced": Advanced,
    "done": Done,
    "image": Brought,
    "error": Failed,
    "end": End,
}
