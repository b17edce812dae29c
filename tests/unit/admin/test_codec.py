"""Values of the admin API over the wire."""

from __future__ import annotations

import json

import pytest

from lreg.admin.codec import event_from_json, from_json, to_json
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

_VALUES = [
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
_EVENTS = [
    Started("a", "sha256:x", 10, "type"),
    Advanced("sha256:x", 5),
    Done("a", "sha256:x", 10, "copied"),
    Brought("a", "sha256:x", Count(1, 10), Count(), 0.5),
    Failed("a", "why", "MANIFEST_UNKNOWN", 404),
    End(Count(1, 10), Count(2, 20), 1.0),
]


@pytest.mark.parametrize("value", _VALUES, ids=lambda value: type(value).__name__)
def test_value_comes_back(value: object) -> None:
    """What one end says is what the other end reads."""
    assert from_json(type(value), json.loads(json.dumps(to_json(value)))) == value


@pytest.mark.parametrize("event", _EVENTS, ids=lambda event: type(event).__name__)
def test_event_comes_back(event: object) -> None:
    """An event says which one it is."""
    assert event_from_json(json.loads(json.dumps(to_json(event)))) == event


def test_versions_need_not_be_the_same() -> None:
    """A field that is not known is passed over, one with a default may be missing."""
    assert from_json(About, {"version": "9", "new": 1}) == About("9")


def test_a_whole_number_of_seconds() -> None:
    """JSON has one kind of number: 2 is as good as 2.0."""
    assert from_json(ImageState, {"repository": "a", "checked": 2}).checked == 2.0


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ([], "not an object"),
        ({}, "'version' is missing"),
        ({"version": 1}, "'version' is not of type str"),
        ({"version": "1", "upstreams": "docker.io"}, "'upstreams' is not a list"),
        ({"version": "1", "upstreams": [1]}, "'upstreams' is not of type str"),
        ({"version": "1", "offline": 1}, "'offline' is not of type bool"),
    ],
)
def test_wrong_object(raw: object, says: str) -> None:
    """What is wrong with an object is said by the field's name."""
    with pytest.raises(ValueError, match=says):
        from_json(About, raw)


def test_bool_is_no_number() -> None:
    """True is not 1."""
    with pytest.raises(ValueError, match="'jobs' is not of type int"):
        from_json(WantedImages, {"images": [], "jobs": True})


@pytest.mark.parametrize("raw", [{}, [], {"event": "other"}, {"event": 1}])
def test_no_event(raw: object) -> None:
    """Something else than an event is told as such."""
    with pytest.raises(ValueError, match="is not an event"):
        event_from_json(raw)
