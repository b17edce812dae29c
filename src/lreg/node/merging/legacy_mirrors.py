"""containerd's older `registry.mirrors`: beside them `config_path` would disable the CRI plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lreg.errors import LregError
from lreg.node.merging.documents import meaning
from lreg.node.plan import Merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lreg.node.plan import NodeFile

_KNOWN = {"capabilities", "override_path", "ca"}


def of_hosts(
    files: Iterable[NodeFile], registry: Mapping[str, Any], folder: str, where: str
) -> dict[str, Any]:
    """Return the `registry` table that asks whom our files of hosts name, before its own.

    Args:
        files: ours; those in `folder` count.
        registry: the table that is there.
        folder: of the hosts, absolute.
        where: the file of the table, for errors.

    Raises:
        LregError: what is wanted can't be said in this form; says what to do.
    """
    there = registry.get("mirrors", {})
    mirrors, configs = dict[str, Any](), dict[str, Any]()
    for file in files:
        if not file.path.startswith(f"{folder[1:]}/"):
            continue
        name, _, rest = file.path.removeprefix(f"{folder[1:]}/").partition("/")
        if rest != "hosts.toml":
            raise _refusal(where, f"{rest} has no effect")
        hosts = _hosts(file, name, where)
        name = "*" if name == "_default" else name
        # A mirror of a host hides that of all hosts.
        others = there.get(name) or there.get("*") or {}
        endpoints = [*hosts, *(each for each in others.get("endpoint", []) if each not in hosts)]
        mirrors[name] = {"endpoint": endpoints}
        for url, ca in hosts.items():
            if ca:
                configs[urlsplit(url).netloc] = {"tls": {"ca_file": ca}}
    return {"mirrors": mirrors} | ({"configs": configs} if configs else {})


def _hosts(file: NodeFile, name: str, where: str) -> dict[str, str | None]:
    """Return the URLs that a hosts.toml of ours names, with the CA of each, if it has one."""
    values = meaning(file.text, Merge.TOML, file.path)
    if not values.get("host"):
        server = values["server"]
        if urlsplit(server).hostname != urlsplit(f"//{name}").hostname:
            raise _refusal(where, "it always falls back to the internet")
        return {server: values.get("ca")}
    found: dict[str, str | None] = {}
    for url, host in values["host"].items():
        if set(host) - _KNOWN or not isinstance(host.get("ca", ""), str):
            raise _refusal(where, f"{', '.join(sorted(set(host)))} of {url} can't be said in it")
        found[url] = host.get("ca")
    return found


def _refusal(where: str, why: str) -> LregError:
    return LregError(
        f"{where} has `registry.mirrors` or a `tls` in `registry.configs`, beside which containerd "
        f"takes no config_path, and {why}: move these into files of hosts "
        "(certs.d/HOST/hosts.toml), then apply again"
    )
