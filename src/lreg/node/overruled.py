"""What a runtime heeds instead of the files that lreg writes, or after them: then they do nothing.

Where that is one more file of settings, lreg's go into that one; here is what only a person mends.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lreg.node.merging import containers_image
from lreg.node.merging.documents import meaning
from lreg.node.paths import (
    BUILDKITD_TOML,
    CONTAINERD_CERTS,
    CONTAINERD_TOML,
    CRIO_CONF,
    DAEMON_JSON,
    REGISTRIES_CONF,
)
from lreg.node.plan import Merge
from lreg.node.proxies import proxied
from lreg.node.starts import Start, starts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lreg.node.plan import NodeFile, NodePlan
    from lreg.node.rooted import Root

    Look = Callable[[Sequence[NodeFile], Root], Iterator["Obstacle"]]

_DOCKER_FLAGS = {
    "registry-mirrors": "--registry-mirror",
    "insecure-registries": "--insecure-registry",
}
# By flag: the variable that stands for it, and what is read where neither is given.
_CRIO = {
    ("--config", "-c"): ("CONTAINER_CONFIG", f"/{CRIO_CONF}"),
    ("--config-dir", "-d"): ("CONTAINER_CONFIG_DIR", f"/{CRIO_CONF}.d"),
    ("--registries-conf-dir",): (
        "CONTAINER_REGISTRIES_CONF_DIR",
        f"/{REGISTRIES_CONF}.d",
    ),
    ("--short-name-mode",): ("CONTAINER_SHORT_NAME_MODE", "disabled"),
}
# The program and the units of each, and what has none.
_DAEMONS = {
    "docker": ("dockerd", ("docker.service",)),
    "containerd": ("containerd", ("containerd.service",)),
    "crio": ("crio", ("crio.service",)),
    "buildkit": ("buildkitd", ("buildkit.service",)),
    "k3s": ("k3s", ("k3s.service", "k3s-agent.service")),
    "rke2": ("rke2", ("rke2-server.service", "rke2-agent.service")),
    "microk8s": ("", ("snap.microk8s.daemon-containerd.service",)),
}
_TOOLS = frozenset({"podman", "buildah", "skopeo", "nerdctl"})
_OWN = "CONTAINERD_"
_OTHER_RUNTIME = ("--docker", "--container-runtime-endpoint")
_MICROK8S = "var/snap/microk8s/current/args/containerd-template.toml"
_NERDCTL = "etc/nerdctl/nerdctl.toml"
# One of these is in every template of k3s' config.toml that has registries in it.
_OF_REGISTRIES = ('template "base"', "config_path", "PrivateRegistryConfig")


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why files are not heeded, and what a person has to do."""

    said: str
    mend: str


def obstacles(
    name: str, plan: NodePlan, files: Sequence[NodeFile], root: Root
) -> Iterator[Obstacle]:
    """Yield what keeps a runtime from heeding the files that it is told by.

    Args:
        name: the runtime's, of `lreg.node.runtimes.RUNTIMES`.
        plan: what it is told.
        files: that come of it.
        root: the node's.

    Raises:
        LregError: a file that would say so can't be read.
    """
    if look := _LOOKS.get(name):
        yield from look(files, root)
    for start in _askers(name, root):
        variable, hosts = proxied(plan, start.environment)
        if hosts:
            yield Obstacle(
                f"{name} has {variable} ({start.by}), and asks a proxy for {', '.join(hosts)}",
                "add that to NO_PROXY there, and restart it",
            )


def _askers(name: str, root: Root) -> Iterator[Start]:
    """Yield whatever has an environment by which a runtime pulls."""
    program, units = _DAEMONS.get(name, ("", ()))
    for unit in units:
        for start in starts(root, program, unit):
            # k3s hands those of such names on to its containerd.
            own = {key.removeprefix(_OWN): each for key, each in start.environment.items()}
            yield replace(start, environment=start.environment | own)
    if name in _TOOLS and root.folder == "/":
        yield Start("this shell", (name,), dict(os.environ))
    if name == "docker":
        said = _values(root, DAEMON_JSON, Merge.JSON).get("proxies", {})
        pairs = said.items() if isinstance(said, dict) else ()
        settings = {key.upper().replace("-", "_"): str(value) for key, value in pairs}
        yield Start(root.absolute(DAEMON_JSON), (name,), settings)


def _values(root: Root, path: str, form: Merge) -> dict[str, Any]:
    text = (root.read(root.resolve(path)) or b"").decode(errors="replace")
    return meaning(text, form, root.absolute(path))


def _docker(files: Sequence[NodeFile], root: Root) -> Iterator[Obstacle]:
    texts = [file.text for file in files if file.path == DAEMON_JSON]
    keys = {key for text in texts for key in meaning(text, Merge.JSON, DAEMON_JSON)}
    for start in _askers("docker", root):
        yield from _elsewhere(start, ("--config-file",), f"/{DAEMON_JSON}")
        for key in sorted(keys & _DOCKER_FLAGS.keys()):
            flag = _DOCKER_FLAGS[key]
            if (value := start.option(flag)) is not None:
                yield Obstacle(
                    f"dockerd is started with {flag} {value} ({start.by}), and with {key} in "
                    f"/{DAEMON_JSON} too it does not start",
                    f"take the flag out there, put its value into {key}, and restart Docker",
                )


