"""What a person can set, each setting declared once, and where its value came from.

Built-in defaults < `lreg.toml` < `LREG_*` in the environment < flags. `Config` is the declaration:
flags, names in the environment, `lreg config show` and docs/reference.md all come from its fields.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from lreg.errors import UsageError
from lreg.kinds import (
    DURATION,
    LISTEN,
    LOG_FORMAT,
    LOG_LEVEL,
    PATH,
    SWITCH,
    TLS,
    Kind,
    ListenAddress,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

CA_FILE = "ca.pem"
FILE_VARIABLE = "LREG_CONFIG"
_PREFIX = "LREG_"
# A Kubernetes Service called lreg puts these into every pod of its namespace.
_KUBERNETES = re.compile(r"LREG_(SERVICE_(HOST|PORT)|PORT)(_\w+)?")


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One setting.

    Attributes:
        name: as in `lreg.toml`, and with `--` before it as a flag.
        kind: how its text becomes a value and back.
        many: whether it is a list.
        default: what the value is where nothing is set: text, or what makes it; None: nothing.
        default_doc: the default in words.
        doc: one line, for `--help` and the reference.
    """

    name: str
    kind: Kind[T]
    many: bool
    default: str | Callable[[], T] | None
    default_doc: str
    doc: str

    @property
    def attribute(self) -> str:
        """Its name in `Config`."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return _PREFIX + self.attribute.upper()

    def initial(self) -> object:
        """Return the value where nothing is set."""
        if isinstance(self.default, str):
            return self.parse(self.default, Path.cwd())
        return self.default() if self.default else None

    def parse(self, raw: object, folder: Path) -> object:
        """Return the value of what TOML, the environment or a flag holds.

        Args:
            raw: text, or what TOML made of it, or a list of those.
            folder: what a relative path is relative to.

        Raises:
            UsageError: it is not such a value; the message does not name the setting.
        """
        if not self.many:
            return self.kind.parse(_text(raw), folder)
        items = raw.split(",") if isinstance(raw, str) else raw
        if not isinstance(items, list | tuple) or not items:
            raise UsageError(f"{raw!r} is not a list of {self.kind.name}s")
        return tuple(self.kind.parse(_text(item).strip(), folder) for item in items)

    def show(self, value: Any) -> str:
        """Return the value as a person writes it in TOML."""
        if value is None:
            return ""
        if self.many:
            return "[" + ", ".join(self.kind.toml(item) for item in value) + "]"
        return self.kind.toml(value)


def _text(raw: object) -> str:
    match raw:
        case bool():
            return "true" if raw else "false"
        case str():
            return raw
        case int() | float():
            return str(raw)
        case _:
            raise UsageError(f"{raw!r} is not a single value")


def _is_root() -> bool:
    return os.geteuid() == 0


def _base_folder(variable: str, otherwise: str) -> Path:
    # XDG Base Directory Specification: a relative path is to be ignored.
    named = os.environ.get(variable, "")
    return Path(named) if os.path.isabs(named) else Path.home() / otherwise


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


def _setting(
    kind: Kind[T],
    doc: str,
    default: str | Callable[[], T] | None = None,
    *,
    default_doc: str = "",
    many: bool = False,
) -> Any:
    # The field's name is not known here: SETTINGS fills it in.
    made = Setting("", kind, many, default, default_doc or str(default or "not set"), doc)
    return field(default_factory=made.initial, metadata={"setting": made})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting's value; each field's declaration says what it means. Times in seconds."""

    store: Path = _setting(
        PATH,
        "The folder that holds the images, in distribution's layout.",
        default_store,
        default_doc="/var/lib/lreg for root, else $XDG_DATA_HOME/lreg",
    )
    listen: tuple[ListenAddress, ...] = _setting(
        LISTEN,
        "Where to listen: ADDR:PORT, [v6]:PORT, NAME:PORT, :PORT (everywhere) or unix:PATH.",
        "127.0.0.1:5000",
        many=True,
    )
    tls: str = _setting(
        TLS, "auto: make a private CA, and a certificate for every name listened on.", "off"
    )
    tls_cert: Path | None = _setting(PATH, "The server's own certificate chain, PEM; with tls-key.")
    tls_key: Path | None = _setting(PATH, "The private key of tls-cert, PEM, not encrypted.")
    htpasswd: Path | None = _setting(
        PATH, "Who may write: a file of bcrypt lines, as `htpasswd -B` makes it."
    )
    allow_anonymous_push: bool = _setting(
        SWITCH, "Let anybody write, on addresses other than loopback too.", "false"
    )
    delete: bool = _setting(SWITCH, "Let those who may write delete as well.", "true")
    grace: float = _setting(DURATION, "How long running requests may take to end at a stop.", "30s")
    upload_expiry: float = _setting(
        DURATION, "How long an upload that nobody continues is kept.", "24h"
    )
    log_level: str = _setting(LOG_LEVEL, "The least that is logged.", "info")
    log_format: str = _setting(LOG_FORMAT, "How a log line looks.", "text")

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise UsageError("tls-cert and tls-key belong together: set both or neither")
        if self.tls_cert and self.tls != "off":
            raise UsageError("tls = auto makes its own certificate: leave tls-cert out, or tls")

    @property
    def ca_folder(self) -> Path:
        """Where the private CA lies that `tls = auto` makes."""
        return self.store / "lreg" / "ca"

    @property
    def has_tls(self) -> bool:
        """Whether the listeners speak TLS."""
        return self.tls != "off" or self.tls_cert is not None


SETTINGS: tuple[Setting[Any], ...] = tuple(
    replace(f.metadata["setting"], name=f.name.replace("_", "-")) for f in fields(Config)
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}
_BY_VARIABLE = {setting.variable: setting for setting in SETTINGS}


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

    def take(
        setting: Setting[Any], given: object, origin: str, folder: Path, where: str = ""
    ) -> None:
        try:
            values[setting.attribute] = setting.parse(given, folder)
        except UsageError as error:
            raise UsageError(f"{where or origin}: {error}") from None
        origins[setting.name] = origin

    for key, given in (raw or {}).items():
        if key not in _BY_NAME:
            raise UsageError(f"{path}: {_unknown(key, _BY_NAME)}")
        take(_BY_NAME[key], given, str(path), path.absolute().parent, f"{path}: {key}")
    for key, text in environ.items():
        if not key.startswith(_PREFIX) or key == FILE_VARIABLE or _KUBERNETES.fullmatch(key):
            continue
        if key not in _BY_VARIABLE:
            raise UsageError(f"environment: {_unknown(key, [*_BY_VARIABLE, FILE_VARIABLE])}")
        take(_BY_VARIABLE[key], text, f"${key}", Path.cwd())
    for name, given in (flags or {}).items():
        if given is not None:
            take(_BY_NAME[name], given, f"--{name}", Path.cwd())
    return Loaded(
        Config(**cast("dict[str, Any]", values)), origins, path if raw is not None else None
    )


def _unknown(key: str, known: Mapping[str, object] | list[str]) -> str:
    import difflib  # noqa: PLC0415 -- for a mistake only

    near = difflib.get_close_matches(key, list(known), n=1, cutoff=0)
    return f"there is no setting {key!r}; the nearest is {near[0]!r}"


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
