"""A handle on any registry: lreg, distribution, zot, Harbor, Docker Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from lreg.client.auth import CATALOG
from lreg.client.connection import Ask, Connection
from lreg.client.listing import listing
from lreg.client.repository import RemoteRepository
from lreg.oci.reference import RepositoryName

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from lreg.client.credentials import Keyring
    from lreg.client.patience import Patience
    from lreg.client.wire import Route


class Registry:
    """A registry, used as `async with Registry("127.0.0.1:5000") as registry`.

    Args:
        host: `host`, `host:port`, `[address]:port`, a URL without a path, or `unix:/path`;
            docker.io means Docker Hub. On this machine plain HTTP is tried first, elsewhere https.
        insecure: accept any certificate of this registry, and plain HTTP where it has no TLS.
        ca: a PEM file with the authority of its certificate; then nothing but https is tried.
        credentials: where they come from: this user's Docker and containers files where None,
            `Only(Credentials(…))` for given ones, `Only(None)` to stay anonymous.
        patience: how long to wait, how often to try again.
        route: how it is reached, where that is not as its name says.

    Attributes:
        connection: what all handles on it share.

    Every method may raise Unavailable (it can't be reached), TransferBroken (the connection broke
    off), Unauthorized, Denied, TooManyRequests, and whatever else the registry says.
    """

    def __init__(
        self,
        host: str,
        *,
        insecure: bool = False,
        ca: Path | None = None,
        credentials: Keyring | None = None,
        patience: Patience | None = None,
        route: Route | None = None,
    ) -> None:
        self.connection = Connection(
            host, insecure=insecure, ca=ca, keyring=credentials, patience=patience, route=route
        )

    @property
    def host(self) -> str:
        """Its name, with its port, as in a reference."""
        return self.connection.host

    async def __aenter__(self) -> Self:
        await self.connection.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.connection.__aexit__(*details)

    async def ping(self) -> str:
        """Return the URL it answers under; raise Unauthorized where our credentials are wrong."""
        async with self.connection.answer(Ask("GET", "/v2/", "the registry")):
            return await self.connection.base()

    async def catalog(self, prefix: str = "") -> AsyncIterator[RepositoryName]:
        """Yield the repositories whose names begin with `prefix`, in the registry's order.

        Source: distribution, "Listing Repositories"; followed by its Link headers.

        Raises:
            EndpointUnknown: this registry does not list its repositories.
        """
        pages = listing(self.connection, "/v2/_catalog?n=1000", "repositories", CATALOG)
        async for name in pages:
            if name.startswith(prefix):
                yield RepositoryName.parse(name)

    def repository(self, name: RepositoryName) -> RemoteRepository:
        """Return a handle on the repository `name`, which need not exist yet."""
        return RemoteRepository(self.connection, name)
