"""The upstreams: one door to each, and what is known of its state."""

from __future__ import annotations

import asyncio
import math
import re
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from lreg import errors
from lreg.client.credentials import ConfigFiles, Credentials, Helper, Only
from lreg.client.patience import Patience, retry_after
from lreg.client.registry import Registry
from lreg.client.wire import Route
from lreg.oci.reference import DOCKER_HUB, RepositoryName, Tag
from lreg.upstream.memory import Once
from lreg.upstream.trouble import ABSENT, is_broken, without_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from lreg.client.credentials import Keyring
    from lreg.client.repository import RemoteRepository
    from lreg.config import Config
    from lreg.upstreams import UpstreamSettings

# What Docker Hub counts a HEAD of for nobody, and answers with the quota that is left
# (docs.docker.com, "Docker Hub pull usage and limits").
_PREVIEW = RepositoryName("ratelimitpreview/test")
# An upstream that can't be reached is not dialled again for so many seconds where there is
# something else to answer with; each time it still can't be, for twice as many.
_REST, _LONGEST_REST = 15.0, 60.0
_CONNECT_SECONDS = 5.0
_MOST_QUIET = 3600.0
_ABSENT = "start that registry, or correct the upstream's address in lreg.toml"
_NUMBER = re.compile(r"[0-9]{1,9}(?![0-9])")


class State(StrEnum):
    """How an upstream answered last."""

    UNKNOWN = "unknown"
    OK = "ok"
    UNREACHABLE = "unreachable"
    REFUSING = "refusing"


@dataclass(frozen=True, slots=True)
class Quota:
    """How many pulls an upstream still allows (`RateLimit-Remaining`, `RateLimit-Limit`)."""

    remaining: int
    limit: int | None


