"""Digests, names, tags, references, platforms: what they take, and that they come back."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.errors import (
    DigestInvalid,
    NameInvalid,
    PlatformInvalid,
    ReferenceInvalid,
    RegistryError,
    TagInvalid,
)
from lreg.oci.digest import Algorithm, Digest
from lreg.oci.platform import Platform
from lreg.oci.reference import (
    DOCKER_HUB_ALIASES,
    Reference,
    RepositoryName,
    Tag,
    canonical_host,
    parse_tag_or_digest,
)

A = "sha256:" + "a" * 64
# distribution-spec, "Pulling manifests": the grammar of a repository name.
NAMES = st.from_regex(
    r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*", fullmatch=True
).filter(lambda name: len(name) <= 255)
TAGS = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", fullmatch=True)


def test_digests_are_of_the_content() -> None:
    """A digest is the hash of the bytes, of either algorithm."""
    assert str(Digest.of(b"x")) == "sha256:" + hashlib.sha256(b"x").hexdigest()
    long = Digest.of(b"x", Algorithm.SHA512)
    assert Digest.parse(str(long)) == long
    hasher = Algorithm.SHA512.hasher()
    hasher.update(b"x")
    assert Digest.finished(Algorithm.SHA512, hasher) == long
    assert long.short == long.hex[:12]


@pytest.mark.parametrize(
    "text",
    ["", "sha256:", A[:-1], A + "a", A.upper(), "sha512:" + "a" * 64, "md5:" + "a" * 32, A + "\n"],
)
def test_what_is_no_digest(text: str) -> None:
    """Only whole, lower-case, known digests are taken."""
    with pytest.raises(DigestInvalid):
        Digest.parse(text)


@given(NAMES)
def test_names_of_the_spec(text: str) -> None:
    """Every name that the spec's grammar allows is one, as it is written."""
    assert str(RepositoryName.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "-a", "a-", "a:b", "../a", "a" * 256],
)
def test_what_is_no_name(text: str) -> None:
    """Nothing that could leave a folder or that the spec forbids is a name."""
    with pytest.raises(NameInvalid):
        RepositoryName.parse(text)


@given(TAGS)
def test_tags_of_the_spec(text: str) -> None:
    """Every tag that the spec's grammar allows is one."""
    assert str(Tag.parse(text)) == text


@pytest.mark.parametrize("text", ["", ".a", "-a", "a b", "a/b", "a" * 129, "a\n"])
def test_what_is_no_tag(text: str) -> None:
    """Anything else is not."""
    with pytest.raises(TagInvalid):
        Tag.parse(text)


def test_a_colon_makes_a_digest() -> None:
    """The last part of a manifest's path is a digest if it has a colon, else a tag."""
    assert parse_tag_or_digest(A) == Digest.parse(A)
    assert parse_tag_or_digest("v1") == Tag("v1")


