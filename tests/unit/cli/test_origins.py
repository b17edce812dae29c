"""What the second column of `lreg ls` says."""

from __future__ import annotations

import re

import pytest

from lreg.admin.values import ImageState, Over
from lreg.cli.output.origins import origin_of

_DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (ImageState("a"), ""),
        (ImageState("a", "1", _DIGEST, "pushed"), "pushed"),
        (ImageState("a", "1", _DIGEST, "cached"), "cached"),
        (ImageState("a", "1", _DIGEST, "cached", pinned=True), "cached, pinned"),
        (ImageState("a", "1", _DIGEST, "cached", gone=True), "cached, gone upstream"),
        (
            ImageState("a", "1", _DIGEST, "pushed", Over("docker.io", _DIGEST)),
            "pushed over docker.io (sha256:0123456789ab)",
        ),
        (ImageState("a", "1", _DIGEST, "pushed", Over("quay.io")), "pushed over quay.io"),
        (
            ImageState("a", "1", _DIGEST, "pushed", answers_for=("docker.io",)),
            "pushed, answers for docker.io",
        ),
        (
            ImageState("a", "1", _DIGEST, "pushed", answers_for=("docker.io", "quay.io")),
            "pushed, answers for docker.io and quay.io",
        ),
    ],
)
def test_origin(image: ImageState, says: str) -> None:
    """Where a tag is from, what it stands in front of and whom it answers for, in a few words."""
    assert origin_of(image) == says


def test_until() -> None:
    """An own version that ends says when, by this machine's clock."""
    image = ImageState(
        "a", "1", _DIGEST, "pushed", Over("docker.io"), until=1_800_000_000.0, pinned=True
    )
    pattern = r"pushed over docker\.io until 2027-01-1\d \d\d:\d\d, pinned"
    assert re.fullmatch(pattern, origin_of(image))