class Upstream:
    """A registry on the internet, with its policy.

    Attributes:
        host: its canonical name.
        settings: its policy.
        state: how it answered last.
        reason: why, in its own words, where it did not do well.
        latency: how long its answer to the last `check` took, in seconds; None before the first.
        quota: what pulls it still allows, where it says so.
        offline: whether it is never dialled.
    """

    def __init__(self, settings: UpstreamSettings, config: Config, via: str) -> None:
        self.host = settings.host
        self.settings = settings
        self.offline = config.offline or settings.offline
        self.state = State.UNKNOWN
        self.reason = ""
        self.latency: float | None = None
        self.quota: Quota | None = None
        self._quiet_until = 0.0
        self._rest = _REST
        self._dialling: Once[str, None] = Once()
        self._registry = Registry(
            self.host,
            ca=settings.ca,
            # Whoever set that up knows what goes over it, the credentials of this table included.
            insecure=_address(settings).startswith("http://"),
            credentials=_keyring(settings),
            patience=Patience(
                connect=_CONNECT_SECONDS,
                stall=config.upstream_stall,
                attempts=2,
                longest=2.0,
                rate_floor=settings.rate_floor,
            ),
            route=Route(
                _address(settings), settings.proxy, {"Via": via}, self._observe, absent=_ABSENT
            ),
        )

    @property
    def credentials(self) -> str:
        """Who we are to it, without any secret."""
        if self.settings.username:
            return f"user {self.settings.username}"
        match self.settings.credential_helper:
            case "":
                return "anonymous"
            case "docker":
                return "this user's credential files"
            case name:
                return f"docker-credential-{name}"

    @property
    def resting(self) -> bool:
        """Whether to leave it alone for now, where there is anything else to answer with."""
        return self.offline or time.monotonic() < self._quiet_until

    @property
    def asked_to_wait(self) -> int:
        """For how many more seconds it has asked not to be asked (`Retry-After`)."""
        if self.state is not State.REFUSING:
            return 0
        return math.ceil(max(0.0, self._quiet_until - time.monotonic()))

    @asynccontextmanager
    async def repository(
        self, path: RepositoryName, *, transfer: bool = False
    ) -> AsyncIterator[RemoteRepository]:
        """Give a handle on one of its repositories; how that goes is noted.

        Args:
            path: the repository's name, without the upstream's.
            transfer: whether a blob is to come: one that breaks off says nothing of the upstream,
                and may come from another host.

        Raises:
            UpstreamUnreachable: it is not to be dialled.
            TooManyRequests: it has asked to wait.
            Unreachable, TransferBroken: it was out of reach, and still is.
        """
        self.respect()
        if self.state is State.UNREACHABLE:
            # One tries for all: a look-up that hangs holds a thread, and whoever comes behind it.
            await self._dialling.result(self.host, self._reach)
        prefix = f"{self.settings.path.strip('/')}/" if self.settings.path else ""
        try:
            yield self._registry.repository(RepositoryName.parse(f"{prefix}{path}"))
        except errors.LregError as error:
            if not (transfer and isinstance(error, errors.TransferBroken)):
                self.note(error)
            raise
        self._answered()

    async def _reach(self) -> None:
        """Return once it answers, whatever it says; raise, and note, why it does not."""
        try:
            await self._registry.ping()
        except (errors.Unreachable, errors.TlsFailed, errors.TransferBroken) as error:
            self.note(error)
            raise
        except errors.LregError:
            return

    def respect(self, *, lazily: bool = False) -> None:
        """Raise what `repository` raises where it is not to be dialled now.

        Args:
            lazily: not where it was out of reach a moment ago, either.
        """
        if self.offline:
            raise errors.UpstreamUnreachable(
                f"this is not here, and {self.host} is not asked: this registry is offline"
            )
        if lazily and self.resting and self.state is State.UNREACHABLE:
            raise errors.UpstreamUnreachable(self.reason)
        if wait := self.asked_to_wait:
            raise errors.TooManyRequests(
                f"{self.host} asks to wait: {self.reason}", headers={"Retry-After": str(wait)}
            )

    async def check(self) -> None:
        """Ask it something that costs no pull; `state`, `latency` and `quota` say how it went."""
        path = _PREVIEW if self.host == DOCKER_HUB else RepositoryName("lreg/check")
        begin = time.monotonic()
        try:
            async with self.repository(path) as repository:
                await repository.resolve(Tag("latest"))
        except errors.LregError:
            if self.state is not State.OK:
                return
        self.latency = time.monotonic() - begin

    async def close(self) -> None:
        """Hang up."""
        await self._registry.__aexit__()

    def note(self, error: errors.LregError) -> None:
        """Remember what an error says of the upstream; most say something of an image only."""
        if isinstance(error, (*ABSENT, errors.Unauthorized, errors.Denied)):
            self._answered()
            return
        if not is_broken(error):
            return
        self.reason = without_queries(str(error))
        refuses = isinstance(error, errors.TooManyRequests)
        self.state = State.REFUSING if refuses else State.UNREACHABLE
        headers = error.headers if isinstance(error, errors.RegistryError) else {}
        asked = retry_after(headers.get("Retry-After"))
        now = time.monotonic()
        if asked is not None:
            self._quiet_until = max(self._quiet_until, now + min(asked, _MOST_QUIET))
        elif now >= self._quiet_until:  # one failure, however many requests met it
            self._quiet_until = now + self._rest
            self._rest = min(2 * self._rest, _LONGEST_REST)

    def silent(self) -> errors.UpstreamTimeout:
        """Note that it does not come to an end with an answer; return what to say of that."""
        silence = errors.UpstreamTimeout(f"{self.host} does not answer in time")
        self.note(silence)
        return silence

    def _answered(self) -> None:
        """Note that it does its work."""
        self.state, self.reason = State.OK, ""
        self._quiet_until, self._rest = 0.0, _REST

    def _observe(self, status: int, headers: Mapping[str, str]) -> None:
        """Take note of the quota that an answer tells: `98;w=21600`."""
        del status
        remaining, limit = (
            int(match[0]) if (match := _NUMBER.match(headers.get(name, ""))) else None
            for name in ("RateLimit-Remaining", "RateLimit-Limit")
        )
        if remaining is not None:
            self.quota = Quota(remaining, limit)


def _address(settings: UpstreamSettings) -> str:
    address = settings.address or (settings.host if settings.plain_http else "")
    if address and "://" not in address and settings.plain_http:
        return f"http://{address}"
    return address


class _PasswordFile:
    """A keyring with one user, whose password is read anew each time it is needed."""

    def __init__(self, settings: UpstreamSettings) -> None:
        self._settings = settings

    async def find(self, host: str, repository: str | None) -> Credentials | None:
        """Return the one key; raise UsageError where the file can't be read."""
        del host, repository
        path = self._settings.password_file
        try:
            password = (await asyncio.to_thread(path.read_text)).rstrip("\n") if path else ""
        except (OSError, UnicodeDecodeError) as error:
            raise errors.UsageError(f"{path}: the password can't be read: {error}") from error
        return Credentials(self._settings.username, password)


def _keyring(settings: UpstreamSettings) -> Keyring:
    if settings.username:
        return _PasswordFile(settings)
    match settings.credential_helper:
        case "":
            return Only(None)
        case "docker":
            return ConfigFiles()
        case name:
            return Helper(name)
