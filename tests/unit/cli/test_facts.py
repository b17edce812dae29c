"""Which image of an index is looked at."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lreg.cli.looking.facts import choose
from lreg.errors import ManifestUnknown
from lreg.oci.descriptor import Descriptor
from lreg.oci.digest import Digest
from lreg.oci.mediatypes import OCI_MANIFEST
from lreg.oci.platform import Platform

_ATTESTATION = Platform("unknown", "unknown")
platforms = st.builds(
    Platform,
    st.sampled_from(["linux", "windows"]),
    st.sampled_from(["amd64", "arm64", "arm", "s390x"]),
    st.sampled_from([None, "v7", "v8"]),
)


def offer(platform: Platform | None) -> Descriptor:
    """An image for `platform`."""
    raw = str(platform).encode()
    return Descriptor(OCI_MANIFEST, Digest.of(raw), len(raw), platform=platform)


@given(st.lists(platforms | st.just(_ATTESTATION)), platforms)
def test_asked_for(there: list[Platform], wanted: Platform) -> None:
    """A platform asked for is what one gets, or an error that names those there are."""
    offered = list(map(offer, there))
    if any(wanted.matches(one) for one in there):
        chosen = choose(offered, wanted)
        assert chosen is not None
        assert chosen.platform is not None
        assert wanted.matches(chosen.platform)
        return
    with pytest.raises(ManifestUnknown) as caught:
        choose(offered, wanted)
    assert all(str(one) in str(caught.value) for one in there if one != _ATTESTATION)
    assert "unknown/unknown" not in str(caught.value)


@given(st.lists(platforms, min_size=1))
def test_this_machine_first(there: list[Platform]) -> None:
    """Without a wish this machine's image is taken where there is one, else any."""
    chosen = choose(map(offer, there), None)
    assert chosen is not None
    assert chosen.platform is not None
    assert chosen.platform in there
    if any(Platform.here().matches(one) for one in there):
        assert Platform.here().matches(chosen.platform)


@given(st.lists(platforms, min_size=1))
def test_linux_amd64_next(there: list[Platform]) -> None:
    """Where this machine's is missing, linux/amd64 comes before the others."""
    assume(not any(Platform.here().matches(one) for one in there))
    usual = Platform("linux", "amd64")
    chosen = choose(map(offer, [*there, usual]), None)
    assert chosen == offer(usual)


def test_attestations_are_no_images() -> None:
    """What builders hang into an index for unknown/unknown is never looked at."""
    assert choose([offer(_ATTESTATION)], None) is None
    assert choose([offer(_ATTESTATION), offer(None)], None) == offer(None)
    assert choose([], None) is None
