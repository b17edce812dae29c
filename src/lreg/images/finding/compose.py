"""Images of compose files (compose-spec): one a service, variables put in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lreg.images.finding.found import Place
from lreg.images.finding.trees import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lreg.images.finding.found import Findings
    from lreg.images.finding.manifests import Manifests
    from lreg.images.finding.trees import Tree

# compose-spec, 12-interpolation.md; a default may itself hold a variable, once.
_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<name>[A-Za-z_]\w*)"
    r"|\{(?P<braced>[A-Za-z_]\w*)(?:(?P<how>:?[-?+])(?P<word>(?:[^{}]|\$\{[^{}]*\})*))?\})"
)
_OF_SERVICES = frozenset({"image", "build", "extends"})
_NAME = re.compile(r"[A-Za-z_]\w*")
# A longer one is the name of no image, and costs what its square does.
_MAX_IMAGE = 2000


def services_of(tree: Tree | None) -> dict[str, dict[str, Tree]]:
    """Return the services of a compose file by name; none where a document is no such file."""
    if not isinstance(tree, dict) or "kind" in tree or "apiVersion" in tree:
        return {}
    services = tree.get("services")
    named = services.items() if isinstance(services, dict) else ()
    found = {name: service for name, service in named if isinstance(service, dict)}
    return found if any(each.keys() & _OF_SERVICES for each in found.values()) else {}


def read_compose(
    services: dict[str, dict[str, Tree]],
    file: str,
    variables: Mapping[str, str],
    manifests: Manifests,
    findings: Findings,
) -> None:
    """Find the images of a compose file.

    Args:
        services: by name, as they are written.
        file: what it is called.
        variables: what its variables mean.
        manifests: finds the images of a service.
        findings: where problems go.
    """
    for name, service in services.items():
        fields = dict(service)
        image = fields.get("image")
        path = f"services.{name}"
        if isinstance(image, Text) and len(image) <= _MAX_IMAGE:
            filled, unset = interpolate(image, variables)
            fields["image"] = Text(filled, image.line)
            if unset:
                place = Place(file, image.line, f"{path}.image")
                findings.fail(place, f"${unset[0]} has no value: put it into .env")
                del fields["image"]
        # What a service builds has a name here, but need not be anywhere else.
        manifests.service(fields, path, sure="build" not in fields)


def interpolate(text: str, variables: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return a text with its variables' values, and the names of those that have none."""
    unset: list[str] = []

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name, how, word = match["name"] or match["braced"], match["how"] or "", match["word"] or ""
        found = variables.get(name)
        empty = found is None or (how.startswith(":") and not found)
        if how.endswith("+"):
            return "" if empty else word
        if not empty:
            return found or ""
        if how.endswith("-"):
            filled, more = interpolate(word, variables)
            unset.extend(more)
            return filled
        unset.append(name)
        return ""

    return _VARIABLE.sub(value, text), unset


def read_env(text: str) -> dict[str, str]:
    """Return the variables that a .env file sets."""
    found = {}
    for line in text.split("\n"):
        name, assigned, value = line.strip().removeprefix("export ").partition("=")
        if not assigned or not _NAME.fullmatch(name.strip()):
            continue
        value = value.strip()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        found[name.strip()] = value[1:-1] if quoted else value.partition(" #")[0].rstrip()
    return found
