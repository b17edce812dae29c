"""Configuration files as people write them, for Hypothesis: indents, quotes, comments, orders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Mapping

HOSTS = ["docker.io", "quay.io", "registry.k8s.io", "registry.corp:5000", "*"]
URLS = [
    "https://mirror.corp",
    "http://10.1.1.1:5000",
    "https://registry-1.docker.io",
    "http://m/v2",
]
_WORDS = st.sampled_from(
    ["a", "log-driver", "äöü", "it's", 'say "x"', "# no comment", "", "0", "x: y"]
)
_SCALARS = st.one_of(st.booleans(), st.integers(-5, 1 << 40), _WORDS)
_URLS = st.lists(st.sampled_from(URLS), max_size=3, unique=True)
_FOLDERS = ["", "/etc/containerd/certs.d", "/srv/h"]
_COMMENT = st.sampled_from(["", "", '  # [host] "x" = {', "  # ours, äöü"])


@st.composite
def daemon_json(draw: st.DrawFn) -> str:
    """A daemon.json."""
    value = draw(
        st.dictionaries(
            st.sampled_from(["debug", "log-opts", "dns", "hosts", "x\\y", "{", "runtimes"]),
            st.recursive(
                _SCALARS,
                lambda inner: (
                    st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=2)
                ),
                max_leaves=6,
            ),
            max_size=4,
        )
    )
    for key in draw(st.sets(st.sampled_from(["registry-mirrors", "insecure-registries"]))):
        value[key] = draw(_URLS)
    items = draw(st.permutations(list(value.items())))
    indent = draw(st.sampled_from([None, None, 1, 2, 4, "\t"]))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")]))
    text = json.dumps(
        dict(items), indent=indent, separators=separators, ensure_ascii=draw(st.booleans())
    )
    end = draw(st.sampled_from(["\n", "\r\n"]))
    before, after = draw(st.tuples(*[st.sampled_from(["", "\n", "  \n"])] * 2))
    return f"{before}{text}{after}".replace("\n", end)


def _toml(value: Any, draw: st.DrawFn) -> str:
    """A value of TOML, on one line or, a list, on several."""
    if isinstance(value, list):
        items = [_toml(each, draw) for each in value]
        if draw(st.booleans()) and items:
            return "[\n" + "".join(f"  {each},{draw(_COMMENT)}\n" for each in items) + "]"
        return f"[{', '.join(items)}]"
    if isinstance(value, str) and "'" not in value and draw(st.booleans()):
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)


def _settings(values: Mapping[str, Any], draw: st.DrawFn, indent: str = "") -> str:
    equals = draw(st.sampled_from([" = ", "=", "   = "]))
    return "".join(
        f"{indent}{key}{equals}{_toml(value, draw)}{draw(_COMMENT)}\n"
        for key, value in values.items()
    )


def _key(key: str, draw: st.DrawFn) -> str:
    return f"'{key}'" if draw(st.booleans()) else f'"{key}"'


def _between(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(["", "\n", "\n\n", "\n# something\n", "# [plugins]\n\n"]))


@st.composite
def config_toml(draw: st.DrawFn) -> str:
    """A config.toml of containerd."""
    version = draw(st.sampled_from([0, 1, 2, 2, 3]))
    cri = {0: "cri", 1: "cri", 2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.images"}
    top = {"root": "/srv", "oom_score": draw(st.integers(-5, 5))}
    if version:
        top = dict(draw(st.permutations([*top.items(), ("version", version)])))
    tables: list[tuple[tuple[str, ...], dict[str, Any]]] = [(("grpc",), {"uid": 0})]
    some = st.dictionaries(st.sampled_from(["x", "y-z", "tls"]), _SCALARS, max_size=2)
    paths = draw(st.sets(st.sampled_from(["", "cni", "containerd", "registry", "registry.auths"])))
    for path in sorted(paths):
        settings = draw(some)
        if path == "registry" and draw(st.booleans()):
            settings["config_path"] = draw(st.sampled_from(_FOLDERS))
        tables.append((("plugins", cri[version], *filter(None, path.split("."))), settings))
    tables.append((("plugins", "io.containerd.gc.v1.scheduler"), draw(some)))
    text = _between(draw) + _settings(top, draw)
    deeper = draw(st.booleans())
    if draw(st.booleans()):
        tables.append((("plugins",), {}))
    for path_, values in draw(st.permutations(tables)):
        indent = "  " * (len(path_) - 1) if deeper else ""
        name = ".".join([path_[0], *(_key(each, draw) for each in path_[1:])])
        text += f"{_between(draw)}{indent}[{name}]{draw(_COMMENT)}\n"
        text += _settings(values, draw, f"{indent}  " if deeper else "")
    return text


@st.composite
def hosts_toml(draw: st.DrawFn) -> str:
    """A hosts.toml of containerd."""
    text = _between(draw)
    if draw(st.booleans()):
        text += _settings({"server": draw(st.sampled_from(URLS))}, draw)
    for url in draw(_URLS):
        text += f"{_between(draw)}[host.{_key(url, draw)}]{draw(_COMMENT)}\n"
        text += _settings({"capabilities": ["pull"], "skip_verify": draw(st.booleans())}, draw, " ")
        if draw(st.booleans()):
            text += f"[host.{_key(url, draw)}.header]\n{_settings({'x-1': ['a', 'b']}, draw)}"
    return text


@st.composite
def registries_conf(draw: st.DrawFn) -> str:
    """A registries.conf of containers/image, version 2."""
    text = _between(draw)
    if draw(st.booleans()):
        names = draw(st.lists(st.sampled_from(HOSTS[:4]), max_size=3, unique=True))
        text += _settings({"unqualified-search-registries": names}, draw)
    for host in draw(st.lists(st.sampled_from(HOSTS[:4]), max_size=3, unique=True)):
        values: dict[str, Any] = {"location": host}
        if draw(st.booleans()):
            values = dict(draw(st.permutations([("prefix", host), ("location", host)])))
        if draw(st.booleans()):
            values["insecure"] = draw(st.booleans())
        text += f"{_between(draw)}[[registry]]{draw(_COMMENT)}\n{_settings(values, draw)}"
        mirrors = draw(st.lists(st.sampled_from(["m1.corp", "m2.corp/x"]), unique=True))
        if draw(st.booleans()):
            items = [f"{{location = {_toml(each, draw)}}}" for each in mirrors]
            between = draw(st.sampled_from([", ", ",\n  # another\n  "]))
            text += f"mirror = [{between.join(items)}]{draw(_COMMENT)}\n"
            continue
        for mirror in mirrors:
            indent = draw(st.sampled_from(["", "  "]))
            text += f"{_between(draw)}{indent}[[registry.mirror]]\n"
            text += _settings({"location": mirror}, draw, indent)
    if draw(st.booleans()):
        text += f"\n[aliases]\n{_settings({'alpine': 'docker.io/library/alpine'}, draw)}"
    return text


@st.composite
def registries_yaml(draw: st.DrawFn) -> str:
    """A registries.yaml of k3s."""
    step = draw(st.sampled_from([2, 4]))
    dash = draw(st.sampled_from([0, step]))
    quote = draw(st.sampled_from(["", '"', "'"]))
    lines = ["---"] * draw(st.booleans()) + ["# ours"] * draw(st.booleans()) + ["mirrors:"]
    mirrors = draw(st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3, unique=True))
    for host in mirrors:
        lines.append(f'{" " * step}"{host}":{draw(_COMMENT)}')
        kind = draw(st.sampled_from(["nothing", "flow", "block", "anchor", "alias"]))
        if kind == "alias" and any("&it" in line for line in lines):
            lines[-1] = f'{" " * step}"{host}": *it'
            continue
        if kind == "anchor" and not any("&it" in line for line in lines):
            lines[-1] = f'{" " * step}"{host}": &it{draw(_COMMENT)}'
            kind = "block"
        urls = [f"{quote}{url}{quote}" for url in draw(_URLS)]
        if kind == "flow":
            lines.append(f"{' ' * 2 * step}endpoint: [{', '.join(urls)}]{draw(_COMMENT)}")
        elif kind == "block" and urls:
            lines.append(f"{' ' * 2 * step}endpoint:")
            lines += [f"{' ' * (2 * step + dash)}- {url}{draw(_COMMENT)}" for url in urls]
            if draw(st.booleans()):
                lines += [f"{' ' * 2 * step}rewrite:", f"{' ' * 3 * step}'^(.*)': \"hub/$1\""]
    if draw(st.booleans()):
        lines += ["", "# who we are", "configs:", f'{" " * step}"registry.corp:5000":']
        lines += [f"{' ' * 2 * step}auth: {{username: robot, password: 'p: #x'}}  # secret"]
    return "\n".join(lines) + "\n" * draw(st.booleans())
