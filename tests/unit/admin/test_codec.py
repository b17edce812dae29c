"""Values of the admin API over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.admin.codec import decode, decode_event, encode, to_json
from lreg.admin.events import Advanced, Brought, Count, Done, End, Failed, Started
from lreg.admin.values import (
    About,
    Images,
    ImageState,
    Missing,
    MissingImages,
    Over,
    Pull,
    Refreshed,
    Share,
    Trouble,
    Usage,
    Wanted,
    WantedImages,
)

if TYPE_CHECKING:
    from msgspec import Struct

_VALUES: list[Struct] = [
    About("1", "docker.io", ("docker.io", "quay.io"), offline=True),
    Images(
        (
            ImageState("a"),
            ImageState("docker.io/b", "1", "sha256:x", "pushed", Over("docker.io", "sha256:y")),
            ImageState("c", "1", "sha256:x", "pushed", None, 1.5, 2.5, True, ("docker.io",)),
        )
    ),
    WantedImages((Wanted("a"), Wanted("b", ("linux/amd64", "all"))), jobs=2),
    MissingImages((Missing("a", "why"),)),
    Refreshed(("a",), 3, (Trouble("b", "why"),)),
    Usage(3, 0, 2, (Share("pushed", 1),), (Share("", 2, 1),)),
    Pull(1.5, "10.0.0.1", "agent", "docker.io/a", "sha256:x", "1", None, ("linux/amd64",)),
]
_EVENTS: list[Struct] = [
    Started("a", "sha256:x", 10, "type"),
    Advanced("sha256:x", 5),
    Done("a", "sha256:x", 10, "copied"),
    Brought("a", "sha256:x", Count(1, 10), Count(), 0.5),
    Failed("a", "why", "MANIFEST_UNKNOWN", 404),
    End(Count(1, 10), Count(2, 20), 1.0),
]


@pytest.mark.parametrize("value", _VALUES, ids=lambda value: type(value).__name__)
def test_value_comes_back(value: Struct) -> None:
    """What one end says is what the other end reads."""
    assert decode(type(value), encode(value)) == value


@pytest.mark.parametrize("event", _EVENTS, ids=lambda event: type(event).__name__)
def test_event_comes_back(event: Struct) -> None:
    """An event says which one it is."""
    assert decode_event(encode(event)) == event


def test_on_the_wire() -> None:
    """An object has the fields' names, an event's its own in front: other programs read them."""
    assert encode(_EVENTS[-1]) == (
        b'{"event":"end","fetched":{"count":1,"size":10},'
        b'"here":{"count":2,"size":20},"seconds":1.0}'
    )
    assert to_json(Missing("a", "why")) == {"image": "a", "why": "why"}


def test_versions_need_not_be_the_same() -> None:
    """A field that is not known is passed over, one with a default may be missing."""
    assert decode(About, '{"version": "9", "new": 1}') == About("9")


def test_a_whole_number_of_seconds() -> None:
    """JSON has one kind of number: 2 is as good as 2.0."""
    assert decode(ImageState, '{"repository": "a", "checked": 2}').checked == 2.0


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("", "truncated"),
        ("nonsense", "malformed"),
        ('{"version": "1", "new": ' + "[" * 100_000, "recursion"),
        (b'{"version": "\xff"}', "utf-8"),
        ("[]", "Expected `object`"),
        ("{}", "missing required field `version`"),
        ('{"version": 1}', r"Expected `str`, got `int` - at `\$.version`"),
        ('{"version": NaN}', "malformed"),
        ('{"version": "1", "upstreams": "docker.io"}', r"Expected `array`.* `\$.upstreams`"),
        ('{"version": "1", "upstreams": [1]}', r"Expected `str`.* `\$.upstreams\[0\]`"),
        ('{"version": "1", "offline": 1}', r"Expected `bool`.* `\$.offline`"),
    ],
)
def test_wrong_object(raw: bytes | str, says: str) -> None:
    """What is wrong with an object is said, and where."""
    with pytest.raises(ValueError, match=f"(?i){says}"):
        decode(About, raw)


def test_bool_is_no_number() -> None:
    """True is not 1."""
    with pytest.raises(ValueError, match=r"Expected `int`, got `bool` - at `\$.jobs`"):
        decode(WantedImages, '{"images": [], "jobs": true}')


@pytest.mark.parametrize("raw", ["{}", "[]", '{"event": "other"}', '{"event": 1}'])
def test_no_event(raw: str) -> None:
    """Something else than an event is told as such."""
    with pytest.raises(ValueError, match=r"event|Expected `object`"):
        decode_event(raw)
