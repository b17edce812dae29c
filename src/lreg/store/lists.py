"""What upstream lists as referrers: `referrers.json` beside the subject's link, gone when it goes.

Everything here blocks: call it in a thread, changes to one repository one after the other.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lreg.errors import ManifestInvalid
from lreg.oci.descriptor import Descriptor
from lreg.store import files
from lreg.store.caching import Listed, Referring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lreg.oci.digest import Digest
    from lreg.store.layout import RepositoryPaths
    from lreg.store.tree import Tree


def read(paths: RepositoryPaths, subject: Digest) -> Listed | None:
    """Return what upstream listed last; None where nothing is kept, or it can't be read."""
    try:
        fields = json.loads(files.read_file(paths.referrers(subject)) or b"{}")
        found = tuple(map(Descriptor.from_json, fields["manifests"]))
        return Listed(found, float(fields["checked"]), fields["whole"] is True)
    except (ValueError, TypeError, KeyError, RecursionError, ManifestInvalid):
        return None


def write(tree: Tree, paths: RepositoryPaths, subject: Digest, listed: Listed) -> None:
    """Keep a list, if the repository holds the manifest that it is about."""
    if tree.read_link(paths.revision(subject)) is None:
        return
    manifests = [referrer.to_json() for referrer in listed.referrers]
    fields = {"checked": listed.checked, "whole": listed.is_whole, "manifests": manifests}
    tree.write(paths.referrers(subject), json.dumps(fields).encode() + b"\n")


def referring(
    tree: Tree, paths: RepositoryPaths, subject: Digest, here: Sequence[Descriptor]
) -> Referring:
    """Return what is known of the referrers of a manifest.

    Args:
        tree: where the repository lies.
        paths: the repository's.
        subject: the manifest.
        here: the manifests of the repository that refer to it.
    """
    fetched = {one.digest for one in here if tree.is_fetched(paths.revision(one.digest))}
    link = paths.revision(subject)
    is_here = tree.read_link(link) is not None
    return Referring(
        pushed=tuple(one for one in here if one.digest not in fetched),
        fetched=tuple(one for one in here if one.digest in fetched),
        listed=read(paths, subject),
        is_here=is_here,
        is_own=is_here and not tree.is_fetched(link),
    )
