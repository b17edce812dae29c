"""The tables of lreg.toml: where images may come from, how fresh they must be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.config import Config, load
from lreg.errors import UsageError
from lreg.oci.platform import Platform
from lreg.settings import settings_of
from lreg.upstreams import PUBLIC, TABLES, FreshnessRule, Ttl, UpstreamSettings, is_pattern, matches

if TYPE_CHECKING:
    from collections.abc import Callable

    Settings = Callable[[str], Config]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """What a lreg.toml of a test's own means."""

    def read(text: str) -> Config:
        file = tmp_path / "lreg.toml"
        file.write_text(text)
        return load(None, file, {}).config

    return read


def test_the_public_registries_are_allowed() -> None:
    """Without any setting, images of the well-known registries can be pulled, and no others."""
    assert set(Config().upstreams) == {
        *("docker.io", "registry.k8s.io", "k8s.gcr.io", "gcr.io", "quay.io", "ghcr.io"),
        *("registry.nordix.org", "mcr.microsoft.com", "public.ecr.aws", "registry.gitlab.com"),
        "nvcr.io",
    }
    for host, upstream in Config().upstreams.items():
        assert upstream == UpstreamSettings(host=host)


def test_an_empty_table_allows_a_host(settings: Settings) -> None:
    """One line adds an upstream; those that were allowed before still are."""
    allowed = settings('[upstream."registry.example"]\n').upstreams
    assert set(allowed) == {*PUBLIC, "registry.example"}


def test_one_can_be_taken_off(settings: Settings) -> None:
    """What is not to be asked is off the list, and what else its table says does not matter."""
    config = settings('[upstream."quay.io"]\nallow = false\naddress = "127.0.0.1:1"\n')
    assert set(config.upstreams) == set(PUBLIC) - {"quay.io"}


def test_the_default_upstream_is_an_allowed_one(settings: Settings) -> None:
    """A plain name can't mean a host that is not to be asked, and how to set that right is said."""
    off = '[upstream."docker.io"]\nallow = false\n'
    with pytest.raises(UsageError, match=r'docker.io, which is not allowed.*"none"'):
        settings(off)
    assert settings(f'default-upstream = "none"\n{off}').default_upstream == ""
    with pytest.raises(UsageError, match=r"my.example, which is not allowed"):
        settings('default-upstream = "my.example"\n')
    config = settings('default-upstream = "My.Example"\n[upstream."my.example"]\n')
    assert config.default_upstream == "my.example"


def test_everything_of_one_upstream(settings: Settings, tmp_path: Path) -> None:
    """All that can be set for an upstream is set; paths are relative to the file."""
    config = settings(
        """
        [upstream."quay.io"]
        address = "https://cache.example:8443/"
        ca = "ca.pem"
        username = "bob"
        password-file = "/run/secrets/quay"
        path = "/proxy/quay/"
        proxy = "http://me:secret@proxy.example:3128"
        rate-floor = "100KB"
        platforms = ["linux/amd64", "linux/arm/v7"]
        readers = "authenticated"
        offline = true
        """
    )
    assert config.upstreams["quay.io"] == UpstreamSettings(
        host="quay.io",
        address="https://cache.example:8443",
        ca=tmp_path / "ca.pem",
        username="bob",
        password_file=Path("/run/secrets/quay"),
        path="proxy/quay",
        proxy="http://me:secret@proxy.example:3128",
        rate_floor=100_000,
        platforms=(Platform("linux", "amd64"), Platform("linux", "arm", "v7")),
        readers="authenticated",
        offline=True,
    )


def test_the_example_in_the_documentation(settings: Settings) -> None:
    """The lreg.toml that docs/operations.md shows can be used."""
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    examples = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    config = settings(next(each for each in examples if "[[freshness]]" in each))
    assert "registry.example" in config.upstreams
    assert "nvcr.io" not in config.upstreams
    assert len(config.freshness) == 2


@pytest.mark.parametrize(
    ("written", "host", "address"),
    [
        ("QUAY.io", "quay.io", ""),
        ("index.docker.io", "docker.io", ""),
        ("registry-1.docker.io:443", "docker.io", ""),
        ("registry.example:5000", "registry.example", "registry.example:5000"),
        ("localhost:5000", "localhost", "localhost:5000"),
        ("10.0.0.1", "10.0.0.1", ""),
    ],
)
def test_a_host_has_one_name(settings: Settings, written: str, host: str, address: str) -> None:
    """However a host is written it is known by one name; a port says where to find it."""
    found = settings(f'[upstream."{written}"]\n').upstreams[host]
    assert (found.host, found.address) == (host, address)


