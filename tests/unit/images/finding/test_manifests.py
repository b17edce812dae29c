"""Images in YAML: where each is named, what a broken or hostile document does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.images.finding.found import Findings, as_json
from lreg.images.finding.manifests import Manifests
from lreg.images.finding.names import as_image, images_in
from lreg.images.finding.trees import MAX_DOCUMENT, documents

if TYPE_CHECKING:
    from lreg.images.finding.found import Found

POD = """\
kind: Pod
metadata: {{name: {name}}}
spec:
  containers:
  - name: c
    image: {image}
"""


def found_in(text: str) -> Findings:
    """What is found in a text."""
    findings = Findings()
    Manifests(findings, "x.yaml").read(text)
    return findings


def images(text: str) -> list[str]:
    """The images of a text, sorted."""
    return [need.image for need in found_in(text).needs()]


def only(text: str) -> Found:
    """The only place of the only image of a text."""
    (found,) = found_in(text).found
    return found


def test_place() -> None:
    """Each image has the file, the line, the object and the path that name it."""
    text = f"# first\n---\n{POD.format(name='web', image='nginx:1')}"
    assert str(only(text).place) == "x.yaml:8: Pod/web: spec.containers[0].image"


def test_line_in_a_block() -> None:
    """An image in a text that is YAML itself has the line where it stands in the file."""
    inner = "".join(f"    {line}\n" for line in POD.format(name="in", image="a/b:1").splitlines())
    found = only(f"kind: ConfigMap\ndata:\n  pod.yaml: |\n{inner}")
    assert (found.place.line, found.sure) == (9, False)
    assert found.place.path == "Pod/in: spec.containers[0].image"


def test_json() -> None:
    """JSON is read as YAML is; it has paths, and the columns of no line."""
    found = only('{"kind": "Pod", "spec": {"containers": [{"image": "a/b:1"}]}}')
    assert str(found.place) == "x.yaml: spec.containers[0].image"


def test_as_json() -> None:
    """A program reads the name as it is written, the whole name, and every place."""
    findings = found_in(POD.format(name="p", image="nginx"))
    fields = as_json(findings.needs(), findings.problems)
    expected = {
        "image": "docker.io/library/nginx:latest",
        "sure": True,
        "found": [
            {
                "as": "nginx",
                "file": "x.yaml",
                "line": 6,
                "path": "Pod/p: spec.containers[0].image",
                "sure": True,
            }
        ],
    }
    assert fields == {"images": [expected], "problems": []}


def test_broken_document() -> None:
    """A document that is not YAML is reported with its line; the others are read all the same.

    What looks like an image in it is a guess.
    """
    text = f"{POD.format(name='a', image='a/a:1')}---\nkind: Pod\n  image: b/b:2\n---\n"
    findings = found_in(text + POD.format(name="c", image="c/c:3"))
    sure = {need.image: need.sure for need in findings.needs()}
    assert sure == {"docker.io/a/a:1": True, "docker.io/b/b:2": False, "docker.io/c/c:3": True}
    (problem,) = findings.problems
    assert str(problem).startswith("x.yaml:7: it is not YAML: line 9: mapping values")


@pytest.mark.parametrize(
    "image", ["{{ .Values.image }}", "${REGISTRY}/app:1", "$(IMAGE)", "%(image)s", "<your image>"]
)
def test_template(image: str) -> None:
    """An image that is still to be put in is said to be open, not made up."""
    findings = found_in(POD.format(name="t", image=f'"{image}"'))
    assert findings.found == []
    (problem,) = findings.problems
    assert "is a template" in problem.why


def test_merge_keys_and_aliases() -> None:
    """What an anchor shares is found where it is used."""
    text = """\
kind: Thing
metadata: {name: t}
defaults: &defaults {registry: quay.io, tag: "2"}
app:
  image: {<<: *defaults, repository: org/app}
"""
    assert images(text) == ["quay.io/org/app:2"]


@pytest.mark.parametrize(
    "text",
    [
        # Ten levels of ten aliases each: 10^10 images, once expanded.
        "a0: &a0 [{image: x/y:1}]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 11)),
        "image: &a {image: x/y:1, self: *a}\n",
        "kind: A\nimage: x/y:1\nb: &b\n- *b\n",
    ],
)
def test_alias_bomb(text: str) -> None:
    """Aliases of aliases, and of themselves, cost no more than their text."""
    assert images(text) == ["docker.io/x/y:1"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("image: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("image: {" + "a: {" * 150 + "}" * 151, "nested too deeply"),
        ("image: a/b:1\nx: " + "y" * MAX_DOCUMENT, "more than 2 MiB"),
        ("image: &a [\x00]", "not YAML"),
        ("image: *nowhere", "undefined alias"),
        ("a: &a {" + ", ".join(f"k{n}: v" for n in range(2000)) + "}\n"
         + "".join(f"m{n}: {{<<: *a}}\n" for n in range(60)) + "image: 1", "too many keys"),
    ],
)  # fmt: skip
def test_hostile(text: str, why: str) -> None:
    """What no person writes is reported, and costs no more than a person's file."""
    findings = found_in(text)
    assert any(why in problem.why for problem in findings.problems), findings.problems


