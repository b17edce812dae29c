"""What a person can set, each setting declared once, and where its value came from.

Built-in defaults < `lreg.toml` < `LREG_*` in the environment < flags. `Config` is the declaration:
flags, names in the environment, `lreg config show` and docs/reference.md all come from its fields.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lreg.errors import UsageError
from lreg.home import home
from lreg.kinds import (
    DURATION,
    JOBS,
    LISTEN,
    LOG_FORMAT,
    LOG_LEVEL,
    PATH,
    SERVER_NAME,
    SIZE,
    SWITCH,
    TLS,
    UPSTREAM,
    ListenAddress,
)
from lreg.settings import PREFIX, Setting, said_of, setting, settings_of, unknown
from lreg.upstreams import TABLES, FreshnessRule, UpstreamSettings, public_upstreams

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CA_FILE = "ca.pem"
FILE_VARIABLE = "LREG_CONFIG"
# A Kubernetes Service called lreg puts these into every pod of its namespace.
_KUBERNETES = re.compile(r"LREG_(SERVICE_(HOST|PORT)|PORT)(_\w+)?")


def _is_root() -> bool:
    return os.geteuid() == 0


def _base_folder(variable: str, otherwise: str) -> Path:
    # XDG Base Directory Specification: a relative path is to be ignored.
    named = os.environ.get(variable, "")
    return Path(named) if os.path.isabs(named) else home() / otherwise


def default_store() -> Path:
    """Return where the store lies unless it is set: /var/lib/lreg for root, else XDG's place."""
    if _is_root():
        return Path("/var/lib/lreg")
    return _base_folder("XDG_DATA_HOME", ".local/share") / "lreg"


def default_file() -> Path:
    """Return where `lreg.toml` is looked for unless named: in /etc/lreg for root, else XDG's."""
    if _is_root():
        return Path("/etc/lreg/lreg.toml")
    return _base_folder("XDG_CONFIG_HOME", ".config") / "lreg" / "lreg.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting's value; each field's declaration says what it means. Times in seconds."""

    store: Path = setting(
        PATH,
        "The folder that holds the images, in distribution's layout.",
        default_store,
        default_doc="/var/lib/lreg for root, else $XDG_DATA_HOME/lreg",
    )
    listen: tuple[ListenAddress, ...] = setting(
        LISTEN,
        "Where to listen: ADDR:PORT, [v6]:PORT, NAME:PORT, :PORT (everywhere) or unix:PATH. With "
        "http:// or https:// before it, that whatever tls and tls-cert say.",
        "127.0.0.1:5000",
        many=True,
    )
    tls: str = setting(
        TLS,
        "auto: listen with TLS, by certificates of a private CA. https:// in listen has one too.",
        "off",
    )
    tls_cert: Path | None = setting(PATH, "The server's own certificate chain, PEM; with tls-key.")
    tls_key: Path | None = setting(PATH, "The private key of tls-cert, PEM, not encrypted.")
    tls_name: tuple[str, ...] = setting(
        SERVER_NAME,
        "A further name or address by which clients reach it, for the private CA's certificate.",
        tuple,
        default_doc="not set",
        many=True,
    )
    htpasswd: Path | None = setting(
        PATH, "Who may write: a file of bcrypt lines, as `htpasswd -B` makes it."
    )
    allow_anonymous_push: bool = setting(
        SWITCH, "Let anybody write, on addresses other than loopback too.", "false"
    )
    delete: bool = setting(SWITCH, "Let those who may write delete as well.", "true")
    grace: float = setting(DURATION, "How long running requests may take to end at a stop.", "30s")
    upload_expiry: float = setting(
        DURATION, "How long an upload that nobody continues is kept.", "24h"
    )
    default_upstream: str = setting(
        UPSTREAM,
        "The upstream that a name without a host means if it is not here, or none.",
        "docker.io",
    )
    offline: bool = setting(
        SWITCH, "Never dial any upstream: what is here is all there is.", "false"
    )
    cache_size: int = setting(
        SIZE, "What cached images may take; the least recently used go first; 0: no limit.", "0"
    )
    disk_reserve: int | None = setting(
        SIZE,
        "What of the disk downloads from upstreams leave free.",
        default_doc="1GB, or a twentieth of the disk where that is less",
    )
    blob_limit: int = setting(
        SIZE, "The most bytes of a blob whose size nobody says, no manifest either.", "16GB"
    )
    prefetch: bool = setting(
        SWITCH, "Fetch an image's blobs as soon as its manifest is asked for.", "true"
    )
    fill_jobs: int = setting(JOBS, "How many blobs are prefetched at a time, 1 to 64.", "3")
    tag_ttl: float = setting(
        DURATION, "How long a cached tag is believed before upstream is asked again.", "5m"
    )
    upstream_stall: float = setting(
        DURATION, "A download without a byte for so long is taken up anew.", "20s"
    )
    upstream_patience: float = setting(
        DURATION, "A download without progress for so long is given up.", "10m"
    )
    log_level: str = setting(LOG_LEVEL, "The least that is logged.", "info")
    log_format: str = setting(LOG_FORMAT, "How a log line looks.", "text")
    upstreams: Mapping[str, UpstreamSettings] = field(default_factory=public_upstreams)
    freshness: tuple[FreshnessRule, ...] = ()

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise UsageError("tls-cert and tls-key belong together: set both or neither")
        if self.tls_cert and self.tls != "off":
            raise UsageError("tls = auto makes its own certificate: leave tls-cert out, or tls")
        if self.tls_cert and self.tls_name:
            raise UsageError("the names of tls-cert are its own: leave tls-name out, or tls-cert")
        if self.default_upstream and self.default_upstream not in self.upstreams:
            raise UsageError(
                f"default-upstream is {self.default_upstream}, which is not allowed: add "
                f'[upstream."{self.default_upstream}"] to lreg.toml, or set default-upstream = '
                '"none"'
            )

    @property
    def ca_folder(self) -> Path:
        """Where the private CA lies that `tls = auto` makes."""
        return self.store / "lreg" / "ca"

    def speaks_tls(self, address: ListenAddress) -> bool:
        """Return whether TLS is spoken at one of the places to listen."""
        if address.scheme:
            return address.scheme == "https"
        return self.tls != "off" or self.tls_cert is not None

    @property
    def has_tls(self) -> bool:
        """Whether any listener speaks TLS."""
        return any(map(self.speaks_tls, self.listen))

    @property
    def has_ca(self) -> bool:
        """Whether any listener has its certificate from the private CA."""
        return self.has_tls and self.tls_cert is None


