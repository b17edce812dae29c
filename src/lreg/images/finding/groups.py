"""An image that several fields make together: `repository` and `tag`, `hub` and `image`, …."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lreg.images.finding.names import as_image, is_template, joined
from lreg.images.finding.trees import mapping_at, text_at
from lreg.oci.reference import is_host

if TYPE_CHECKING:
    from lreg.images.finding.trees import Tree
    from lreg.oci.reference import Reference

_REGISTRIES = ("registry", "hub", "imageRegistry", "registryUrl")
_TAGS = ("tag", "imageTag", "newTag", "version", "appVersion")
_DIGESTS = ("digest", "sha", "sha256", "imageDigest")
# Where kubeadm's configurations have the registry of a part, and no image's name.
_OF_KUBEADM = frozenset({"clusterConfiguration", "dns", "local"})


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the fields around a group say, where it says nothing itself.

    Attributes:
        values: whether a chart's values are read, in which a group may lack its tag.
        registry: what stands before every name that has none: `imageRegistry`, `imageNamespace`.
        version: the chart's appVersion.
        hub: Istio's hub, of the nearest mapping that has one.
        tag: that mapping's tag.
    """

    values: bool = False
    registry: str = ""
    version: str = ""
    hub: str = ""
    tag: str = ""

    def within(self, fields: dict[str, Tree]) -> Defaults:
        """Return them as they are inside of a mapping."""
        found = self
        for one in (mapping_at(fields, "global"), fields):
            if (hub := _text(one, "hub")) and (tag := _text(one, "tag")):
                found = replace(found, hub=hub, tag=tag)
            if self.values and (registry := _text(one, "imageRegistry")):
                space = _text(one, "imageNamespace")
                found = replace(found, registry=f"{registry}/{space}" if space else registry)
        return found


@dataclass(frozen=True, slots=True)
class Group:
    """An image made of several fields.

    Attributes:
        reference: the image.
        line: of the field with its name.
        keys: the fields that are used up.
        certain: whether nothing had to be filled in, and the fields can mean nothing else.
    """

    reference: Reference
    line: int
    keys: frozenset[str]
    certain: bool


def group_in(fields: dict[str, Tree], key: str, defaults: Defaults) -> Group | None:
    """Return the image that the fields of a mapping make together, None where they make none.

    Args:
        fields: of the mapping.
        key: under which it lies.
        defaults: what lies around it.
    """
    name_key = _name_key(fields, key, defaults)
    name = text_at(fields, name_key)
    if not name or is_template(name):
        return None
    registry_key, registry = _first(fields, _REGISTRIES)
    tag_key, tag = _first(fields, _TAGS)
    digest_key, digest = _first(fields, _DIGESTS)
    used = {name_key, registry_key, tag_key, digest_key}
    if name_key == "image" and _text(fields, "repository"):
        registry, used = _text(fields, "repository"), used | {"repository"}
    if defaults.hub and name_key == "image" and not registry:
        registry, tag = defaults.hub, tag or defaults.tag
    registry = registry or defaults.registry
    given = bool(tag or digest)
    if defaults.values and not given:
        tag = defaults.version
    reference = joined(registry, name, tag, digest)
    if reference is None or not (tag or digest or ":" in name or defaults.values):
        return None
    meant = "image" in key.lower() or bool(registry) or reference.host is not None
    certain = given and meant and name_key in ("image", "repository")
    return Group(reference, name.line, frozenset(used - {""}), certain)


def _name_key(fields: dict[str, Tree], key: str, defaults: Defaults) -> str:
    """Return the field that has the name of the image that they make, "" where none has."""
    image = _text(fields, "image")
    is_whole = ":" in image or is_host(image.partition("/")[0])
    apart = any(_text(fields, each) for each in ("registry", "hub"))
    # A repository that is beside an image is the folder where it lies.
    apart = apart or ("/" not in image and bool(_text(fields, "repository") or defaults.hub))
    if image and apart and not is_whole:
        return "image"
    if _text(fields, "repository"):
        return "repository"
    if _text(fields, "imageRepository") and key not in _OF_KUBEADM:
        return "imageRepository"
    if key == "images" and _text(fields, "newName"):
        return "newName"
    return "name" if _is_named(fields, key, defaults) else ""


def _is_named(fields: dict[str, Tree], key: str, defaults: Defaults) -> bool:
    """Return whether `name` is that of an image."""
    name = _text(fields, "name")
    if key == "images":
        # As kustomizations have what they put in its place.
        return bool(name) and any(_text(fields, each) for each in ("newTag", "digest"))
    has_version = "/" in name and bool(_first(fields, (*_TAGS, *_DIGESTS))[0])
    given = bool(defaults.values and defaults.registry) or has_version
    return bool(name) and given and key.lower().endswith("image")


def with_version(reference: Reference, fields: dict[str, Tree]) -> Reference:
    """Return an image with the tag or digest that stands beside it, where it has none itself."""
    if reference.tag or reference.digest:
        return reference
    _, tag = _first(fields, _TAGS)
    _, digest = _first(fields, _DIGESTS)
    made = joined("", str(reference), tag, digest) if tag or digest else None
    return made or reference


def _first(fields: dict[str, Tree], keys: tuple[str, ...]) -> tuple[str, str]:
    """Return the first of the keys that says something, and what."""
    for key in keys:
        if (text := _text(fields, key)) and as_image(f"x:{text}" if key in _TAGS else "x"):
            return key, text
    return "", ""


def _text(fields: dict[str, Tree], key: str) -> str:
    value = text_at(fields, key)
    return "" if is_template(value) else value
