"""Which registry a command means, and what it trusts there."""

from __future__ import annotations

from pathlib import Path

import pytest

from lreg.cli.registries import running
from lreg.cli.registries.target import Target, local_registry, parse_target, reachable
from lreg.errors import UsageError


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A store of this test's own, and nothing else that a command could find."""
    monkeypatch.delenv("LOCAL_REGISTRY", raising=False)
    monkeypatch.setenv("LREG_CONFIG", "/dev/null")
    monkeypatch.setenv("LREG_STORE", str(tmp_path))
    monkeypatch.setattr("lreg.cli.registries.target.default_store", lambda: tmp_path / "none")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("172.17.0.2:5000", "http://172.17.0.2:5000"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("localhost:5000", "http://localhost:5000"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("[fd00::1]:5000", "http://[fd00::1]:5000"),
        ("fd00::1", "http://[fd00::1]"),
        ("8.8.8.8:5000", "https://8.8.8.8:5000"),
        ("registry.example", "https://registry.example"),
        ("registry.example:5000", "https://registry.example:5000"),
        ("http://registry.example:5000", "http://registry.example:5000"),
        ("https://127.0.0.1:5000/", "https://127.0.0.1:5000"),
    ],
)
def test_local_registry_by_variable(text: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """$LOCAL_REGISTRY names a registry as people do; only what is near is spoken to in clear."""
    monkeypatch.setenv("LOCAL_REGISTRY", text)
    target = local_registry()
    assert target.url == url
    assert target.ca is None


@pytest.mark.parametrize(
    "text", ["http://", "ftp://x", "http://user@x", "x/y", "http://x?y", "[::1", "a b", "x:port"]
)
def test_what_is_no_registry(text: str) -> None:
    """What $LOCAL_REGISTRY can't mean is refused by name."""
    with pytest.raises(UsageError, match="LOCAL_REGISTRY"):
        parse_target(text)


def _running(*urls: str, ca: str | None = None) -> running.Running:
    return running.Running(1, urls, 0.0, "0", 30.0, ca)


def test_the_lreg_that_runs_here(store: Path) -> None:
    """Without the variable the registry that runs here is meant, wherever it listens."""
    with running.hold(store):
        running.announce(store, _running("https://10.0.0.1:5001", ca="/ca.pem"))
        assert local_registry() == Target("10.0.0.1:5001", insecure=False, ca=Path("/ca.pem"))
    assert local_registry() == Target("127.0.0.1:5000", insecure=True, is_guess=True)


@pytest.mark.parametrize(
    ("urls", "best"),
    [
        (["http://10.0.0.1:1", "http://127.0.0.1:2"], "http://127.0.0.1:2"),
        (["unix:/x", "http://10.0.0.1:1"], "http://10.0.0.1:1"),
        (["http://0.0.0.0:1"], "http://127.0.0.1:1"),
        (["http://[::]:1"], "http://[::1]:1"),
        (["unix:/x"], None),
    ],
)
def test_the_nearest_of_its_listeners(urls: list[str], best: str | None) -> None:
    """Of several listeners the loopback is taken; a wildcard is reached by loopback."""
    assert reachable(urls) == best


def test_what_a_crash_left_counts_for_nothing(store: Path) -> None:
    """A state file without a living server is not believed."""
    with running.hold(store):
        running.announce(store, _running("http://10.9.9.9:1"))
        left = (running.run_folder(store) / "serve.json").read_text()
    (running.run_folder(store) / "serve.json").write_text(left)
    assert running.find(store) is None
    assert local_registry().host == "127.0.0.1:5000"


def test_one_server_a_store(store: Path) -> None:
    """A second server on the same store is refused, and the first one stays known."""
    with running.hold(store):
        running.announce(store, _running("http://127.0.0.1:9"))
        with pytest.raises(UsageError, match="another lreg serves"), running.hold(store):
            raise AssertionError("held twice")
        assert running.find(store) == _running("http://127.0.0.1:9")
    assert not running.is_held(store)


def test_a_state_file_of_another_version(store: Path) -> None:
    """A state file that can't be read is no reason to fail."""
    with running.hold(store):
        (running.run_folder(store) / "serve.json").write_text('{"pid": 1, "new": 2}')
        assert running.find(store) is None
        assert running.is_held(store)