@pytest.mark.parametrize(
    "piece", ["-", "a/", "a/a:", "image: ", "--image ", "a.", "{{", "<", "$", "@", "=a"]
)
def test_repeated(piece: str) -> None:
    """Much of anything that begins as a name does takes no longer than its length."""
    text = piece * ((1 << 18) // len(piece))
    found_in(f"kind: ConfigMap\nimage: '{text}'\ndata:\n  x: |\n    {text}\n    y: z\n")
    findings = found_in(f"image: [\n{text}\n---\nkind: A\nimage: end/end:1")
    assert findings.problems
    assert findings.needs()[-1].found[0].place.line > 3


def test_many_documents() -> None:
    """Of a file with more documents than people write, those at its end are only looked at."""
    text = "---\nimage: a/a:1\n" * 6_000 + "---\nkind: A\nimage: end/end:1\n"
    findings = found_in(text)
    assert [need.image for need in findings.needs()] == ["docker.io/a/a:1", "docker.io/end/end:1"]
    (problem,) = findings.problems
    assert "5000 documents before it" in problem.why
    assert problem.place.line == 10_001


def test_deep_by_aliases() -> None:
    """A tree that aliases make deep is left at a depth that no manifest has."""
    text = "image: x\na0: &a0 {image: x/y:1}\n"
    text += "".join(f"a{n}: &a{n} {{b: *a{n - 1}}}\n" for n in range(1, 300))
    assert images(text) == ["docker.io/x/y:1"]
    backwards = f"image: &z {'{b: ' * 200}{{image: x/y:1}}{'}' * 200}"
    assert any("too deeply" in one.why for one in found_in(backwards).problems)


def test_directives_and_markers() -> None:
    """Directives belong to their document; an end marker ends it; a marker in a text does not."""
    text = (
        "%YAML 1.2\n---\nkind: A\nimage: a/a:1\n...\n---\nkind: B\nimage: b/b:1\n"
        "note: |\n  ---\n  not a marker\n"
    )
    assert images(text) == ["docker.io/a/a:1", "docker.io/b/b:1"]
    assert [one.line for one in documents(text) if one.tree] == [1, 6]


@pytest.mark.parametrize(
    ("fields", "sure"),
    [
        ("template: {container: {image: busybox, command: [sh]}}", True),
        ("steps: [{name: s, image: busybox, script: echo}]", True),
        ("machine: {image: ubuntu}", False),
    ],
)
def test_a_mere_word(fields: str, sure: bool) -> None:
    """An image that is one word is sure where something beside it says that it runs."""
    found = only(f"kind: X\n{fields}")
    assert found.sure == sure


@pytest.mark.parametrize(
    "text",
    [
        "imagePullPolicy: IfNotPresent",
        "kind: X\nimage: true",
        "kind: X\nimage: ~",
        "kind: X\nimagePullSecrets: [{name: a/b:c}]",
        "kind: X\nurl: https://quay.io/org/app:1",
        "kind: X\ntaint: node.cilium.io/agent-not-ready:NoSchedule",
        "kind: X\nrepository: https://github.com/org/app\ntag: v1",
        "image: ubuntu",
        "kind: X\nuser: system:serviceaccount:kube-system:default",
        "kind: X\nwhen: 12:30:45\naddress: 10.0.0.1:6443",
        "kind: X\nimage: Ubuntu 22.04 LTS",
        "kind: X\nfile: ./dir/x.yaml:3",
    ],
)
def test_no_image(text: str) -> None:
    """What only stands near the word, or looks a little like a name, is no image."""
    assert found_in(text).found == []


_COMPONENT = st.from_regex(r"[a-z0-9]{1,8}([._-][a-z0-9]{1,5})?", fullmatch=True)
_HOST = st.sampled_from(["", "quay.io/", "localhost:5000/", "10.0.0.1:80/", "a.example.org/"])
_TAG = st.from_regex(r":[A-Za-z0-9_][A-Za-z0-9._-]{0,10}", fullmatch=True)


@st.composite
def names(draw: st.DrawFn) -> str:
    """The name of an image with a tag."""
    path = "/".join(draw(st.lists(_COMPONENT, min_size=1, max_size=3)))
    return f"{draw(_HOST)}{path}{draw(_TAG)}"


@given(names())
def test_any_image_of_a_container_is_found(name: str) -> None:
    """Whatever a container's image is called, it is found, and it is sure."""
    found = only(POD.format(name="x", image=f'"{name}"'))
    assert (str(found.reference), found.sure) == (name, True)


_KEY = st.from_regex(r"[a-z][A-Za-z]{0,8}", fullmatch=True)


@given(names(), st.lists(st.one_of(_KEY, st.none()), max_size=12))
def test_a_container_wherever_it_is(name: str, way: list[str | None]) -> None:
    """However deep a pod is in an object, its image is found and sure; the path leads there."""
    tree: object = {"containers": [{"name": "c", "image": name}]}
    for key in way:
        tree = {key: tree} if key else [tree]
    found = only(json.dumps({"kind": "Thing", "spec": tree}))
    assert (str(found.reference), found.sure) == (name, True)
    assert found.place.path.endswith("containers[0].image")


@given(names(), st.sampled_from(["--image={}", "SIDECAR_IMAGE={} x", 'a "image": "{}", b']))
def test_any_image_after_its_key_is_found(name: str, text: str) -> None:
    """Whatever stands after a key for images is found in any text."""
    reference = as_image(name.rstrip(".:"))
    assert reference is not None
    assert reference in [one for _, one in images_in(text.format(name))]


@given(st.text(max_size=200))
def test_any_text_ends(text: str) -> None:
    """Any text at all is read to its end: what is wrong with it is a problem, no error."""
    findings = found_in(f"image: {text}\n---\nkind: A\nimage: end/end:1")
    assert findings.found or findings.problems
