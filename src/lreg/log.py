"""Logging: events with fields, one line each, as text or JSON, to stderr or a file.

Elsewhere: `log = logging.getLogger(__name__)` and `log.info("blob.served", extra={"size": size})`.
A field may have any name that `logging.LogRecord` has not taken (`name`, `args`, `module`, …).
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


def _time(record: logging.LogRecord) -> str:
    # RFC 3339 in UTC, to the millisecond.
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{second}.{int(record.msecs):03d}Z"


def _word(value: object) -> str:
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    return _escape(json.dumps(text, ensure_ascii=False))


def _escape(text: str) -> str:
    return _BREAKS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


class TextFormatter(logging.Formatter):
    """`2026-11-23T23:22:54.123Z INFO blob.served size=12 digest=sha256:…`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the event as one line: a value with spaces or quotes is a JSON string."""
        words = [_time(record), record.levelname, _escape(record.getMessage())]
        words += [f"{key}={_word(value)}" for key, value in fields(record).items()]
        return " ".join(words)


class JsonFormatter(logging.Formatter):
    """`{"time": "2026-11-23T23:22:54.123Z", "level": "info", "event": "blob.served", …}`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the event as one line of JSON; a value that JSON has no form for is its text."""
        head = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        return json.dumps({**fields(record), **head}, default=str)


def set_up(level: str, style: str, file: Path | None = None) -> None:
    """Send every event of this process to one place, and nowhere else.

    Args:
        level: the least that is logged: debug, info, warning or error.
        style: text or json.
        file: appended to; None: stderr.

    Raises:
        OSError: the file can't be opened.
    """
    handler: logging.Handler
    handler = logging.FileHandler(file, encoding="utf-8") if file else logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())
    # A log that can't be written (disk full) must not fill stderr with tracebacks of logging's own.
    logging.raiseExceptions = sys.flags.dev_mode
