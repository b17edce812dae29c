"""What controllers render in a cluster, of charts and kustomizations: k3s, Flux, Argo CD, Fleet.

Nothing that such an object names is sure to come out of what it renders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lreg.images.finding.trees import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lreg.images.finding.trees import Tree

KINDS = frozenset(
    {
        *("HelmChart", "HelmChartConfig", "HelmRelease", "HelmChartProxy", "Kustomization"),
        *("Application", "ApplicationSet", "Bundle"),
    }
)


def chart_in(fields: Mapping[str, Tree]) -> str:
    """Return why a chart that fields of such an object name is not read; "" where they name none.

    HelmChart, "chartContent": the chart itself, packed, in base64.
    """
    if fields.get("chartContent"):
        return "the chart that is packed in it is not read: unpack it by base64 -d, and name that"
    if isinstance(fields.get("chart"), Text) or fields.get("chartRef"):
        return "the images of the chart that it names are not known here"
    return ""


def set_values(fields: Mapping[str, Tree]) -> dict[str, Text]:
    """Return the fields that set a value by its way: `image.tag: x`."""
    return {key: value for key, value in fields.items() if "." in key and isinstance(value, Text)}


def parameters(items: Iterable[Tree]) -> dict[str, Text]:
    """Return the values that a list sets by `name` and `value`; none where it is no such list."""
    found: dict[str, Text] = {}
    for item in items:
        name = item.get("name") if isinstance(item, dict) else None
        value = item.get("value") if isinstance(item, dict) else None
        if not isinstance(name, Text) or not isinstance(value, Text):
            return {}
        found[name] = value
    return found
