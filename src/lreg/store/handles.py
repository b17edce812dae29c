"""Handles on repositories: one each, for as long as anybody uses it."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

    from lreg.oci.reference import RepositoryName

H = TypeVar("H")

_MOST_RECENT = 1024


class Handles(Generic[H]):
    """Gives every user of a repository the same handle, which knows what is under way there.

    The 1024 used last are kept, too.

    Args:
        make: makes the handle on a repository.
    """

    def __init__(self, make: Callable[[RepositoryName], H]) -> None:
        self._make = make
        self._recent: OrderedDict[str, H] = OrderedDict()
        self._used: WeakValueDictionary[str, H] = WeakValueDictionary()

    def get(self, name: RepositoryName) -> H:
        """Return the handle on the repository called `name`."""
        if (handle := self._recent.get(name.text)) is not None:
            self._recent.move_to_end(name.text)
            return handle
        if (handle := self._used.get(name.text)) is None:
            handle = self._used[name.text] = self._make(name)
        self._recent[name.text] = handle
        if len(self._recent) > _MOST_RECENT:
            self._recent.popitem(last=False)
        return handle
