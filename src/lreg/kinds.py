"""Kinds of setting: how the text of a setting becomes a value, and how it is written again."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from lreg.errors import LregError, UsageError
from lreg.oci.platform import Platform
from lreg.oci.reference import RepositoryName, canonical_host, is_host

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE = re.compile(r"(\d{1,18})(?:\.(\d{1,18}))?(B|[KMGT]i?B)", re.ASCII)
_SCALES = {
    "TiB": 1 << 40, "TB": 10**12, "GiB": 1 << 30, "GB": 10**9,
    "MiB": 1 << 20, "MB": 10**6, "KiB": 1 << 10, "KB": 10**3, "B": 1,
}  # fmt: skip
_SERVER = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?"
_ADDRESS = re.compile(rf"((?:https?://)?{_SERVER})/?", re.ASCII)
_PROXY = re.compile(rf"http://(?:([^/@:\s]+)(:[^/@\s]*)?@)?({_SERVER})/?", re.ASCII)
_UNIX = "unix:"
_SCHEME = re.compile(r"(https?)://(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A kind of value.

    Attributes:
        name: what a value is called, in upper case as a placeholder in `--help`.
        parse: from text, and the folder that relative paths are relative to; raises UsageError.
        text: the other way.
        choices: the only texts there are, or none where there are endless.
        form: what it is in `lreg.toml`: a string, a boolean or an integer.
        public: `text` without what nobody is to see; None where it holds no secret.
    """

    name: str
    parse: Callable[[str, Path], T]
    text: Callable[[T], str] = str
    choices: tuple[str, ...] = ()
    form: type[str | bool | int] = str
    public: Callable[[T], str] | None = None

    def toml(self, value: T) -> str:
        """Return what stands right of `=` in `lreg.toml`, without any secret."""
        text = (self.public or self.text)(value)
        # JSON's strings are TOML's basic strings.
        return json.dumps(text, ensure_ascii=False) if self.form is str else text


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen: a TCP host and port, or the path of a Unix socket.

    Attributes:
        host: an address without brackets, a name, or "" for every address of both families.
        port: the TCP port; 0 lets the system choose.
        path: the Unix socket; None for TCP. With it, `host` is "" and `port` 0.
        scheme: `http` or `https`; "" where that is left to the settings for TLS.
    """

    host: str
    port: int
    path: Path | None = None
    scheme: str = ""

    @classmethod
    def parse(cls, text: str, folder: Path | None = None) -> ListenAddress:
        """Return the address; raise UsageError.

        A relative socket path is relative to `folder`, or to the current one.
        """
        if text.startswith(_UNIX):
            return cls("", 0, _path(text.removeprefix(_UNIX), folder or Path.cwd()))
        scheme, place = match.groups() if (match := _SCHEME.fullmatch(text)) else ("", text)
        host, colon, port = place.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise UsageError(
                f"{text!r} is no place to listen: use ADDR:PORT, [v6]:PORT, NAME:PORT or :PORT, "
                "with http:// or https:// before it if need be, or unix:PATH"
            )
        return cls(_host(host, text), int(port), scheme=scheme)

    @property
    def is_wildcard(self) -> bool:
        """Whether it takes connections to any address of this machine."""
        ip = self._ip()
        return self.path is None and (self.host == "" or (ip is not None and ip.is_unspecified))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it; so with a Unix socket.

        A name counts only if it is localhost or under it (RFC 6761, 6.3).
        """
        if self.path is not None:
            return True
        if (ip := self._ip()) is not None:
            mapped = getattr(ip, "ipv4_mapped", None)
            return (mapped or ip).is_loopback
        return self.host == "localhost" or self.host.endswith(".localhost")

    def _ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    def __str__(self) -> str:
        if self.path is not None:
            return f"{_UNIX}{self.path}"
        scheme = f"{self.scheme}://" if self.scheme else ""
        return f"{scheme}{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def _host(host: str, text: str) -> str:
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    try:
        if ipaddress.ip_address(bare).version == 6 and not bracketed:
            raise UsageError(f"{text!r}: write an IPv6 address in brackets: [{bare}]:PORT")
    except ValueError:
        if bracketed or (bare and not HOST_NAME.fullmatch(bare)) or re.fullmatch(r"[\d.]+", bare):
            raise UsageError(f"{text!r}: {host!r} is neither an address nor a name") from None
    return bare


def _path(text: str, folder: Path) -> Path:
    if not text or "\0" in text:
        raise UsageError("a path is needed")
    try:
        return Path(os.path.normpath(folder / Path(text).expanduser()))
    except RuntimeError:
        raise UsageError(f"{text!r}: there is no such home folder") from None


def _switch(text: str, _: Path) -> bool:
    match text.lower():
        case "true" | "yes" | "on" | "1":
            return True
        case "false" | "no" | "off" | "0":
            return False
        case _:
            raise UsageError(f"{text!r} is neither true nor false")


def parse_duration(text: str) -> float:
    """Return the seconds of such a text as 500ms, 30s, 5m, 24h or 7d; raise UsageError."""
    if text == "0":
        return 0.0
    if not (match := _DURATION.fullmatch(text)):
        raise UsageError(f"{text!r} is not a duration: use such as 500ms, 30s, 5m, 24h or 7d")
    return float(match[1]) * _SECONDS[match[2]]


