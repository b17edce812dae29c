"""Names in /etc/hosts: lreg's lines between marks, all others as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.errors import UsageError
from lreg.node.hosts import (
    BEGIN,
    END,
    coredns,
    dnsmasq,
    hosts_block,
    merge_hosts,
    parse_spoofs,
    without_block,
)

_BLOCK = hosts_block(["docker.io", "quay.io"], "10.0.0.1")
_LINE = st.one_of(
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])),
    st.sampled_from(["127.0.0.1 localhost", "# a comment", "", BEGIN, END, f" {BEGIN}"]),
)
_TEXT = st.tuples(st.lists(_LINE).map("\n".join), st.sampled_from(["", "\n"])).map("".join)


@given(text=_TEXT)
def test_merging_again_changes_nothing(text: str) -> None:
    """Applying twice is applying once, whatever the file holds."""
    once = merge_hosts(text, _BLOCK)
    assert merge_hosts(once, _BLOCK) == once
    assert once.count(_BLOCK) == 1


@given(text=_TEXT)
def test_others_lines_stay(text: str) -> None:
    """Without lreg's block the file is what it was, to the byte but for a missing last newline."""
    rest = without_block(text)
    added = without_block(merge_hosts(text, _BLOCK))
    assert added in {rest, f"{rest}\n"}


@given(text=_TEXT)
def test_a_new_block_takes_the_place_of_the_old(text: str) -> None:
    """Another address is put where the old one stood, and no old line stays."""
    other = hosts_block(["docker.io"], "10.0.0.2")
    merged = merge_hosts(merge_hosts(text, other), _BLOCK)
    assert merged == merge_hosts(text, _BLOCK)


def test_marks_without_an_end_are_no_block() -> None:
    """A mark that somebody left alone takes no line of theirs along."""
    text = f"{BEGIN}\n10.0.0.9 mine\n"
    assert without_block(text) == text
    assert merge_hosts(text, _BLOCK) == text + _BLOCK


def test_the_spoof_file() -> None:
    """One name a line, comments allowed; docker.io brings the names that clients really ask."""
    text = "# names\ndocker.io   # the Hub\n\n  K8S.gcr.io\r\nregistry-1.docker.io\n"
    hub = ("docker.io", "registry-1.docker.io", "index.docker.io")
    assert parse_spoofs(text) == (*hub, "k8s.gcr.io")
    assert parse_spoofs("quay.io\nindex.docker.io") == ("quay.io", *hub)


@pytest.mark.parametrize("line", ["10.0.0.1 docker.io", "https://docker.io", "docker.io/library"])
def test_a_line_that_is_no_name(line: str) -> None:
    """A line that would make no sense in /etc/hosts is refused, and which it is."""
    with pytest.raises(UsageError, match="line 2"):
        parse_spoofs(f"quay.io\n{line}\n")


def test_dns_servers() -> None:
    """Dnsmasq and CoreDNS answer these names, for one family only, and ask on for all others."""
    assert dnsmasq(["docker.io"], "10.0.0.1") == (
        "host-record=docker.io,10.0.0.1\naddress=/docker.io/\nserver=/*.docker.io/#\n"
    )
    assert coredns(["docker.io", "quay.io"], "fd00::1") == (
        "hosts {\n    fd00::1 docker.io\n    fd00::1 quay.io\n    fallthrough\n}\n"
    )
