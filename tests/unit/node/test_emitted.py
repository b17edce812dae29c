"""What is emitted parses, and says what was meant, for any registry and any upstreams."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from pathlib import PurePosixPath
from string import ascii_lowercase, digits
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from ruamel.yaml import YAML

from lreg.errors import UsageError
from lreg.kinds import parse_upstream
from lreg.node.hosts import hosts_lines
from lreg.node.plan import Mechanism, NodePlan, RegistryAddress, is_spoofable, spoofed_names
from lreg.node.runtimes import RUNTIMES, files_for
from tests.unit.node import plans
from tests.unit.node.plans import CA

if TYPE_CHECKING:
    from lreg.node.plan import NodeFile

_WORDS = st.text(ascii_lowercase + digits, min_size=1, max_size=5)
_LABEL = st.lists(_WORDS, min_size=1, max_size=2).map("-".join)
_HOSTS = (
    st.lists(_LABEL, min_size=2, max_size=4).map(".".join).map(parse_upstream).filter(is_spoofable)
)
_PORTS = st.integers(1, 65535)
_ADDRESSES = st.ip_addresses().filter(lambda ip: not ip.is_unspecified).map(str)


@st.composite
def _plans(draw: st.DrawFn) -> NodePlan:
    how = draw(st.sampled_from(Mechanism))
    hosts = [st.just("docker.io"), _HOSTS]
    if how.asked:
        scheme, port = how.asked
        tls = scheme == "https"
    else:
        tls, port = draw(st.booleans()), draw(_PORTS)
        hosts.append(st.builds("{}:{}".format, _HOSTS, _PORTS))
    upstreams = draw(st.lists(st.one_of(hosts), min_size=1, max_size=4))
    return NodePlan(
        registry=RegistryAddress(draw(_ADDRESSES), port, tls),
        upstreams=tuple(dict.fromkeys(upstreams)),
        mechanism=how,
        fallback=draw(st.booleans()),
        ca=CA if tls or how is Mechanism.SPOOF_TLS else None,
        version=draw(st.sampled_from(["", "1.6.20", "1.36", "2.1", "29.7"])),
        name=draw(st.sampled_from(["", "lreg.internal"])),
    )


def _parsed(file: NodeFile) -> Any:
    """Return what a file says, by its own format; None for a format of nobody's."""
    name = PurePosixPath(file.path).name
    if name.endswith((".toml", ".conf")):
        return tomllib.loads(file.text)
    if name.endswith(".json"):
        return json.loads(file.text)
    if name.endswith(".yaml") or name == "user-data":
        return list(YAML(typ="safe", pure=True).load_all(file.text))
    return None


def _emitted(name: str, plan: NodePlan) -> dict[str, Any]:
    """Return the parsed files by path; none where it is refused."""
    try:
        files = files_for(name, plan)
    except UsageError as error:
        assert len(str(error)) > 40, "a refusal says why"
        return {}
    paths = [file.path for file in files]
    assert len(set(paths)) == len(paths)
    assert all(file.text.endswith("\n") for file in files)
    return {file.path: _parsed(file) or file.text for file in files}


@given(plan=_plans())
def test_everything_parses(plan: NodePlan) -> None:
    """No registry, upstream or option makes a file that its runtime could not read."""
    for name in RUNTIMES:
        note(name)
        _emitted(name, plan)


@given(plan=_plans())
def test_hosts_toml(plan: NodePlan) -> None:
    """Containerd asks lreg first, in the scheme that it speaks, and nobody else unless told."""
    files = _emitted("containerd", plan)
    for host in plan.upstreams if files else ():
        table = files[f"etc/containerd/certs.d/{host}/hosts.toml"]
        first = next(iter(table["host"]), table["server"])
        if plan.mechanism is Mechanism.MIRROR:
            assert first == plan.endpoint.url
            assert (table["server"] != first) == plan.fallback
        else:
            scheme = "http" if plan.mechanism is Mechanism.SPOOF_HTTP else "https"
            assert first == table["server"] == f"{scheme}://{host}"
        trust = table["host"].get(first, table)
        assert ("ca" in trust) == first.startswith("https:")
        for each in table["host"].values():
            assert each["capabilities"] == ["pull", "resolve"]


