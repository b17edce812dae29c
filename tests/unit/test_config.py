"""What a person can set, and what is said when it is wrong."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from lreg.config import SETTINGS, Config, default_file, default_store, load
from lreg.errors import UsageError
from lreg.kinds import ListenAddress
from lreg.upstreams import TABLES


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lreg.toml"


def test_flags_over_environment_over_file_over_default(file: Path) -> None:
    """A flag wins over the environment, that over the file, that over the default."""
    file.write_text('tls = "auto"\ngrace = "1m"\nlog-level = "debug"\n')
    environ = {"LREG_GRACE": "2m", "LREG_LOG_LEVEL": "error"}
    loaded = load({"log-level": "warning"}, file, environ)
    config = loaded.config
    assert (config.tls, config.grace, config.log_level) == ("auto", 120.0, "warning")
    assert config.log_format == "text"
    assert loaded.origins["tls"] == str(file)
    assert loaded.origins["grace"] == "$LREG_GRACE"
    assert loaded.origins["log-level"] == "--log-level"
    assert loaded.origins["log-format"] == "default"


def test_what_is_known_of_the_internet(file: Path) -> None:
    """How images come from the internet can be set wherever everything else can."""
    file.write_text('cache-size = "20GB"\nprefetch = false\nfill-jobs = 8\ntag-ttl = "0"\n')
    environ = {"LREG_OFFLINE": "true", "LREG_DEFAULT_UPSTREAM": "quay.io"}
    config = load({"upstream-stall": "5s", "upstream-patience": "1h"}, file, environ).config
    assert (config.cache_size, config.prefetch, config.fill_jobs) == (20 * 10**9, False, 8)
    assert (config.offline, config.default_upstream) == (True, "quay.io")
    assert (config.tag_ttl, config.upstream_stall, config.upstream_patience) == (0, 5, 3600)


def test_tables_stand_in_the_file_only() -> None:
    """A table can't be half in the environment: what looks like one there is an error."""
    with pytest.raises(UsageError, match="there is no setting 'LREG_FRESHNESS'"):
        load(None, None, {"LREG_FRESHNESS": "x"})


def test_lists_are_replaced_not_joined(file: Path) -> None:
    """Listeners of the file do not stay open when the command line names others."""
    file.write_text('listen = ["127.0.0.1:1", "[::1]:2"]\n')
    assert [str(each) for each in load(None, file, {}).config.listen] == ["127.0.0.1:1", "[::1]:2"]
    assert load({"listen": (":3",)}, file, {}).config.listen == (ListenAddress("", 3),)


def test_environment_lists_have_commas() -> None:
    """Several listeners fit into LREG_LISTEN."""
    config = load(None, None, {"LREG_LISTEN": "127.0.0.1:1, unix:/run/l.sock"}).config
    assert config.listen == (
        ListenAddress("127.0.0.1", 1),
        ListenAddress("", 0, Path("/run/l.sock")),
    )


def test_a_path_in_the_file_is_relative_to_the_file(file: Path) -> None:
    """The file means the same from wherever lreg is started."""
    file.write_text('store = "images"\nlisten = "unix:sock"\n')
    config = load(None, file, {}).config
    assert config.store == file.parent / "images"
    assert config.listen[0].path == file.parent / "sock"
    assert load({"store": "images"}, file, {}).config.store == Path.cwd() / "images"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('stor = "x"', "'stor'; the nearest is 'store'"),
        ('log_level = "info"', "the nearest is 'log-level'"),
        ('grace = "30"', "grace: '30' is not a duration"),
        ("listen = []", "listen: the list is empty"),
        ('listen = ["5000"]', "listen: '5000' is no place to listen"),
        ('tls = "on"', "'on' is not one of off, auto"),
        ('tls-cert = "c"', "tls-cert and tls-key belong together"),
        ('tls = "auto"\ntls-cert = "c"\ntls-key = "k"', "leave tls-cert out"),
        ("= 3", "not TOML"),
        ('cache-size = "100"', "cache-size: '100' is not a size"),
        ("fill-jobs = 0", "fill-jobs: '0' is not a whole number from 1 to 64"),
        ('default-upstream = "hub"', "default-upstream: 'hub' is not the host of a registry"),
    ],
)
def test_a_wrong_file_is_said_in_one_line(file: Path, text: str, says: str) -> None:
    """What is wrong in lreg.toml is named, with the file, and the nearest right name."""
    file.write_text(text)
    with pytest.raises(UsageError) as error:
        load(None, file, {})
    assert says in str(error.value)
    assert "\n" not in str(error.value)


WRONG = {
    str: ["5", "true", "2.5", "1979-05-27", "[]", "{a = 1}"],
    bool: ["1", '"true"', "[true]"],
    int: ['"3"', "3.0", "true"],
}


@pytest.mark.parametrize(
    ("name", "given"),
    [
        (known.name, each)
        for known in SETTINGS
        for each in WRONG[known.kind.form]
        if not (known.many and each == "[]")
    ],
)
def test_a_setting_of_the_wrong_form(file: Path, name: str, given: str) -> None:
    """A value of another type of TOML is refused, with file, name and what it is to be."""
    file.write_text(f"{name} = {given}")
    with pytest.raises(UsageError) as error:
        load(None, file, {})
    said = str(error.value)
    assert said.startswith(f"{file}: {name}: ")
    assert said.endswith(('is a string, in quotes: "…"', "true or false", "is an integer"))