@pytest.mark.parametrize(
    ("text", "host", "repository", "tag", "digest"),
    [
        ("alpine", None, "alpine", None, None),
        ("alpine:3.8", None, "alpine", "3.8", None),
        ("library/alpine", None, "library/alpine", None, None),
        ("docker.io/library/alpine:3.8", "docker.io", "library/alpine", "3.8", None),
        ("localhost/x", "localhost", "x", None, None),
        ("h:5000/a/b:t@" + A, "h:5000", "a/b", "t", A),
        ("[::1]:5000/a", "[::1]:5000", "a", None, None),
        ("127.0.0.1:5000/a@" + A, "127.0.0.1:5000", "a", None, A),
    ],
)
def test_references_as_written(
    text: str, host: str | None, repository: str, tag: str | None, digest: str | None
) -> None:
    """A reference is taken apart by Docker's rules, and written as it was."""
    parsed = Reference.parse(text)
    assert parsed.host == host
    assert str(parsed.repository) == repository
    assert parsed.tag == (Tag(tag) if tag else None)
    assert parsed.digest == (Digest.parse(digest) if digest else None)
    assert str(parsed) == text


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("alpine", "docker.io/library/alpine:latest"),
        ("alpine:3.8", "docker.io/library/alpine:3.8"),
        ("a/b", "docker.io/a/b:latest"),
        ("index.docker.io/alpine", "docker.io/library/alpine:latest"),
        ("quay.io/a/b@" + A, "quay.io/a/b@" + A),
        ("localhost:5000/x", "localhost:5000/x:latest"),
    ],
)
def test_references_as_docker_means_them(text: str, meant: str) -> None:
    """Short names are what Docker makes of them."""
    assert str(Reference.parse(text).familiar()) == meant


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("quay.io", "quay.io"),
        ("Quay.IO:443", "quay.io"),
        ("quay.io:", "quay.io"),
        ("index.docker.io", "docker.io"),
        ("Registry-1.Docker.io:443", "docker.io"),
        ("10.9.9.3:5000", "10.9.9.3"),
        ("[::1]:5000", "::1"),
        ("[FE80::1%eth0]", "fe80::1%eth0"),
        ("::1", "::1"),
        ("", ""),
        (":5000", ""),
        ("a:b", "a:b"),
        ("[a:5]", "[a:5]"),
        ("[a]:5", "[a]"),
        ("a:٣", "a:٣"),
        ("docker.io.example", "docker.io.example"),
    ],
)
def test_a_host_has_one_name(text: str, host: str) -> None:
    """Ports, brackets and upper case do not make another host; Docker Hub's aliases are it."""
    assert canonical_host(text) == host


@given(st.text(max_size=20) | st.text("aB1.:[]%٣-", max_size=12))
def test_the_one_name_of_a_host_stays(text: str) -> None:
    """Whatever is said to be a host, its one name is the name of itself."""
    once = canonical_host(text)
    assert canonical_host(once) == once


@given(
    st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,20}[A-Za-z0-9])?", fullmatch=True)
    | st.sampled_from(sorted(DOCKER_HUB_ALIASES))
    | st.ip_addresses(v=4).map(str),
    st.integers(0, 65535),
)
def test_a_port_makes_no_other_host(host: str, port: int) -> None:
    """A host is the same on every port, in whatever case."""
    assert canonical_host(f"{host}:{port}") == canonical_host(host)
    assert canonical_host(host.upper()) == canonical_host(host)


@given(st.ip_addresses(v=6).map(str), st.integers(0, 65535))
def test_brackets_make_no_other_host(address: str, port: int) -> None:
    """An IPv6 address is the same with brackets, with a port, and bare."""
    assert canonical_host(address) == address
    assert canonical_host(f"[{address}]") == address
    assert canonical_host(f"[{address}]:{port}") == address


@pytest.mark.parametrize("text", ["", " a", "a:", "a@", "UPPER", "a:b:c", "h:5000/", "a@sha256:1"])
def test_what_is_no_reference(text: str) -> None:
    """What Docker would refuse is refused, with the part that is wrong."""
    with pytest.raises((ReferenceInvalid, NameInvalid, TagInvalid, DigestInvalid)):
        Reference.parse(text)


@given(st.text(max_size=60))
def test_no_text_breaks_a_reference(text: str) -> None:
    """Whatever is typed is a reference or an error with a sentence."""
    try:
        parsed = Reference.parse(text)
    except RegistryError as error:
        assert str(error)
    else:
        assert Reference.parse(str(parsed)) == parsed


def test_selectors() -> None:
    """A digest is stronger than a tag; nothing means latest."""
    assert Reference.parse("a:b@" + A).selector == Digest.parse(A)
    assert Reference.parse("a:b").selector == Tag("b")
    assert Reference.parse("a").selector == Tag("latest")


def test_platforms() -> None:
    """A platform is written as Docker writes it; a default variant may be left out."""
    for text in ("linux/amd64", "linux/arm/v7", "windows/amd64"):
        assert str(Platform.parse(text)) == text
    assert Platform.parse("linux/arm64").matches(Platform.parse("linux/arm64/v8"))
    assert not Platform.parse("linux/arm/v6").matches(Platform.parse("linux/arm/v7"))
    assert Platform.here().os == "linux"
    for text in ("", "linux", "linux/", "Linux/amd64", "a/b/c/d"):
        with pytest.raises(PlatformInvalid):
            Platform.parse(text)