@given(plan=_plans())
def test_registries_conf(plan: NodePlan) -> None:
    """Podman's mirrors have no scheme and no IPv6 address, and short names never ask a person."""
    files = _emitted("podman", plan)
    if not files:
        return
    conf = files["etc/containers/registries.conf.d/50-lreg.conf"]
    assert conf["unqualified-search-registries"][-1] == "docker.io"
    assert conf["short-name-mode"] == "disabled"
    tables = {each.get("prefix", each["location"]): each for each in conf.get("registry", ())}
    assert len(tables) == len(conf.get("registry", ())), "no registry stands there twice"
    for each in tables.values():
        for place in (each, *each.get("mirror", ())):
            assert not re.search(r"://|\[", place["location"])
    if plan.mechanism is Mechanism.MIRROR:
        for host in plan.upstreams:
            (mirror,) = tables[host]["mirror"]
            name = host.partition(":")[0]
            assert mirror["location"] == f"{plan.endpoint.image_host}/{name}"
            assert mirror.get("insecure", False) != plan.endpoint.tls
            assert tables[host].get("blocked", False) != plan.fallback


@given(plan=_plans())
def test_daemon_json(plan: NodePlan) -> None:
    """Docker's mirror is for its Hub only, and only what is not encrypted is called insecure."""
    files = _emitted("docker", plan)
    settings = files.get("etc/docker/daemon.json", {})
    mirrors = {
        Mechanism.MIRROR: [plan.endpoint.url],
        Mechanism.SPOOF_HTTP: ["http://docker.io"],
    }.get(plan.mechanism)
    if files and "docker.io" in plan.upstreams:
        assert settings.get("registry-mirrors") == mirrors
    insecure = settings.get("insecure-registries", [])
    own = plan.endpoint
    assert set(insecure) <= {own.authority if own.is_ipv6 else own.image_host, *plan.upstreams}
    assert not any(each.startswith("[") and each.endswith("]") for each in insecure)
    if plan.mechanism is not Mechanism.SPOOF_HTTP:
        assert not set(insecure) & set(plan.upstreams)


@pytest.mark.parametrize(
    ("version", "named"), [("29.0.4", False), ("29.1.0", True), ("29", True), ("30.0", True)]
)
def test_docker_asks_for_referrers(version: str, *, named: bool) -> None:
    """Docker asks a mirror for signatures too from 29.1 on; 29.0 can't read that it is to."""
    files = _emitted("docker", plans.plan(version=version))
    (host,) = files["etc/docker/certs.d/docker.io/hosts.toml"]["host"].values()
    assert ("referrers" in host["capabilities"]) == named


def test_minikube_and_docker() -> None:
    """The Docker in minikube is not told of an address with which it would not start."""
    usual = plans.plan(registry="http://[fd00::1]", upstreams=("docker.io",), inner="docker")
    flags = _emitted("minikube", usual)["minikube.args"].splitlines()
    assert "--insecure-registry=[fd00::1]:80" in flags


@given(plan=_plans())
def test_registries_yaml(plan: NodePlan) -> None:
    """k3s has one endpoint an upstream, and the CA for each that it asks in TLS."""
    files = _emitted("k3s", plan)
    if not files:
        return
    (said,) = files["etc/rancher/k3s/registries.yaml"]
    asked = {url.partition("://") for each in said["mirrors"].values() for url in each["endpoint"]}
    assert set(plan.upstreams) < set(said["mirrors"])
    assert set(said.get("configs", ())) == {host for how, _, host in asked if how == "https"}


@pytest.mark.parametrize("name", ["containerd", "podman", "docker", "buildkit", "k3s"])
@given(plan=_plans())
def test_hosts(name: str, plan: NodePlan) -> None:
    """Every spoofed name means lreg's address on the node, and so does a name given to it."""
    files = _emitted(name, replace(plan, version=""))
    if files and (plan.mechanism.spoofs or plan.name):
        wanted = spoofed_names(plan.upstreams) if plan.mechanism.spoofs else ()
        wanted += (plan.name,) if plan.name else ()
        for line in hosts_lines(wanted, plan.registry.host).splitlines():
            assert line in files["etc/hosts"].splitlines()
