"""Log lines: one event, one line, whatever the values are."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.log import JsonFormatter, TextFormatter, set_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _keep_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    root.handlers[:] = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:], root.level, logging.raiseExceptions = before


def _record(event: str, **extra: object) -> logging.LogRecord:
    return logging.makeLogRecord(
        {"msg": event, "levelname": "INFO", "created": 0.0079, "msecs": 7.9, **extra}
    )


def test_a_text_line() -> None:
    """An event reads as time, level, name, then its fields."""
    line = TextFormatter().format(_record("blob.served", size=12, source="a b", empty="", q='"'))
    assert line == (
        '1970-01-01T00:00:00.007Z INFO blob.served size=12 source="a b" empty="" q="\\""'
    )


def test_a_json_line() -> None:
    """An event is one JSON object, numbers as numbers."""
    line = JsonFormatter().format(_record("blob.served", size=12, ok=True, path=("a", 1)))
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.007Z",
        "level": "info",
        "event": "blob.served",
        "size": 12,
        "ok": True,
        "path": ["a", 1],
    }


@given(st.text(), st.text())
def test_no_value_breaks_a_line(event: str, value: str) -> None:
    """Nothing that a client sends can begin a new line, so no entry can be forged."""
    record = _record("e", value=value)
    record.msg = event
    for formatter in (TextFormatter(), JsonFormatter()):
        assert len(formatter.format(record).splitlines()) == 1


def test_an_exception_stays_on_the_line() -> None:
    """A traceback is a field of the event."""
    with pytest.raises(ValueError, match="no good") as caught:
        int("no good")
    record = _record("broke", exc_info=(caught.type, caught.value, caught.tb))
    line = JsonFormatter().format(record)
    assert json.loads(line)["error"].startswith("ValueError(")
    assert "Traceback" in json.loads(line)["trace"]
    assert "\n" not in TextFormatter().format(record)


def test_only_one_place(tmp_path: Path) -> None:
    """Events go to the file that was named last, from the level on."""
    set_up("debug", "text", tmp_path / "first")
    set_up("warning", "json", tmp_path / "second")
    log = logging.getLogger("lreg.test")
    log.info("quiet")
    log.warning("loud", extra={"size": 1})
    assert (tmp_path / "first").read_text() == ""
    assert json.loads((tmp_path / "second").read_text())["event"] == "loud"


def test_stderr_unless_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output is never logged to."""
    set_up("info", "text")
    logging.getLogger("lreg.test").info("here", extra={"n": 1})
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith("INFO here n=1\n")