SETTINGS: tuple[Setting[Any], ...] = settings_of(Config)
_BY_NAME = {each.name: each for each in SETTINGS}
_BY_VARIABLE = {each.variable: each for each in SETTINGS}
_TABLES = {table.name: table for table in TABLES}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and where it is from.

    Attributes:
        config: the values.
        origins: by setting's name: `default`, the file's path, the variable, or the flag.
        file: the file that was read, or None where there was none.
    """

    config: Config
    origins: Mapping[str, str]
    file: Path | None


def load(
    flags: Mapping[str, object] | None = None,
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Return the configuration.

    Args:
        flags: what the command line says, by the setting's name; None values say nothing.
        file: `--config`, or None: then `$LREG_CONFIG`, then `default_file()` where it exists.
        environ: the environment; None: this process'.

    Raises:
        UsageError: an unknown setting, a bad value, an unreadable file; says where.
    """
    environ = os.environ if environ is None else environ
    named = file or (Path(environ[FILE_VARIABLE]) if environ.get(FILE_VARIABLE) else None)
    path = named or default_file()
    raw = _read(path, must_exist=named is not None)

    values: dict[str, object] = {}
    origins = dict.fromkeys(_BY_NAME, "default")

    def take(known: Setting[Any], given: object, origin: str) -> None:
        with said_of(origin):
            values[known.attribute] = known.parse(given, Path.cwd())
        origins[known.name] = origin

    folder = path.absolute().parent
    for key, given in (raw or {}).items():
        if key in _BY_NAME:
            with said_of(f"{path}: {key}"):
                values[_BY_NAME[key].attribute] = _BY_NAME[key].read(given, folder)
            origins[key] = str(path)
        elif key in _TABLES:
            with said_of(str(path)):
                values[_TABLES[key].attribute] = _TABLES[key].read(given, folder)
        else:
            raise UsageError(f"{path}: {unknown(key, [*_BY_NAME, *_TABLES])}")
    for known, text in _variables(environ):
        take(known, text, f"${known.variable}")
    for name, given in (flags or {}).items():
        if given is not None:
            take(_BY_NAME[name], given, f"--{name}")
    return Loaded(
        Config(**cast("dict[str, Any]", values)), origins, path if raw is not None else None
    )


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[Setting[Any], str]]:
    """Yield the settings that the environment sets; raise UsageError for an unknown one."""
    for key, text in environ.items():
        if not key.startswith(PREFIX) or key == FILE_VARIABLE or _KUBERNETES.fullmatch(key):
            continue
        if key not in _BY_VARIABLE:
            raise UsageError(f"environment: {unknown(key, [*_BY_VARIABLE, FILE_VARIABLE])}")
        yield _BY_VARIABLE[key], text


def _read(path: Path, *, must_exist: bool) -> dict[str, object] | None:
    import tomllib  # noqa: PLC0415 -- most runs have no file, and `--help` never

    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        if must_exist:
            raise UsageError(f"{path}: there is no such configuration file") from None
        return None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from None
