"""Credentials are found where Docker and Podman keep them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from lreg.client.credentials import ConfigFiles, Credentials, Helper, config_files
from lreg.errors import UsageError

HOST = "r.example:5000"


def auth(name: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{name}:{password}".encode()).decode()}


async def find(tmp_path: Path, config: Any, host: str, repository: str | None) -> str | None:
    """Return the user's name found in a file of this content."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    found = await ConfigFiles([file]).find(host, repository)
    return found.username if found else None


def test_files_in_order(tmp_path: Path) -> None:
    """The containers files come before Docker's; the variables move them; one names the only."""
    home = {"HOME": "/h"}
    assert config_files(home) == [
        Path("/h/.config/containers/auth.json"),
        Path("/h/.docker/config.json"),
    ]
    moved = home | {"XDG_RUNTIME_DIR": "/r", "XDG_CONFIG_HOME": "/c", "DOCKER_CONFIG": "/d"}
    assert config_files(moved) == [
        Path("/r/containers/auth.json"),
        Path("/c/containers/auth.json"),
        Path("/d/config.json"),
    ]
    assert config_files(moved | {"REGISTRY_AUTH_FILE": "/a.json"}) == [Path("/a.json")]


async def test_this_users_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without being told anything, the files of this user are read."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"auths": {HOST: auth("me", "p:w")}}))
    assert await ConfigFiles().find(HOST, None) == Credentials("me", "p:w")
    assert await ConfigFiles().find("r.example", None) is None


async def test_no_files(tmp_path: Path) -> None:
    """Where there are no files we are nobody."""
    (tmp_path / "file").touch()
    files = [tmp_path / "absent/config.json", tmp_path / "file/config.json"]
    assert await ConfigFiles(files).find(HOST, "a") is None


@pytest.mark.parametrize(
    ("keys", "repository", "expected"),
    [
        (["r.example:5000"], "a/b", "r.example:5000"),
        (["r.example:5000", "r.example:5000/a"], "a/b", "r.example:5000/a"),
        (["r.example:5000/a", "r.example:5000/a/b"], "a/b", "r.example:5000/a/b"),
        (["r.example:5000/a/b/c", "r.example:5000/x"], "a/b", None),
        (["r.example:5000/a"], "ab/c", None),
        (["r.example:5000/a"], None, None),
        (["https://r.example:5000/v1/"], "a", "https://r.example:5000/v1/"),
        (["https://r.example:5000"], "a", "https://r.example:5000"),
        (["r.example"], "a", None),
        (["example:5000"], "a", None),
    ],
)
async def test_keys(
    tmp_path: Path, keys: list[str], repository: str | None, expected: str | None
) -> None:
    """The longest key that is a prefix of the repository counts; another host's never does."""
    config = {"auths": {key: auth(key.replace(":", "!"), "x") for key in keys}}
    found = await find(tmp_path, config, HOST, repository)
    assert found == (expected and expected.replace(":", "!"))


@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"]
)
async def test_docker_hub(tmp_path: Path, key: str) -> None:
    """Docker Hub's credentials are found under each of the names it has had."""
    assert await find(tmp_path, {"auths": {key: auth("hub", "x")}}, "docker.io", "a/b") == "hub"
    assert await find(tmp_path, {"auths": {key: auth("hub", "x")}}, "quay.io", "a/b") is None


async def test_entries(tmp_path: Path) -> None:
    """An entry may be name and password in the open, or an identity token; an empty one is none."""
    entries = {
        "open": {"username": "me", "password": "x"},
        "token": {"identitytoken": "t", **auth("00000000", "")},
        "empty": {},
    }
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"auths": entries}))
    keyring = ConfigFiles([file])
    assert await keyring.find("open", None) == Credentials("me", "x")
    token = await keyring.find("token", None)
    assert token is not None
    assert token.identity_token == "t"
    assert await keyring.find("empty", None) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"auths":{"r.example:5000":{"auth":"%%%"}}}'])
async def test_broken_file(tmp_path: Path, text: str) -> None:
    """A file that can't be read as what it should be is named."""
    file = tmp_path / "config.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"config\.json"):
        await ConfigFiles([file]).find(HOST, None)


@pytest.mark.parametrize(
    "config",
    [
        {"auths": None},
        {"auths": []},
        {"credHelpers": 1},
        {"auths": {HOST: 1}},
        {"auths": {HOST: None}},
    ],
)
async def test_odd_file(tmp_path: Path, config: Any) -> None:
    """Where a file holds something else than entries it holds no credentials."""
    assert await find(tmp_path, config, HOST, None) is None


def helper(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return program


ANSWER = """read server; [ "$1" = get ] || exit 9
echo "$server" >> "$(dirname "$0")/asked"
echo '{"ServerURL":"x","Username":"me","Secret":"from helper"}'"""


async def test_helper_for_a_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host's own helper is asked for that host, and goes before what the file holds."""
    helper(tmp_path, "mine", ANSWER, monkeypatch)
    file = tmp_path / "config.json"
    config = {"credHelpers": {HOST: "mine"}, "auths": {HOST: auth("file", "x")}}
    file.write_text(json.dumps(config))
    keyring = ConfigFiles([file])
    assert await keyring.find(HOST, "a/b") == Credentials("me", "from helper")
    assert await keyring.find("other.example", "a/b") is None
    assert (tmp_path / "asked").read_text() == f"{HOST}\n"


async def test_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store for everything is asked where nothing nearer is; its token is taken for one."""
    script = """read server; case "$server" in
      https://index.docker.io/v1/) echo '{"Username":"<token>","Secret":"identity"}';;
      *) echo 'credentials not found in native keychain'; exit 1;; esac"""
    helper(tmp_path, "all", script, monkeypatch)
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"credsStore": "all", "auths": {"docker.io": {}}}))
    keyring = ConfigFiles([file])
    assert await keyring.find("docker.io", "a/b") == Credentials(identity_token="identity")
    assert await keyring.find(HOST, "a/b") is None


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo keychain is locked; exit 1", "exit code 1"),
        ("echo nonsense", "no Username and Secret"),
        ("echo '[]'", "no Username and Secret"),
    ],
)
async def test_failing_helper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    """A helper that fails is named, and we do not quietly go on as nobody."""
    helper(tmp_path, "bad", f"read server; {script}", monkeypatch)
    with pytest.raises(UsageError, match=rf"docker-credential-bad .*{said}|{said}"):
        await find(tmp_path, {"credsStore": "bad"}, HOST, None)


async def test_missing_helper(tmp_path: Path) -> None:
    """A helper that is not installed is named, with the way out."""
    with pytest.raises(UsageError, match=r"docker-credential-nosuch can't be started .*install it"):
        await find(tmp_path, {"credHelpers": {HOST: "nosuch"}}, HOST, None)


async def test_one_helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A helper that is named for a registry is asked under each of the registry's names."""
    script = """read server; case "$server" in
      https://index.docker.io/v1/) echo '{"Username":"me","Secret":"hub"}';;
      *) echo 'credentials not found in native keychain'; exit 1;; esac"""
    helper(tmp_path, "own", script, monkeypatch)
    assert await Helper("own").find("docker.io", "a/b") == Credentials("me", "hub")
    assert await Helper("own").find(HOST, None) is None
    with pytest.raises(UsageError, match="docker-credential-nosuch"):
        await Helper("nosuch").find(HOST, None)