@pytest.mark.parametrize("line", ['plain-http = "true"', "ca = 5", "platforms = [1]"])
def test_a_key_of_a_table_of_the_wrong_form(file: Path, line: str) -> None:
    """So are those in a table."""
    file.write_text(f'[upstream."quay.io"]\n{line}')
    key = line.partition(" ")[0]
    with pytest.raises(UsageError, match=rf'upstream."quay.io".{key}: .* is a[n]? .*; .* is a'):
        load(None, file, {})


def test_a_file_that_is_not_text(file: Path) -> None:
    """A file that is not even text is said to be no TOML."""
    file.write_bytes(b'store = "\xff"')
    with pytest.raises(UsageError, match="not TOML"):
        load(None, file, {})


def test_an_unknown_variable_names_the_nearest() -> None:
    """A misspelt LREG_ variable does not silently do nothing."""
    with pytest.raises(UsageError, match="'LREG_LISTENS'; the nearest is 'LREG_LISTEN'"):
        load(None, None, {"LREG_LISTENS": ":1"})


def test_a_kubernetes_service_called_lreg_does_no_harm() -> None:
    """The variables that Kubernetes makes of a Service called lreg are not settings."""
    environ = {
        "LREG_SERVICE_HOST": "10.0.0.1",
        "LREG_SERVICE_PORT": "5000",
        "LREG_PORT": "tcp://10.0.0.1:5000",
        "LREG_PORT_5000_TCP_ADDR": "10.0.0.1",
    }
    assert load(None, None, environ).config.listen == Config().listen


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    """A configuration file that was asked for is not skipped, whichever way it was named."""
    missing = tmp_path / "no.toml"
    with pytest.raises(UsageError, match="no such configuration file"):
        load(None, missing, {})
    with pytest.raises(UsageError, match="no such configuration file"):
        load(None, None, {"LREG_CONFIG": str(missing)})


def test_the_usual_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Root's are the system's; everybody else's follow XDG, relative paths ignored."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_store() == Path("/var/lib/lreg")
    assert default_file() == Path("/etc/lreg/lreg.toml")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/xdg")
    assert default_store() == tmp_path / ".local/share/lreg"
    assert default_file() == Path("/xdg/lreg/lreg.toml")


def test_who_has_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home folder, in a container say, is served as others are."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setattr("os.geteuid", lambda: 4242)
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert load(None, None, {}).config.store == Path("/.local/share/lreg")
    with pytest.raises(UsageError, match="--store: '~nobody-here/x': there is no such home"):
        load({"store": "~nobody-here/x"}, None, {})


def test_the_usual_file_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without --config the user's own lreg.toml counts."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load(None, None, {}).file is None
    place = tmp_path / "lreg" / "lreg.toml"
    place.parent.mkdir()
    place.write_text("delete = false\n")
    loaded = load(None, None, {})
    assert (loaded.config.delete, loaded.file) == (False, place)


def test_every_setting_is_declared_in_full() -> None:
    """A setting without its line of documentation, or that can't be written, does not exist."""
    declared = [each.attribute for each in SETTINGS] + [each.attribute for each in TABLES]
    assert declared == [field.name for field in fields(Config)]
    defaults = Config()
    for setting in SETTINGS:
        assert setting.doc.endswith("."), setting.name
        assert setting.default_doc, setting.name
        assert setting.variable == "LREG_" + setting.name.upper().replace("-", "_")
        value = getattr(defaults, setting.attribute)
        if value is not None and not setting.many:
            assert setting.parse(setting.kind.text(value), Path("/")) == value


def test_tls_is_known() -> None:
    """A certificate of one's own is TLS as much as an automatic one."""
    cert = {"LREG_TLS_CERT": "/c", "LREG_TLS_KEY": "/k"}
    assert load(None, None, cert).config.has_tls
    assert load(None, None, {"LREG_TLS": "auto"}).config.has_tls
    assert not Config().has_tls


@pytest.mark.parametrize(
    ("listen", "more", "spoken", "ca"),
    [
        ("127.0.0.1:1,https://:2,http://:3", {}, (False, True, False), True),
        ("127.0.0.1:1,http://:2", {"LREG_TLS": "auto"}, (True, False), True),
        ("http://:1", {"LREG_TLS": "auto"}, (False,), False),
        (":1,https://:2", {"LREG_TLS_CERT": "/c", "LREG_TLS_KEY": "/k"}, (True, True), False),
    ],
)
def test_each_listener_has_its_scheme(
    listen: str, more: dict[str, str], spoken: tuple[bool, ...], *, ca: bool
) -> None:
    """One server speaks TLS at some places and plain HTTP at others; https needs no more said."""
    config = load(None, None, {"LREG_LISTEN": listen, **more}).config
    assert tuple(map(config.speaks_tls, config.listen)) == spoken
    assert config.has_tls == any(spoken)
    assert config.has_ca == ca
