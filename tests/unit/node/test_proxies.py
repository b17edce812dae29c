"""Proxies of a runtime: what would be asked there of the internet, and not of lreg."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lreg.errors import LregError
from lreg.node.plan import Mechanism
from lreg.node.proxies import proxied
from lreg.node.runtimes import files_for
from tests.unit.node.nodes import apply, make
from tests.unit.node.plans import plan

if TYPE_CHECKING:
    from pathlib import Path

PROXY = "http://user:secret@proxy.corp:3128"
HTTP = {"HTTP_PROXY": PROXY}
HTTPS = {"https_proxy": PROXY}
UNIT = "lib/systemd/system"


@pytest.mark.parametrize(
    "left_out",
    [
        "10.0.0.1",
        "corp, 10.0.0.0/8",
        "*",
        "10.0.0.1:5000",
    ],
)
def test_an_address_that_is_left_out(left_out: str) -> None:
    """An address is asked directly where NO_PROXY has it, its network, or everything."""
    assert proxied(plan(), HTTP | {"NO_PROXY": left_out}) == ("HTTP_PROXY", ())


@pytest.mark.parametrize("left_out", ["", "10.0.0.2", "10.0.1.0/24", "10.0.0.1:80", "corp"])
def test_an_address_that_is_not(left_out: str) -> None:
    """Anything else in NO_PROXY means another one."""
    assert proxied(plan(), HTTP | {"no_proxy": left_out}) == ("HTTP_PROXY", ("10.0.0.1",))


@pytest.mark.parametrize(
    ("left_out", "hosts"),
    [
        ("lreg.corp", ()),
        ("corp", ()),
        (".corp", ()),
        ("*.corp", ()),
        ("LREG.corp", ()),
        (".lreg.corp", ("lreg.corp",)),
        ("g.corp", ("lreg.corp",)),
        ("10.0.0.1", ("lreg.corp",)),
    ],
)
def test_a_name(left_out: str, hosts: tuple[str, ...]) -> None:
    """A name is left out by itself, or by a domain that it is in."""
    named = plan(name="lreg.corp")
    assert proxied(named, HTTP | {"NO_PROXY": left_out}) == ("HTTP_PROXY", hosts)


def test_the_scheme_counts() -> None:
    """Plain HTTP goes by one variable, TLS by the other; without that nothing is proxied."""
    assert proxied(plan(), HTTPS)[1] == ()
    assert proxied(plan(registry="https://10.0.0.1:5000"), HTTP)[1] == ()
    assert proxied(plan(registry="https://10.0.0.1:5000"), HTTPS) == ("HTTPS_PROXY", ("10.0.0.1",))
    assert proxied(plan(registry="127.0.0.1:5000"), HTTP)[1] == ()
    assert proxied(plan(registry="localhost:5000"), HTTP)[1] == ()


def test_spoofed_names() -> None:
    """To a proxy a spoofed name means what it means on the internet: each is told."""
    spoof = plan(Mechanism.SPOOF_TLS, upstreams=("docker.io", "quay.io"))
    _, hosts = proxied(spoof, HTTPS | {"NO_PROXY": "quay.io,10.0.0.1"})
    assert hosts == ("docker.io", "registry-1.docker.io", "index.docker.io")


@pytest.mark.parametrize(
    ("name", "files", "by"),
    [
        (
            "docker",
            {f"{UNIT}/docker.service": "Environment=HTTP_PROXY=@\nExecStart=/d\n"},
            "service",
        ),
        ("docker", {"etc/docker/daemon.json": '{"proxies": {"http-proxy": "@"}}'}, "daemon.json"),
        (
            "containerd",
            {
                f"{UNIT}/containerd.service": "ExecStart=/bin/containerd\n",
                "etc/systemd/system/containerd.service.d/proxy.conf": "Environment=HTTP_PROXY=@\n",
            },
            "containerd.service",
        ),
        (
            "k3s",
            {
                f"{UNIT}/k3s.service": "EnvironmentFile=-/etc/k3s.env\nExecStart=/bin/k3s server\n",
                "etc/k3s.env": "CONTAINERD_HTTP_PROXY=@\n",
            },
            "k3s.service",
        ),
    ],
    ids=["Docker's unit", "Docker's settings", "containerd", "k3s"],
)
def test_a_runtime_behind_a_proxy(
    tmp_path: Path, name: str, files: dict[str, str], by: str
) -> None:
    """Apply says so and changes nothing; it tells no password; with NO_PROXY all is well."""
    files = {path: text.replace("@", PROXY) for path, text in files.items()}
    told = plan(upstreams=("docker.io",))
    with pytest.raises(LregError, match=r"asks a proxy for 10\.0\.0\.1: add that") as refused:
        apply(make(tmp_path / "a", files), *files_for(name, told), name=name, told=told)
    assert by in str(refused.value)
    assert "secret" not in str(refused.value)
    fine = {
        path: text.replace("Environment=", "Environment=NO_PROXY=10.0.0.1 ")
        .replace("CONTAINERD_H", "CONTAINERD_NO_PROXY=10.0.0.1\nCONTAINERD_H")
        .replace('"}}', '", "no-proxy": "10.0.0.0/8"}}')
        for path, text in files.items()
    }
    node = make(tmp_path / "b", fine)
    assert apply(node, *files_for(name, told), name=name, told=told).changes