def show_duration(seconds: float) -> str:
    """Return the duration in its largest whole unit up to hours: 3600 is 1h."""
    for unit in ("h", "m", "s"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.12g}{unit}"
    return f"{seconds * 1000:.12g}ms" if seconds else "0"


def parse_size(text: str) -> int:
    """Return the bytes of such a text as 512B, 500MiB, 1.5GB or 2TiB; raise UsageError."""
    if text == "0":
        return 0
    if not (match := _SIZE.fullmatch(text)):
        raise UsageError(f"{text!r} is not a size: use such as 512B, 500MiB, 20GB or 2TiB")
    whole, fraction, unit = match[1], match[2] or "", _SCALES[match[3]]
    return int(whole) * unit + int(fraction.ljust(18, "0")) * unit // 10**18


def show_size(size: int) -> str:
    """Return the bytes as a whole number of the largest unit that allows it: 500MiB, 20GB."""
    for unit, scale in _SCALES.items():
        if size and size % scale == 0:
            return f"{size // scale}{unit}"
    return "0"


def _count(name: str, most: int) -> Kind[int]:
    def parse(text: str, _: Path) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= most:
            raise UsageError(f"{text!r} is not a whole number from 1 to {most}")
        return int(text)

    return Kind(name, parse, form=int)


def parse_upstream(text: str) -> str:
    """Return the canonical host of an upstream, such as quay.io; raise UsageError.

    Content is kept under it: so it is the first component of a repository's name.
    """
    host = canonical_host(text)
    try:
        RepositoryName.parse(host)
    except LregError:
        host = ""
    if "/" in host or not is_host(host):
        raise UsageError(f"{text!r} is not the host of a registry, such as quay.io")
    return host


def _server_name(text: str, _: Path) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        pass
    if not HOST_NAME.fullmatch(text.removeprefix("*.")) or re.fullmatch(r"[\d.]+", text):
        raise UsageError(f"{text!r} is neither a DNS name nor an address: leave out any port")
    return text.lower()


def _platform(text: str, _: Path) -> Platform:
    try:
        return Platform.parse(text)
    except LregError as error:
        raise UsageError(str(error)) from None


def _prefix(text: str, _: Path) -> str:
    try:
        return str(RepositoryName.parse(text.strip("/")))
    except LregError as error:
        raise UsageError(str(error)) from None


def _word(text: str, _: Path) -> str:
    if not text or not text.isprintable() or ":" in text:
        raise UsageError("a name is needed, without colons")
    return text


def _helper(text: str, _: Path) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", text):
        raise UsageError(
            f"{text!r} is not NAME of a program docker-credential-NAME, such as secretservice"
        )
    return text


def _address(text: str, _: Path) -> str:
    if "@" in text:
        raise UsageError("an address holds no credentials: use username and password-file")
    match = _ADDRESS.fullmatch(text)
    if not match or int(match[2] or 0) > 65535:
        raise UsageError(
            f"{text!r} is no address: use HOST, HOST:PORT, http://HOST:PORT or https://HOST:PORT; "
            "what is to come before names goes into path"
        )
    return match[1]


def _proxy(text: str, _: Path) -> str:
    match = _PROXY.fullmatch(text)
    if text != "none" and (not match or int(match[4] or 0) > 65535):
        # The text is not repeated: a password may be in it.
        raise UsageError(
            "it is no proxy: use http://HOST:PORT, http://USER:PASSWORD@HOST:PORT or none"
        )
    return text


def _without_password(proxy: str) -> str:
    match = _PROXY.fullmatch(proxy)
    return f"http://{match[1]}@{match[3]}" if match and match[2] else proxy


def _choice(name: str, *choices: str) -> Kind[str]:
    def parse(text: str, _: Path) -> str:
        if text not in choices:
            raise UsageError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return Kind(name, parse, choices=choices)


PATH = Kind("path", _path)
SWITCH = Kind("switch", _switch, lambda value: "true" if value else "false", form=bool)
DURATION = Kind("duration", lambda text, _: parse_duration(text), show_duration)
SIZE = Kind("size", lambda text, _: parse_size(text), show_size)
JOBS = _count("count", 64)
PLATFORM = Kind("platform", _platform)
LISTEN = Kind("address", ListenAddress.parse)
SERVER_NAME = Kind("name", _server_name)
TLS = _choice("tls", "off", "auto")
LOG_LEVEL = _choice("level", "debug", "info", "warning", "error")
LOG_FORMAT = _choice("format", "text", "json")
READERS = _choice("readers", "all", "authenticated")
USER = Kind("name", _word)
HELPER = Kind("name", _helper)
PREFIX = Kind("path", _prefix)
ADDRESS = Kind("address", _address)
PROXY = Kind("proxy", _proxy, public=_without_password)
# Which upstream a name means that says none; "" is none.
UPSTREAM = Kind(
    "host",
    lambda text, _: "" if text == "none" else parse_upstream(text),
    lambda host: host or "none",
)
