"""Kinds of setting: how the text of a setting becomes a value, and how it is written again."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_UNIX = "unix:"


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A kind of value.

    Attributes:
        name: what a value is called, in upper case as a placeholder in `--help`.
        parse: from text, and the folder that relative paths are relative to; raises UsageError.
        text: the other way.
        choices: the only texts there are, or none where there are endless.
        bare: whether it stands without quotes in `lreg.toml`.
    """

    name: str
    parse: Callable[[str, Path], T]
    text: Callable[[T], str] = str
    choices: tuple[str, ...] = ()
    bare: bool = False

    def toml(self, value: T) -> str:
        """Return what stands right of `=` in `lreg.toml`."""
        text = self.text(value)
        # JSON's strings are TOML's basic strings.
        return text if self.bare else json.dumps(text, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to listen: a TCP host and port, or the path of a Unix socket.

    Attributes:
        host: an address without brackets, a name, or "" for every address of both families.
        port: the TCP port; 0 lets the system choose.
        path: the Unix socket; None for TCP. With it, `host` is "" and `port` 0.
    """

    host: str
    port: int
    path: Path | None = None

    @classmethod
    def parse(cls, text: str, folder: Path | None = None) -> ListenAddress:
        """Return the address; raise UsageError.

        A relative socket path is relative to `folder`, or to the current one.
        """
        if text.startswith(_UNIX):
            return cls("", 0, _path(text.removeprefix(_UNIX), folder or Path.cwd()))
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise UsageError(
                f"{text!r} is no place to listen: use ADDR:PORT, [v6]:PORT, NAME:PORT, :PORT "
                "or unix:PATH"
            )
        return cls(_host(host, text), int(port))

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
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


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
    return Path(os.path.normpath(folder / Path(text).expanduser()))


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


def _choice(name: str, *choices: str) -> Kind[str]:
    def parse(text: str, _: Path) -> str:
        if text not in choices:
            raise UsageError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return Kind(name, parse, choices=choices)


PATH = Kind("path", _path)
SWITCH = Kind("switch", _switch, lambda value: "true" if value else "false", bare=True)
DURATION = Kind("duration", lambda text, _: parse_duration(text), show_duration)
LISTEN = Kind("address", ListenAddress.parse)
TLS = _choice("tls", "off", "auto")
LOG_LEVEL = _choice("level", "debug", "info", "warning", "error")
LOG_FORMAT = _choice("format", "text", "json")