def _elsewhere(
    start: Start, flags: tuple[str, ...], usual: str, variable: str = ""
) -> Iterator[Obstacle]:
    given = start.option(*flags)
    by = flags[0] if given is not None else f"${variable}"
    given = given if given is not None else start.environment.get(variable)
    if given is not None and os.path.normpath(given) != usual:
        yield Obstacle(
            f"{os.path.basename(start.words[0])} is started with {by} {given} ({start.by}), so "
            f"that it does not go by {usual}",
            "take that out there, keep what else it says, and restart it",
        )


def _containerd(_: Sequence[NodeFile], root: Root) -> Iterator[Obstacle]:
    found = [
        [*_elsewhere(each, ("--config", "-c"), f"/{CONTAINERD_TOML}")]
        for each in _askers("containerd", root)
    ]
    # Docker, k3s and others run one of their own beside it.
    if found and all(found):
        yield from found[0]


def _buildkit(_: Sequence[NodeFile], root: Root) -> Iterator[Obstacle]:
    for start in _askers("buildkit", root):
        yield from _elsewhere(start, ("--config",), f"/{BUILDKITD_TOML}")


def _crio(files: Sequence[NodeFile], root: Root) -> Iterator[Obstacle]:
    for start in _askers("crio", root):
        for flags, (variable, usual) in _CRIO.items():
            yield from _elsewhere(start, flags, usual, variable)
    yield from _containers_image(files, root)


def _containers_image(_: Sequence[NodeFile], root: Root) -> Iterator[Obstacle]:
    path = f"{root.home}/{containers_image.OWN_MAIN}"
    if root.exists(root.resolve(path)):
        yield Obstacle(
            f"{root.absolute(path)} is read instead of all in /etc/containers, for its owner",
            f"move what it says into /{REGISTRIES_CONF}, and it away",
        )


def _k3s(name: str) -> Look:
    def look(_: Sequence[NodeFile], root: Root) -> Iterator[Obstacle]:
        usual = f"/etc/rancher/{name}/registries.yaml"
        for start in (*_askers(name, root), *_k3s_settings(name, root)):
            yield from _elsewhere(start, ("--private-registry",), usual)
            for flag in _OTHER_RUNTIME:
                if start.option(flag) not in (None, "False"):
                    yield Obstacle(
                        f"{name} is started with {flag} ({start.by}): who pulls for it reads no "
                        "registries.yaml",
                        "name that runtime instead: docker, containerd or crio",
                    )
        yield from _of_templates(name, root)

    return look


def _k3s_settings(name: str, root: Root) -> Iterator[Start]:
    """Yield k3s' config.yaml files as what they are: flags."""
    folder = f"etc/rancher/{name}"
    for path in (f"{folder}/config.yaml", *root.glob(f"{folder}/config.yaml.d/*.yaml")):
        values = _values(root, path, Merge.YAML)
        flags = (f"--{key}={value}" for key, value in values.items())
        yield Start(root.absolute(path), (name, *flags))


def _of_templates(name: str, root: Root) -> Iterator[Obstacle]:
    for path in root.glob(f"var/lib/rancher/{name}/agent/etc/containerd/config*.toml.tmpl"):
        text = (root.read(path) or b"").decode(errors="replace")
        if not any(words in text for words in _OF_REGISTRIES):
            yield Obstacle(
                f"{root.absolute(path)} makes a config.toml that heeds no registries.yaml",
                'let it begin with {{ template "base" . }}, and restart the service',
            )


def _microk8s(_: Sequence[NodeFile], root: Root) -> Iterator[Obstacle]:
    text = (root.read(root.resolve(_MICROK8S)) or b"").decode(errors="replace")
    if text and "config_path" not in text:
        yield Obstacle(
            f"{root.absolute(_MICROK8S)} sets no config_path, so that certs.d is not read",
            "set it to ${SNAP_DATA}/args/certs.d for CRI, in place of mirrors, and restart",
        )


def _nerdctl(_: Sequence[NodeFile], root: Root) -> Iterator[Obstacle]:
    folders = _values(root, _NERDCTL, Merge.TOML).get("hosts_dir")
    if folders is not None and f"/{CONTAINERD_CERTS}" not in folders:
        yield Obstacle(
            f"{root.absolute(_NERDCTL)} has hosts_dir without /{CONTAINERD_CERTS}",
            "put that folder first into hosts_dir",
        )


_LOOKS: dict[str, Look] = {
    "docker": _docker,
    "containerd": _containerd,
    "buildkit": _buildkit,
    "nerdctl": _nerdctl,
    "crio": _crio,
    "podman": _containers_image,
    "buildah": _containers_image,
    "skopeo": _containers_image,
    "k3s": _k3s("k3s"),
    "rke2": _k3s("rke2"),
    "microk8s": _microk8s,
}
