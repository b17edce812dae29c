"""Where things lie on disk: distribution's layout, and lreg's own folder beside it.

Pure text: nothing here touches the disk. Source: distribution, registry/storage/paths.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lreg.oci.digest import Digest


class Layout:
    """The paths of one store, as text without a trailing slash.

    Attributes:
        root: the store's folder.
        blobs: content by digest, shared by all repositories.
        repositories: the folders of repositories, nested as their names are.
        side: lreg's own folder; distribution never looks into it.
        uploads: blobs on their way in from clients, one folder each.
        fills: blobs on their way in from upstream, one folder each.
        scratch: what is being built or taken down; all of it may be removed at any start.
        lock: held by the one lreg that serves this store.
    """

    __slots__ = ("blobs", "fills", "lock", "repositories", "root", "scratch", "side", "uploads")

    def __init__(self, root: str) -> None:
        self.root = root
        self.blobs = f"{root}/docker/registry/v2/blobs"
        self.repositories = f"{root}/docker/registry/v2/repositories"
        self.side = f"{root}/lreg"
        self.uploads = f"{self.side}/uploads"
        self.fills = f"{self.side}/fills"
        self.scratch = f"{self.side}/scratch"
        self.lock = f"{self.side}/lock"

    def blob(self, digest: Digest) -> str:
        """Return the file that holds the content called `digest`."""
        return f"{self.blobs}/{digest.algorithm}/{digest.hex[:2]}/{digest.hex}/data"

    def repository(self, name: str) -> RepositoryPaths:
        """Return the paths of the repository called `name`."""
        return RepositoryPaths(f"{self.repositories}/{name}")


class RepositoryPaths:
    """The paths of one repository.

    Attributes:
        home: its folder; folders of repositories whose names go on lie in it, too.
        layers: links to the blobs that it holds.
        manifests: what makes it a repository, with `layers`.
        revisions: links to the manifests that it holds.
        tags: a folder a tag.
    """

    __slots__ = ("home", "layers", "manifests", "revisions", "tags")

    def __init__(self, home: str) -> None:
        self.home = home
        self.layers = f"{home}/_layers"
        self.manifests = f"{home}/_manifests"
        self.revisions = f"{home}/_manifests/revisions"
        self.tags = f"{home}/_manifests/tags"

    def layer(self, digest: Digest) -> str:
        """Return the link that says: this repository holds this blob."""
        return f"{self.layers}/{digest.algorithm}/{digest.hex}/link"

    def revision(self, digest: Digest) -> str:
        """Return the link that says: this repository holds this manifest."""
        return f"{self.revisions}/{digest.algorithm}/{digest.hex}/link"

    def referrers(self, digest: Digest) -> str:
        """Return lreg's file on what upstream lists as referrers of a manifest.

        distribution ignores it, and it goes with the link's folder.
        """
        return f"{self.revisions}/{digest.algorithm}/{digest.hex}/referrers.json"

    def tag(self, tag: str) -> str:
        """Return the folder of a tag."""
        return f"{self.tags}/{tag}"

    def current(self, tag: str) -> str:
        """Return the link to what a tag points at."""
        return f"{self.tags}/{tag}/current/link"

    def indexed(self, tag: str, digest: Digest) -> str:
        """Return the link that says: this tag points, or once pointed, at this manifest."""
        return f"{self.tags}/{tag}/index/{digest.algorithm}/{digest.hex}/link"

    def record(self, tag: str) -> str:
        """Return lreg's file on a tag; distribution ignores it, and it goes with the tag."""
        return f"{self.tags}/{tag}/lreg.json"


def marker(link: str) -> str:
    """Return the file that says of the link beside it that it came from upstream.

    distribution ignores it, and it goes with the link's folder.
    """
    return f"{link.removesuffix('link')}fetched"
