"""Which image a request means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.errors import NameInvalid
from lreg.oci.reference import RepositoryName
from lreg.upstream.names import Names, namespace_of

NAMES = Names(["docker.io", "quay.io", "registry.k8s.io"], "docker.io")


def canonical(name: str, query: str = "", host: str = "10.0.0.1:5000") -> str:
    return NAMES.canonical(RepositoryName.parse(name), query, host).text


@pytest.mark.parametrize(
    ("name", "query", "host", "expected"),
    [
        ("library/alpine", "", "10.0.0.1:5000", "library/alpine"),
        ("library/alpine", "ns=docker.io", "10.0.0.1:5000", "docker.io/library/alpine"),
        ("alpine", "ns=docker.io", "10.0.0.1:5000", "docker.io/library/alpine"),
        ("org/app", "ns=quay.io", "10.0.0.1:5000", "quay.io/org/app"),
        ("org/app", "n=1&ns=quay.io%3A443", "10.0.0.1:5000", "quay.io/org/app"),
        ("org/app", "ns=index.docker.io", "10.0.0.1:5000", "docker.io/org/app"),
        # BuildKit says the host twice.
        ("docker.io/library/alpine", "ns=docker.io", "r:5000", "docker.io/library/alpine"),
        # The namespace goes first, then the path, then the Host header.
        ("quay.io/org/app", "ns=docker.io", "registry.k8s.io", "docker.io/quay.io/org/app"),
        ("quay.io/org/app", "", "registry.k8s.io", "quay.io/org/app"),
        ("pause", "", "registry.k8s.io", "registry.k8s.io/pause"),
        ("library/alpine", "", "registry-1.docker.io:443", "docker.io/library/alpine"),
        ("index.docker.io/library/alpine", "", "r:5000", "docker.io/library/alpine"),
        # A mirror that names itself says nothing; nor does a host that is not on the list.
        ("org/app", "ns=10.0.0.1:5000", "10.0.0.1:5000", "org/app"),
        ("org/app", "", "images.corp.example", "org/app"),
        ("org/app", "ns=images.corp.example", "r:5000", "images.corp.example/org/app"),
        # No host: a project's name.
        ("quay/org/app", "", "r:5000", "quay/org/app"),
    ],
)
def test_order(name: str, query: str, host: str, expected: str) -> None:
    """`?ns=`, then the path's first component, then the Host header, then the plain name."""
    assert canonical(name, query, host) == expected


@pytest.mark.parametrize("query", ["ns=%00", "ns=a%20b", "ns=%5Bfd00::1%5D", "ns=..%2F.."])
def test_no_host(query: str) -> None:
    """A namespace is a host's name, and nothing else gets into a path."""
    with pytest.raises(NameInvalid):
        canonical("org/app", query)


@given(
    st.from_regex(r"[a-z0-9]+(/[a-z0-9]+){0,3}", fullmatch=True),
    st.sampled_from(["", "ns=quay.io", "ns=docker.io", "ns=quay.io:443"]),
    st.sampled_from(["r:5000", "quay.io", "registry-1.docker.io"]),
)
def test_canonical_names_stay(name: str, query: str, host: str) -> None:
    """A canonical name is the same however it is asked for again: Locations lead back to it."""
    once = canonical(name, query, host)
    assert canonical(once, query, host) == once or "." not in once.partition("/")[0]
    place = NAMES.place(RepositoryName.parse(once))
    if not place.plain and place.host:
        assert f"{place.host}/{place.path}" == once


@pytest.mark.parametrize(
    ("name", "host", "plain"),
    [
        ("quay.io/org/app", "quay.io", False),
        ("images.corp.example/org/app", None, False),
        ("library/alpine", "docker.io", True),
        ("alpine", "docker.io", True),
        # Docker Hub has no such names: it is not told of them.
        ("team/project/app", None, True),
    ],
)
def test_place(name: str, host: str | None, plain: bool) -> None:
    """Where the content of a name may come from."""
    place = NAMES.place(RepositoryName.parse(name))
    assert (place.host, place.plain) == (host, plain)


def test_no_default_upstream() -> None:
    """Without a default upstream a plain name is this registry's only."""
    names = Names(["docker.io"], "")
    assert names.place(RepositoryName.parse("library/alpine")).host is None


def test_namespace_of_a_query() -> None:
    """The namespace is read wherever it stands; parameters that only end like it are not it."""
    assert namespace_of("dns=a.example&ns=quay.io") == "quay.io"
    assert namespace_of("dns=a.example") == ""
    assert namespace_of("") == ""
