"""Logging: events with fields, one line each, as text or JSON, to stderr or a file.

Elsewhere: `log = logging.getLogger(__name__)` and `log.info("blob.served", extra={"size": size})`.
A field may have any name that `logging.LogRecord` has not taken (`name`, `args`, `module`, …).
"""

from __future__ import annotations

import abc
import contextlib
import json
import logging
import re
import sys
import time
from functools import lru_cache
from typing import TYPE_CHECKING, TextIO

from lreg.locks import is_lost

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# What every record has: anything else in it is a field of the event.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN = re.compile(r"[!#-<>-~]+")
# Control characters, and U+2028 and U+2029, end a line for somebody.
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def fields(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields of an event, with `error` and `trace` where an exception came along."""
    found = {key: value for key, value in vars(record).items() if key not in _OWN}
    if record.exc_info and record.exc_info[1] is not None:
        found["error"] = repr(record.exc_info[1])
        found["trace"] = logging.Formatter().formatException(record.exc_info)
    return found


def _time(created: float) -> str:
    # RFC 3339 in UTC, to the millisecond.
    return f"{_second(int(created))}.{int(created % 1 * 1000):03d}Z"


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


# The same methods, paths and agents come again and again.
@lru_cache(maxsize=1024)
def _word(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    return _escape(json.dumps(text, ensure_ascii=False))


def _escape(text: str) -> str:
    return _BREAKS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class EventFormatter(logging.Formatter, abc.ABC):
    """An event as one line."""

    @abc.abstractmethod
    def line(self, created: float, level: str, event: str, found: Mapping[str, object]) -> str:
        """Return the line of an event, without its end.

        Args:
            created: when it happened, in seconds since 1970.
            level: its level's name, in capitals.
            event: what happened.
            found: its fields.
        """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return self.line(record.created, record.levelname, record.getMessage(), fields(record))


class TextFormatter(EventFormatter):
    """`2026-11-23T23:22:54.123Z INFO blob.served size=12 digest=sha256:…`."""

    def line(self, created: float, level: str, event: str, found: Mapping[str, object]) -> str:
        """Return the event as one line: a value with spaces or quotes is a JSON string."""
        words = [
            f"{key}={value if isinstance(value, int | float) else _word(str(value))}"
            for key, value in found.items()
        ]
        return " ".join((_time(created), level, _escape(event), *words))


class JsonFormatter(EventFormatter):
    """`{"time": "2026-11-23T23:22:54.123Z", "level": "info", "event": "blob.served", …}`."""

    def line(self, created: float, level: str, event: str, found: Mapping[str, object]) -> str:
        """Return the event as one line of JSON; a value that JSON has no form for is its text."""
        head = {"time": _time(created), "level": level.lower(), "event": event}
        return json.dumps({**found, **head}, default=str)


class LogFile(logging.StreamHandler[TextIO]):
    """A file that is opened anew where somebody renamed or removed it."""

    def __init__(self, path: Path) -> None:
        """Append to the file at `path`; raise OSError where it can't be opened."""
        self._path = path.absolute()
        super().__init__(self._opened())

    def refresh(self) -> None:
        """See to it that what is written next goes to the file that has the name now."""
        with contextlib.suppress(OSError):
            if is_lost(self.stream.fileno(), self._path):
                old = self.setStream(self._opened())
                if old:
                    old.close()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        self.refresh()
        super().emit(record)

    def close(self) -> None:
        """Let go of the file."""
        self.stream.close()
        super().close()

    def _opened(self) -> TextIO:
        return self._path.open("a", encoding="utf-8")


def write_many(event: str, occurrences: Iterable[tuple[float, Mapping[str, object]]]) -> None:
    """Write one kind of event, at level info, many times at once.

    For what happens thousands of times a second: `logging` takes longer for one record than an
    answer from memory takes in all.

    Args:
        event: what happened.
        occurrences: when, in seconds since 1970, and with which fields.
    """
    for handler in logging.getLogger().handlers:
        formatter = handler.formatter
        if isinstance(handler, logging.StreamHandler) and isinstance(formatter, EventFormatter):
            text = "".join(
                f"{formatter.line(created, 'INFO', event, found)}\n"
                for created, found in occurrences
            )
            with handler.lock or contextlib.nullcontext(), contextlib.suppress(OSError):
                if isinstance(handler, LogFile):
                    handler.refresh()
                handler.stream.write(text)
                handler.flush()


def set_up(level: str, style: str, file: Path | None = None) -> None:
    """Send every event of this process to one place, and nowhere else.

    Args:
        level: the least that is logged: debug, info, warning or error.
        style: text or json.
        file: appended to; None: stderr.

    Raises:
        OSError: the file can't be opened.
    """
    handler = LogFile(file) if file else logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())
    # A log that can't be written (disk full) must not fill stderr with tracebacks of logging's own.
    logging.raiseExceptions = sys.flags.dev_mode