def test_a_written_address_is_stronger_than_a_port(settings: Settings) -> None:
    """Where `address` says what to dial, a port in the name says nothing."""
    found = settings('[upstream."a.example:5000"]\naddress = "b.example:1"\n').upstreams
    assert found["a.example"].address == "b.example:1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("upstream = 3", "upstream: write a table for each host"),
        ('[upstream]\n"quay.io" = 3', 'upstream."quay.io": 3 is not a table'),
        ("[upstream.quay]", "upstream.\"quay\": 'quay' is not the host of a registry"),
        ('[upstream."a/b.example"]', "'a/b.example' is not the host"),
        ('[upstream."https://a.example"]', "is not the host"),
        ('[upstream."[::1]:5000"]', "'[::1]:5000' is not the host"),
        ('[upstream."a.example:99999"]', "upstream.\"a.example:99999\": 'a.example:99999' is no"),
        ('[upstream."a.example"]\n[upstream."a.example:1"]', "'a.example' is the same upstream"),
        (
            '[upstream."quay.io"]\nadress = "x"',
            "upstream.\"quay.io\": there is no setting 'adress'",
        ),
        ('[upstream."quay.io"]\npassword = "x"', "the nearest is 'password-file'"),
        ('[upstream."quay.io"]\naddress = "a b"', "upstream.\"quay.io\".address: 'a b' is no"),
        ('[upstream."quay.io"]\naddress = "http://a/b"', "goes into path"),
        ('[upstream."quay.io"]\naddress = "a:70000"', "'a:70000' is no address"),
        ('[upstream."quay.io"]\nplain-http = "maybe"', "plain-http: 'maybe' is a string"),
        ('[upstream."quay.io"]\nusername = "u"', "username and password-file belong together"),
        (
            '[upstream."quay.io"]\nusername = "a:b"\npassword-file = "p"',
            "username: a name is needed",
        ),
        (
            '[upstream."quay.io"]\nusername = "u"\npassword-file = "p"\ncredential-helper = "pass"',
            "credentials come from one place",
        ),
        ('[upstream."quay.io"]\ncredential-helper = "../x"', "'../x' is not NAME of a program"),
        ('[upstream."quay.io"]\npath = "UP"', "path: 'UP' is not a repository name"),
        ('[upstream."quay.io"]\nplatforms = ["arm"]', "platforms: 'arm' is not a platform"),
        ('[upstream."quay.io"]\nrate-floor = "100"', "rate-floor: '100' is not a size"),
        ('[upstream."quay.io"]\nreaders = "me"', "readers: 'me' is not one of all, authenticated"),
        ('[upstream."quay.io"]\nplain-http = true\nca = "c"', "leave ca out"),
        ('[upstream."quay.io"]\naddress = "http://a"\nca = "c"', "leave ca out"),
        ('[upstream."quay.io"]\nplain-http = true\naddress = "https://a"', "leave one out"),
        ("[freshness]", "freshness: write [[freshness]]"),
        ("freshness = [3]", "freshness[1]: 3 is not a table"),
        ('[[freshness]]\nmatch = "*"', "freshness[1]: ttl is missing"),
        ('[[freshness]]\nttl = "1m"', "freshness[1]: match is missing"),
        ('[[freshness]]\nmatch = "*"\nttl = "often"', "freshness[1].ttl: 'often' is neither"),
        ('[[freshness]]\nmatch = "*"\nttl = "seconds"', "'seconds' is neither"),
        (
            '[[freshness]]\nmatch = "docker.io/a/b"\nttl = "1m"',
            "freshness[1].match: 'docker.io/a/b'",
        ),
        ('[[freshness]]\nmatch = "*"\ntll = "1m"', "freshness[1]: there is no setting 'tll'"),
        ("[upstreams]", "the nearest is 'upstream'"),
    ],
)
def test_a_wrong_table_is_said_in_one_line(
    settings: Settings, tmp_path: Path, text: str, says: str
) -> None:
    """What is wrong in a table is named with the file, the table and the key."""
    with pytest.raises(UsageError) as error:
        settings(text + "\n")
    assert str(error.value).startswith(f"{tmp_path}/lreg.toml: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "line",
    [
        'proxy = "http://me:hush@"',
        'proxy = "https://me:hush@proxy:1"',
        'proxy = "http://me:hu@sh@proxy"',
        'proxy = "socks5://me:hush@proxy"',
        'proxy = "http://me:hush@proxy:99999"',
        'proxy = "me:hush@proxy"',
        'address = "https://me:hush@quay.io"',
        'password = "hush"',
    ],
)
def test_a_wrong_password_is_not_repeated(settings: Settings, line: str) -> None:
    """A secret that stands in the wrong place, or the wrong way, does not get into a log."""
    with pytest.raises(UsageError) as error:
        settings(f'[upstream."quay.io"]\n{line}\n')
    assert "hu" not in str(error.value)


