"""Images in trees of any kind: Kubernetes objects, custom resources, values, what is embedded."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from lreg.errors import LregError
from lreg.images.finding import controllers, kubeadm
from lreg.images.finding.found import Findings, Place
from lreg.images.finding.groups import Defaults, group_in, with_version
from lreg.images.finding.here import Here
from lreg.images.finding.names import (
    as_image,
    images_in,
    is_explicit,
    is_template,
    names_image,
)
from lreg.images.finding.trees import Document, Text, Tree, documents, nested, text_at

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_DEPTH = 100
# A ConfigMap in a Helm value in an Application is the deepest that people write.
_MAX_EMBEDDED = 3
# What stands beside the image of something that runs.
_OF_CONTAINERS = frozenset(
    {"command", "args", "env", "imagePullPolicy", "volumeMounts", "ports", "source", "script"}
)
# What a mapping of images says about them: not what each is for.
_ABOUT_IMAGES = re.compile(r"image|polic|repo|registr|tag|version", re.IGNORECASE)
# What an object was, and what it has become: not what it asks for.
_SKIPPED = frozenset({"kubectl.kubernetes.io/last-applied-configuration", "managedFields"})
_SCHEMA = "CustomResourceDefinition"
# What Istio's gateway injection puts an image in place of.
_INJECTED = "auto"
# In a schema, descriptions have examples; only what an object gets by itself is asked for.
_DEFAULT = re.compile(r"^[ ]*default:.*", re.MULTILINE)
_SPACE = re.compile(r"\s")
_BLOCK = re.compile(r"^[ \t]*(?:-[ \t]+)*[\w./][\w./-]*:(?:\s|$)", re.MULTILINE)


class Manifests:
    """Finds the images of documents.

    Args:
        findings: where to put them.
        file: what the documents are from.
        values: whether they are a chart's values: everything in them is a guess, and a group may
            lack what the chart fills in.
        lines: whether their lines mean anything: not where a program made them.
    """

    def __init__(
        self, findings: Findings, file: str, values: Defaults | None = None, *, lines: bool = True
    ) -> None:
        self._findings = findings
        self._file = file
        self._values = values
        self._lines = lines
        self._seen: set[int] = set()
        # Trees that were made on the way: the id of one that is gone may be that of another.
        self._kept: list[Tree] = []

    def read(self, text: str) -> None:
        """Find the images of all documents of a text; a broken one is reported and scanned."""
        for document in documents(text):
            self.document(document)

    def document(self, document: Document) -> None:
        """Find the images of one document, as `read`."""
        self._document(document, Here())

    def tree(self, tree: Tree) -> None:
        """Find the images of a tree, which the caller keeps as long as this."""
        self._root(tree, Here())

    def service(self, tree: dict[str, Tree], path: str, *, sure: bool) -> None:
        """Find the images of one service of a compose file."""
        self._kept.append(tree)
        self._mapping(tree, Here(path=path, sure=sure, container=sure))

    def _document(self, document: Document, here: Here) -> None:
        if document.tree is not None:
            self._kept.append(document.tree)
            self._root(document.tree, here)
            return
        if document.broken:
            place = self._place(document.line, here)
            why = f"{document.broken}; what looks like an image in it is guessed"
            self._findings.fail(place, why)
            self._scan(document.text, document.line, here)
        elif _SCHEMA in document.text:
            for match in _DEFAULT.finditer(document.text):
                line = document.line + document.text.count("\n", 0, match.start())
                self._scan(match[0], line, here)

    def _root(self, tree: Tree, here: Here) -> None:
        is_object = isinstance(tree, dict) and "kind" in tree and self._values is None
        start = replace(here, sure=is_object and not here.embedded)
        if self._values:
            start = replace(start, defaults=self._values)
        self._visit(tree, start)

    def _visit(self, tree: Tree, here: Here) -> None:
        if isinstance(tree, Text):
            self._text(tree, here)
            return
        if id(tree) in self._seen:
            return
        self._seen.add(id(tree))
        if here.depth > _MAX_DEPTH:
            self._findings.fail(self._place(0, here), "it is nested too deeply")
        elif isinstance(tree, dict):
            self._mapping(tree, here)
        else:
            self._list(tree, here)

    def _list(self, items: list[Tree], here: Here) -> None:
        if here.rendered and (values := controllers.parameters(items)):
            self._values_set(values, here)
            return
        before = ""
        for number, item in enumerate(items):
            there = here.item(number)
            if isinstance(item, Text):
                # `--image` and its value may be two arguments.
                option = before if before.startswith("-") and "=" not in before else ""
                self._text(item, replace(there, key=option or here.key))
                before = item
            else:
                self._visit(item, there)

    def _mapping(self, fields: dict[str, Tree], here: Here) -> None:
        kind = fields.get("kind")
        if kind == _SCHEMA:
            return
        if isinstance(kind, Text) and isinstance(fields.get("metadata"), dict):
            here = replace(here, label=_label(kind, fields["metadata"]), path="")
        if isinstance(kind, Text):
            self._of_kind(kind, fields, here)
            rendered = here.rendered or kind in controllers.KINDS
            here = replace(here, rendered=rendered, sure=here.sure and not rendered)
        if here.rendered:
            fields = self._of_rendered(fields, here)
        here = replace(here, defaults=here.defaults.within(fields))
        taken = self._group(fields, here)
        for key, value in fields.items():
            if key in taken or key in _SKIPPED or (key == "status" and kind):
                continue
            self._field(key, value, fields, here)

    def _field(self, key: str, value: Tree, fields: dict[str, Tree], here: Here) -> None:
        there = here.field(key)
        if not isinstance(value, Text):
            self._visit(value, there)
        elif key == "image":
            runs = here.container or bool(fields.keys() & _OF_CONTAINERS)
            self._image(value, fields, replace(there, container=runs))
        elif key == "baseImage" and (base := as_image(value)):
            whole = with_version(base, fields)
            self._findings.add(whole, self._place(value.line, there), sure=False)
        elif key == "value":
            # A variable of a container, a parameter: what it is for stands beside it.
            self._text(value, replace(there, key=text_at(fields, "name")))
        elif here.path.lower().endswith("images") and not _ABOUT_IMAGES.search(key):
            # A mapping of images, called by what each is for.
            self._text(value, replace(there, key=here.key))
        else:
            self._text(value, there)

    def _of_kind(self, kind: Text, fields: dict[str, Tree], here: Here) -> None:
        place = self._place(kind.line, here)
        version = fields.get("kubernetesVersion")
        if kind == "ClusterConfiguration" and isinstance(version, Text):
            found = Findings()
            try:
                kubeadm.find(version, place, found, fields)
            except LregError as error:
                found.fail(place, str(error))
            found.found = [replace(one, sure=one.sure and here.sure) for one in found.found]
            self._findings.include(found)

    def _of_rendered(self, fields: dict[str, Tree], here: Here) -> dict[str, Tree]:
        """Say where a chart is named, find what is set as `a.b: c`; return the other fields."""
        if why := controllers.chart_in(fields):
            self._findings.fail(self._place(text_at(fields, "chart").line, here), why)
        values = controllers.set_values(fields)
        self._values_set(values, here)
        return {key: value for key, value in fields.items() if key not in values}

    def _values_set(self, values: Mapping[str, Text], here: Here) -> None:
        if values:
            tree = nested(values)
            self._kept.append(tree)
            self._visit(tree, here)

    def _group(self, fields: dict[str, Tree], here: Here) -> frozenset[str]:
        """Add the image that several fields make together; return which they are."""
        group = group_in(fields, here.key, here.defaults)
        if group is None:
            return frozenset()
        place = self._place(group.line, here)
        self._findings.add(group.reference, place, sure=here.sure and group.certain)
        return group.keys

    def _image(self, value: Text, fields: dict[str, Tree], here: Here) -> None:
        place = self._place(value.line, here)
        reference = as_image(value)
        if reference is None:
            if is_template(value):
                self._findings.fail(place, f"{value!r:.200} is a template: what it means is open")
            return
        if value == _INJECTED:
            return
        whole = with_version(reference, fields)
        known = whole is reference and (is_explicit(reference) or here.container)
        # A mere word may be anything; in an object it is an image more often than not.
        if known or is_explicit(whole) or here.sure:
            self._findings.add(whole, place, sure=here.sure and known)

    def _text(self, value: Text, here: Here) -> None:
        if len(value) < 3 or here.key in _SKIPPED:
            return
        reference = None
        if names_image(here.key) and not _SPACE.search(value.strip()):
            # `name=image` is what kustomizations have among theirs.
            reference = as_image(value) or as_image(value.rpartition("=")[2])
        # An image that is mounted as a volume: volumes[].image.reference.
        is_volume = here.key == "reference" and here.path.endswith("image.reference")
        if is_volume and (mounted := as_image(value)):
            place = self._place(value.line, here)
            self._findings.add(mounted, place, sure=here.sure)
        elif reference and is_explicit(reference):
            place = self._place(value.line, here)
            self._findings.add(reference, place, sure=False)
        elif here.embedded < _MAX_EMBEDDED and _is_document(value, short=here.rendered):
            self._embedded(value, here)
        else:
            self._scan(value, value.line, here)

    def _embedded(self, value: Text, here: Here) -> None:
        inside = replace(here, sure=False, embedded=here.embedded + 1)
        # The text of a block begins on the line after its `|`.
        for document in documents(value, value.line + 1 if value.line else 0):
            if isinstance(document.tree, Text) or document.broken:
                self._scan(document.text, document.line, here)
            else:
                self._document(document, inside)

    def _scan(self, text: str, line: int, here: Here) -> None:
        counted = 0
        for start, reference in sorted(images_in(text), key=lambda found: found[0]):
            line += text.count("\n", counted, start) if line else 0
            counted = start
            self._findings.add(reference, self._place(line, here), sure=False)

    def _place(self, line: int, here: Here) -> Place:
        named = ": ".join(filter(None, (here.label, here.path)))
        return Place(self._file, line if self._lines else 0, named)


def _is_document(value: str, *, short: bool) -> bool:
    """Return whether a text is YAML or JSON itself; `short`: though it has but one line."""
    text = value.strip()
    return text[:1] in "{[" or ((short or "\n" in text) and bool(_BLOCK.search(text)))


def _label(kind: str, metadata: Tree) -> str:
    name = ""
    if isinstance(metadata, dict):
        name = str(metadata.get("name") or metadata.get("generateName") or "")
    return f"{kind}/{name}" if name else kind
