"""`lreg config show`: the tables; and how they get to a server that another command starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lreg import cli
from lreg.cli.options.settings import as_flags
from lreg.config import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Show = Callable[..., str]

TEXT = """\
cache-size = "20GB"

[upstream."index.docker.io"]
username = "bob"
password-file = "password"

[upstream."quay.io"]
address = "http://127.0.0.2:80"
platforms = ["linux/amd64", "linux/arm/v7"]
proxy = "none"
rate-floor = "100KiB"

[upstream."nvcr.io"]
allow = false

[upstream."registry.example:5000"]

[[freshness]]
match = "docker.io/library/*:latest"
ttl = "10m"

[[freshness]]
match = "quay.io/*"
ttl = "immutable"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "lreg.toml"
    made.write_text(TEXT)
    return made


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    def run(file: Path, *arguments: str) -> str:
        assert cli.run(["config", "show", "--config", str(file), *arguments]) == 0
        return capsys.readouterr().out

    return run


def test_the_tables_can_be_used_again(file: Path, show: Show, tmp_path: Path) -> None:
    """What `config show` prints of upstreams and freshness means the same as a lreg.toml."""
    copy = tmp_path / "copy.toml"
    copy.write_text(show(file))
    assert load(None, copy, {}).config == load(None, file, {}).config


def test_every_table_has_its_origin(file: Path, show: Show) -> None:
    """An upstream that the file says nothing of is there by default; both are told apart."""
    lines = [line.split("#") for line in show(file).splitlines()]
    origins = {line[0].strip(): line[1].strip() for line in lines if len(line) == 2}
    assert origins['[upstream."docker.io"]'] == str(file)
    assert origins['[upstream."nvcr.io"]'] == str(file)
    assert origins['[upstream."registry.example"]'] == str(file)
    assert origins['[upstream."ghcr.io"]'] == "default"
    assert origins["[[freshness]]"] == str(file)


def test_tables_as_json(file: Path, show: Show, tmp_path: Path) -> None:
    """Programs get the same: each table's keys that are set, and where it comes from."""
    shown = json.loads(show(file, "--json"))
    assert shown["cache-size"] == {"value": "20GB", "origin": str(file)}
    assert shown["upstream"]["docker.io"]["value"] == {
        "username": "bob",
        "password-file": str(tmp_path / "password"),
    }
    assert shown["upstream"]["quay.io"]["value"]["platforms"] == ["linux/amd64", "linux/arm/v7"]
    assert shown["upstream"]["nvcr.io"] == {"value": {"allow": False}, "origin": str(file)}
    assert shown["upstream"]["gcr.io"] == {"value": {}, "origin": "default"}
    assert [rule["value"]["ttl"] for rule in shown["freshness"]] == ["10m", "immutable"]


def test_no_password_is_shown(file: Path, show: Show, tmp_path: Path) -> None:
    """The password of a proxy is left out, and said to be; a password file is named, not read."""
    (tmp_path / "password").write_text("hush")
    file.write_text(TEXT.replace('"none"', '"http://me:hush@proxy:3128"'))
    text = show(file)
    assert 'proxy = "http://me@proxy:3128"' in text
    assert text.count("# without its password") == 1
    assert "hush" not in text
    assert "hush" not in show(file, "--json")


def test_tables_go_along_to_a_server(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`lreg start` and `lreg service` start a server with the tables: the file goes along."""
    monkeypatch.chdir(file.parent)
    for named in (
        load({"delete": False}, file.relative_to(file.parent), {}),
        load({"delete": False}, None, {"LREG_CONFIG": file.name}),
    ):
        flags = as_flags(named)
        assert flags == ["--config", str(file), "--no-delete"]


def test_flags_say_the_same_again(file: Path) -> None:
    """The settings of upstreams that were flags are the same for the server that is started."""
    flags = {"offline": True, "cache-size": "1.5GB", "fill-jobs": "5", "default-upstream": "none"}
    assert as_flags(load(flags, file, {})) == [
        *("--config", str(file), "--default-upstream", "none", "--offline"),
        *("--cache-size", "1500MB", "--fill-jobs", "5"),
    ]
