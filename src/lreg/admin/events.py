"""What is told while images are brought: one event a line."""

from __future__ import annotations

from msgspec import Struct


class Count(Struct, frozen=True):
    """How many pieces of content, and how many bytes."""

    count: int = 0
    size: int = 0


class Started(Struct, frozen=True, tag_field="event", tag="started"):
    """The bytes of a piece of content begin to move; a second one: from the start again."""

    image: str
    digest: str
    size: int
    media_type: str = ""


class Advanced(Struct, frozen=True, tag_field="event", tag="advanced"):
    """So many more of its bytes moved."""

    digest: str
    count: int


class Done(Struct, frozen=True, tag_field="event", tag="done"):
    """A piece of content is there; `outcome` is one of lreg.client.progress.Outcome."""

    image: str
    digest: str
    size: int
    outcome: str
    media_type: str = ""


class Brought(Struct, frozen=True, tag_field="event", tag="image"):
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


class Failed(Struct, frozen=True, tag_field="event", tag="error"):
    """An image is not there: an error as the spec's bodies have it, and its HTTP status."""

    image: str
    message: str
    code: str = "UNKNOWN"
    status: int = 500


class End(Struct, frozen=True, tag_field="event", tag="end"):
    """All that was wanted is there, or has failed; the last line of a stream."""

    fetched: Count
    here: Count
    seconds: float


Event = Started | Advanced | Done | Brought | Failed | End