def test_a_password_is_not_in_a_repr() -> None:
    """What prints a configuration in a traceback prints no password of a proxy."""
    upstream = UpstreamSettings(host="quay.io", proxy="http://me:hush@proxy:1")
    assert "hush" not in repr(upstream)


@pytest.mark.parametrize(
    ("text", "ttl"),
    [
        ("10m", Ttl("seconds", 600)),
        ("0", Ttl("seconds", 0)),
        ("immutable", Ttl("immutable")),
        ("always", Ttl("always")),
        ("offline", Ttl("offline")),
    ],
)
def test_ttls(text: str, ttl: Ttl) -> None:
    """A ttl is a duration or one of three words, and is shown as it is written."""
    assert Ttl.parse(text) == ttl
    assert str(ttl) == text


def test_rules_keep_their_order(settings: Settings) -> None:
    """The first rule that matches counts: the order in the file is kept."""
    rules = settings(
        '[[freshness]]\nmatch = "docker.io/library/*:latest"\nttl = "10m"\n'
        '[[freshness]]\nmatch = "*"\nttl = "immutable"\n'
    ).freshness
    assert rules == (
        FreshnessRule("docker.io/library/*:latest", Ttl("seconds", 600)),
        FreshnessRule("*", Ttl("immutable")),
    )


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("docker.io/library/*:latest", "docker.io/library/alpine:latest", True),
        ("docker.io/library/*:latest", "docker.io/library/alpine:3.8", False),
        ("docker.io/*", "docker.io/library/alpine:3.8", True),
        ("docker.io/*", "xdocker.io/library/alpine:3.8", False),
        ("docker.io/*", "dockerxio/library/alpine:3.8", False),
        ("*:v?", "quay.io/a/b:v1", True),
        ("*:v?", "quay.io/a/b:v10", False),
        ("*:v[12]*", "quay.io/a/b:v2.1", True),
        ("*:Latest", "quay.io/a/b:latest", False),
        ("quay.io/a/b:v1", "quay.io/a/b:v1", True),
    ],
)
def test_globs(pattern: str, text: str, *, fits: bool) -> None:
    """`*` means slashes and colons too; the whole name must match, letter for letter."""
    assert matches(pattern, text) is fits
    assert FreshnessRule(pattern, Ttl("always")).matches(text) is fits


@given(st.from_regex(r"[a-z0-9./:_-]{1,40}", fullmatch=True))
def test_what_is_no_pattern_means_itself_alone(text: str) -> None:
    """The name of an image is no pattern and matches itself."""
    assert not is_pattern(text)
    assert matches(text, text)
    assert not matches(text, text + "x")


def test_every_key_is_declared_in_full() -> None:
    """A key of a table without its line of documentation does not exist."""
    for table in TABLES:
        assert table.doc.endswith(".")
        for key in settings_of(table.declaration):
            assert key.doc.endswith("."), key.name
            assert key.default_doc, key.name


@given(
    st.dictionaries(
        st.text(max_size=12),
        st.one_of(st.integers(), st.booleans(), st.text(max_size=12), st.lists(st.text())),
        max_size=3,
    ),
    st.text(max_size=12),
)
def test_any_table_is_read_or_a_usage_error(table: dict[str, object], host: str) -> None:
    """No table makes the reader fail in any other way, nor say more than a line."""
    for each, raw in zip(TABLES, ({host: table}, [table]), strict=True):
        try:
            each.read(json.loads(json.dumps(raw)), Path("/"))
        except UsageError as error:
            assert str(error).isprintable()
