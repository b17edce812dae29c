"""Users and groups by their names, as an image's /etc/passwd and /etc/group have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.errors import UsageError
from lreg.images.building.draft import Owner

if TYPE_CHECKING:
    from lreg.images.building.dockerfile.copying import Origin

_MOST = 1 << 20


def owner_of(text: str, image: Origin) -> Owner:
    """Return the owner that `USER` or `USER:GROUP` means, each a name or a number.

    A number without a group is that group too; a name without one has the group of its user.

    Raises:
        UsageError: the image does not know the name.
    """
    user, _, group = text.partition(":")
    if user.isdecimal() or not user:
        uid = gid = int(user or 0)
    else:
        uid, gid = _numbers(user, "passwd", image)
    if group:
        gid = int(group) if group.isdecimal() else _numbers(group, "group", image)[0]
    return Owner(uid, gid)


def _numbers(name: str, file: str, image: Origin) -> tuple[int, int]:
    """Return the third and fourth field of the line that begins with `name`, 0 where missing."""
    for line in _lines(file, image):
        fields = line.split(":")
        if fields[0] == name and len(fields) >= 4 and fields[2].isdecimal():
            return int(fields[2]), int(fields[3]) if fields[3].isdecimal() else 0
    raise UsageError(f"the image has no {name!r:.80} in /etc/{file}: give the number")


def _lines(file: str, image: Origin) -> list[str]:
    entry = image.root.find(image.root.real(f"etc/{file}"))
    if entry is None or not entry.is_file:
        return []
    raw = image.members([entry])[entry.place].read(_MOST)
    return raw.decode(errors="replace").splitlines()
