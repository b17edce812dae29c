"""Who we are at a registry: Docker's and Podman's credential files and helper programs.

Sources: docker-login(1) "credential stores" and "credential helpers"; containers-auth.json(5).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lreg.errors import LregError, UsageError
from lreg.home import home
from lreg.oci.reference import DOCKER_HUB, DOCKER_HUB_ALIASES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What `docker login` without a host writes (docker-login(1)).
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
# The user name under which a helper returns an identity token (docker-credential-helpers).
_TOKEN_USER = "<token>"  # noqa: S105 - a marker, not a secret
_HELPER_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user's name and password, or an identity token to get tokens for; never printed."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


class Keyring(Protocol):
    """Where credentials come from."""

    async def find(self, host: str, repository: str | None) -> Credentials | None:
        """Return the credentials for a repository of the registry `host`, or None."""


@dataclass(frozen=True, slots=True)
class Only:
    """A keyring with one key for everything that is asked, or none: `Only(None)` is anonymous."""

    credentials: Credentials | None

    async def find(self, host: str, repository: str | None) -> Credentials | None:
        """Return the one key."""
        del host, repository
        return self.credentials


@dataclass(frozen=True, slots=True)
class Helper:
    """A keyring that asks the credential helper `docker-credential-NAME`."""

    name: str

    async def find(self, host: str, repository: str | None) -> Credentials | None:
        """Return what the helper has for the registry.

        Raises:
            UsageError: it is missing, or fails.
        """
        del repository
        for key in _host_keys(host):
            if found := await _ask_helper(self.name, key):
                return found
        return None


class ConfigFiles:
    """The keyring of this user: containers' auth.json files, then Docker's config.json.

    Args:
        files: the files to ask, in this order; those that do not exist hold nothing.
    """

    def __init__(self, files: list[Path] | None = None) -> None:
        self._files = config_files(os.environ) if files is None else files

    async def find(self, host: str, repository: str | None) -> Credentials | None:
        """Return the first file's credentials; in a file a credential helper goes first.

        Raises:
            UsageError: a file is not JSON, or its helper program is missing or fails.
        """
        for file in self._files:
            if found := await _find_in(file, host, repository):
                return found
        return None


def config_files(environment: Mapping[str, str]) -> list[Path]:
    """Return the credential files in the order in which they count; they need not exist."""
    if named := environment.get("REGISTRY_AUTH_FILE"):
        return [Path(named)]
    own = Path(environment.get("HOME") or home())
    files = []
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        files.append(Path(runtime) / "containers/auth.json")
    config = Path(environment.get("XDG_CONFIG_HOME") or own / ".config")
    files.append(config / "containers/auth.json")
    files.append(Path(environment.get("DOCKER_CONFIG") or own / ".docker") / "config.json")
    return files


async def _find_in(file: Path, host: str, repository: str | None) -> Credentials | None:
    config = _read(file)
    helpers, auths = (_table(config, key) for key in ("credHelpers", "auths"))
    for key in _keys(host, repository):
        if helper := helpers.get(key):
            return await _ask_helper(str(helper), key)
        entry = auths.get(key)
        if isinstance(entry, dict) and (found := _from_entry(entry, file)):
            return found
    if store := config.get("credsStore"):
        return await Helper(str(store)).find(host, repository)
    return None


def _read(file: Path) -> dict[str, Any]:
    """Return what a credential file holds: nothing where there is no such file."""
    try:
        config = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except ValueError as error:
        raise UsageError(f"{file} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise UsageError(f"{file} must hold a JSON object, as `docker login` writes it")
    return config


def _table(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return an object of the file, its keys as _keys() writes them."""
    table = config.get(key)
    if not isinstance(table, dict):
        return {}
    return {_bare(name): value for name, value in table.items()}


def _bare(key: str) -> str:
    """Return a key without the scheme and the /v1/ that old versions of Docker wrote."""
    if key == _DOCKER_HUB_KEY:
        return key
    bare = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    return bare.removesuffix("/v1").removesuffix("/v2") if key != bare else bare


def _keys(host: str, repository: str | None) -> Iterator[str]:
    """Yield what an entry may be called, the most specific first (containers-auth.json(5))."""
    path = repository
    while path:
        yield f"{host}/{path}"
        path = path.rpartition("/")[0]
    yield from _host_keys(host)


def _host_keys(host: str) -> Iterator[str]:
    yield host
    if host == DOCKER_HUB:
        yield _DOCKER_HUB_KEY
        yield from sorted(DOCKER_HUB_ALIASES)


def _from_entry(entry: Mapping[str, Any], file: Path) -> Credentials | None:
    token = str(entry.get("identitytoken") or "")
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if auth := entry.get("auth"):
        try:
            text = base64.b64decode(str(auth), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise UsageError(f"{file}: an `auth` is not base64: log in again") from error
        username, _, password = text.partition(":")
        # Docker pads the text with NULs.
        password = password.rstrip("\0")
    if not (token or username):
        return None
    return Credentials(username, password, token)


async def _ask_helper(name: str, server: str) -> Credentials | None:
    """Run `docker-credential-NAME get` (docker/docker-credential-helpers, "Development")."""
    program = f"docker-credential-{name}"
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise UsageError(
            f"the credential helper {program} can't be started ({error.strerror}): install it, or "
            "take it out of the credential file"
        ) from error
    try:
        async with asyncio.timeout(_HELPER_SECONDS):
            output, _ = await process.communicate(server.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        raise LregError(f"{program} did not answer in {_HELPER_SECONDS} s") from None
    if process.returncode:
        # "credentials not found in native keychain", the one answer that is not a failure.
        if b"not found" in output:
            return None
        raise UsageError(f"{program} failed (exit code {process.returncode}): run it by hand")
    try:
        answer = json.loads(output)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{program} gave no Username and Secret") from error
    if username == _TOKEN_USER:
        return Credentials(identity_token=secret)
    return Credentials(username, secret)
