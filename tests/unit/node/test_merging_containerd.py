"""containerd's files: settings go where containerd heeds them, whatever its owner has there."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from lreg.errors import LregError
from lreg.node.plan import Mechanism, NodePlan, RegistryAddress
from lreg.node.runtimes import files_for
from tests.unit.node.nodes import apply, make, survey, undo

if TYPE_CHECKING:
    from pathlib import Path

    from lreg.node.preparing import Prepared

CONFIG = "etc/containerd/config.toml"
CERTS = "/etc/containerd/certs.d"
CRI_1 = "io.containerd.grpc.v1.cri"
CRI_2 = "io.containerd.cri.v1.images"
TRANSFER = "io.containerd.transfer.v1.local"


def tell(
    root: Path,
    files: dict[str, str],
    version: str = "1.6.20",
    *,
    fallback: bool = True,
    mechanism: Mechanism = Mechanism.MIRROR,
) -> Prepared:
    """Apply to a node with these files, check that undo gives them back, and apply again."""
    node = make(root, files)
    before = survey(node)
    plan = NodePlan(
        registry=RegistryAddress("10.0.0.1", 443 if mechanism.spoofs else 5000, tls=True),
        upstreams=("docker.io",),
        version=version,
        fallback=fallback,
        mechanism=mechanism,
        ca="CA\n",
    )
    files_ = files_for("containerd", plan)
    apply(node, *files_, name="containerd", told=plan)
    undo(node)
    assert survey(node) == before
    return apply(node, *files_, name="containerd", told=plan)


def read(root: Path, path: str = CONFIG) -> dict[str, Any]:
    """What a file of TOML says."""
    return tomllib.loads((root / path).read_text())


def plugins(root: Path, path: str = CONFIG) -> dict[str, Any]:
    """The tables of plugins of a config.toml."""
    found: dict[str, Any] = read(root, path)["plugins"]
    return found


@pytest.mark.parametrize(
    ("own", "version", "key"),
    [
        ("version = 2\n", "1.7.2", CRI_1),
        ("version = 2\n", "2.1.0", CRI_1),
        ('root = "/srv"\n', "1.6.20", "cri"),
        ("version = 1\n", "1.6.20", "cri"),
        ("version = 3\n", "2.1.0", CRI_2),
        ("version = 4\n", "2.3.4", CRI_2),
        ("version = 3\n", "", CRI_2),
    ],
)
def test_the_keys_of_the_file(tmp_path: Path, own: str, version: str, key: str) -> None:
    """The version of the owner's file stays, and the settings get the keys of that version."""
    tell(tmp_path, {CONFIG: own}, version)
    assert (tmp_path / CONFIG).read_text().startswith(own)
    found = plugins(tmp_path)
    assert found[key] == {"registry": {"config_path": CERTS}}
    assert set(found) <= {key, TRANSFER}
    if key == CRI_2 or version.startswith("2"):
        assert found[TRANSFER] == {"config_path": CERTS}


def test_an_empty_file(tmp_path: Path) -> None:
    """A file with nothing in it, or comments only, gets all that is needed."""
    tell(tmp_path, {CONFIG: "# nothing yet\n"})
    assert (tmp_path / CONFIG).read_text().startswith("# nothing yet\n")
    assert read(tmp_path)["version"] == 2
    assert plugins(tmp_path)[CRI_1]["registry"]["config_path"] == CERTS


def test_hosts_lie_elsewhere(tmp_path: Path) -> None:
    """Where hosts are looked for in another folder, that stays, and ours go there."""
    text = f'version = 2\n[plugins."{CRI_1}".registry]\nconfig_path = "/srv/hosts"\n'
    tell(tmp_path, {CONFIG: text})
    assert (tmp_path / CONFIG).read_text() == text
    assert "10.0.0.1" in (tmp_path / "srv/hosts/docker.io/hosts.toml").read_text()
    assert not (tmp_path / CERTS[1:]).exists()


def test_a_list_of_folders_1(tmp_path: Path) -> None:
    """A list of folders stays with containerd 1.x: the first that knows a host is asked."""
    setting = "/srv/hosts:/etc/docker/certs.d"
    text = f'version = 2\n[plugins."{CRI_1}".registry]\nconfig_path = "{setting}"\n'
    tell(tmp_path, {CONFIG: text})
    assert plugins(tmp_path)[CRI_1]["registry"]["config_path"] == setting
    assert (tmp_path / "srv/hosts/docker.io/hosts.toml").exists()


def test_a_list_of_folders_2(tmp_path: Path) -> None:
    """Containerd 2.x, which can't read a list of folders, is given the first of them."""
    text = "".join(
        f"[plugins.'{plugin}']\nconfig_path = '{CERTS}:/etc/docker/certs.d'\n"
        for plugin in (f"{CRI_2}'.'registry", TRANSFER)
    )
    tell(tmp_path, {CONFIG: f"version = 3\n{text}"}, "2.3.4")
    assert plugins(tmp_path)[CRI_2]["registry"]["config_path"] == CERTS
    assert plugins(tmp_path)[TRANSFER]["config_path"] == CERTS


def test_an_import_of_1_has_the_last_word(tmp_path: Path) -> None:
    """Containerd 1.x takes the CRI table of the last import whole, so that ours goes into it."""
    main = 'version = 2\nimports = ["/etc/containerd/conf.d/*.toml", "/srv/other.toml"]\n'
    drop_in = f'version = 2\n[plugins."{CRI_1}"]\nsandbox_image = "corp/pause" # ours\n'
    other = f'version = 2\n[plugins."{TRANSFER}"]\nx = 1\n'
    tell(
        tmp_path,
        {CONFIG: main, "etc/containerd/conf.d/10.toml": drop_in, "srv/other.toml": other},
    )
    assert (tmp_path / CONFIG).read_text() == main
    assert (tmp_path / "srv/other.toml").read_text() == other
    found = plugins(tmp_path, "etc/containerd/conf.d/10.toml")[CRI_1]
    assert found == {"sandbox_image": "corp/pause", "registry": {"config_path": CERTS}}


def test_an_import_of_2_has_the_last_word(tmp_path: Path) -> None:
    """Containerd 2.x brings imports together by key: the last with a config_path counts."""
    main = 'version = 3\nimports = ["conf.d/*.toml"]\n'
    nvidia = f"version = 3\n[plugins.'{CRI_2}']\nsnapshotter = 'overlayfs'\n"
    own = f"version = 3\n[plugins.'{CRI_2}'.registry]\nconfig_path = '/srv/hosts'\n"
    folder = "etc/containerd/conf.d"
    tell(tmp_path, {CONFIG: main, f"{folder}/90.toml": nvidia, f"{folder}/50.toml": own}, "2.3.4")
    assert (tmp_path / CONFIG).read_text() == main
    assert (tmp_path / folder / "90.toml").read_text() == nvidia
    assert plugins(tmp_path, f"{folder}/50.toml")[TRANSFER] == {"config_path": "/srv/hosts"}
    assert (tmp_path / "srv/hosts/docker.io/hosts.toml").exists()


def test_an_import_of_an_import(tmp_path: Path) -> None:
    """Imports may import in turn, and in a circle; a name without a pattern is from beside it."""
    files = {
        CONFIG: 'version = 2\nimports = ["a/one.toml"]\n',
        "etc/containerd/a/one.toml": 'version = 2\nimports = ["two.toml", "../config.toml"]\n',
        "etc/containerd/a/two.toml": f'version = 2\n[plugins."{CRI_1}"]\nx = 1\n',
    }
    tell(tmp_path, files)
    found = plugins(tmp_path, "etc/containerd/a/two.toml")[CRI_1]
    assert found == {"x": 1, "registry": {"config_path": CERTS}}


def test_a_drop_in_that_is_not_imported(tmp_path: Path) -> None:
    """What config.toml does not import containerd does not read: it has no say."""
    drop_in = f"version = 3\n[plugins.'{CRI_2}'.registry]\nconfig_path = '/srv/hosts'\n"
    tell(tmp_path, {CONFIG: "version = 3\n", "etc/containerd/conf.d/10.toml": drop_in}, "2.3.4")
    assert (tmp_path / "etc/containerd/conf.d/10.toml").read_text() == drop_in
    assert plugins(tmp_path)[CRI_2]["registry"]["config_path"] == CERTS


MIRRORS = (
    f'version = 2\n[plugins."{CRI_1}".registry.mirrors."docker.io"]\n'
    'endpoint = ["https://corp"] # ours\n'
)


def test_mirrors_get_one_more(tmp_path: Path) -> None:
    """Where `registry.mirrors` are in use, lreg is one more, the first; no config_path is set."""
    tell(tmp_path, {CONFIG: MIRRORS})
    registry = plugins(tmp_path)[CRI_1]["registry"]
    assert registry["mirrors"]["docker.io"] == {
        "endpoint": ["https://10.0.0.1:5000", "https://corp"]
    }
    assert registry["configs"]["10.0.0.1:5000"]["tls"]["ca_file"] == "/etc/containerd/lreg-ca.crt"
    assert "config_path" not in registry
    assert not (tmp_path / CERTS[1:]).exists()


CONFIGS = (
    f'version = 2\n[plugins."{CRI_1}".registry.configs."corp:5000".tls]\n'
    "insecure_skip_verify = true # ours\n"
)


def test_tls_in_configs(tmp_path: Path) -> None:
    """Where an old containerd has a `tls` in `configs` it gets mirrors: a folder would break it."""
    tell(tmp_path, {CONFIG: CONFIGS})
    registry = plugins(tmp_path)[CRI_1]["registry"]
    assert registry["mirrors"]["docker.io"]["endpoint"] == ["https://10.0.0.1:5000"]
    assert registry["configs"]["corp:5000"] == {"tls": {"insecure_skip_verify": True}}
    assert "config_path" not in registry


def test_tls_in_configs_of_containerd_2(tmp_path: Path) -> None:
    """Containerd 2.x takes a folder beside such a `tls`."""
    tell(tmp_path, {CONFIG: CONFIGS}, "2.3.4")
    assert plugins(tmp_path)[CRI_1]["registry"]["config_path"] == CERTS


def test_mirrors_of_all_hosts(tmp_path: Path) -> None:
    """The mirrors of all hosts, which ours of one host hides, are asked after it."""
    tell(tmp_path, {CONFIG: MIRRORS.replace("docker.io", "*")})
    mirrors = plugins(tmp_path)[CRI_1]["registry"]["mirrors"]
    assert mirrors["docker.io"]["endpoint"] == ["https://10.0.0.1:5000", "https://corp"]
    assert mirrors["*"]["endpoint"] == ["https://corp"]


def test_mirrors_by_spoofing(tmp_path: Path) -> None:
    """A spoofed name is its own mirror, with lreg's CA."""
    tell(tmp_path, {CONFIG: MIRRORS}, mechanism=Mechanism.SPOOF_TLS)
    registry = plugins(tmp_path)[CRI_1]["registry"]
    assert registry["mirrors"]["docker.io"]["endpoint"][0] == "https://docker.io"
    assert registry["configs"]["docker.io"]["tls"]["ca_file"] == "/etc/containerd/lreg-ca.crt"


def test_mirrors_without_fallback(tmp_path: Path) -> None:
    """Mirrors always fall back, so that --no-fallback is refused with what to do."""
    with pytest.raises(LregError, match=r"registry\.mirrors.*always falls back.*certs\.d/HOST"):
        tell(tmp_path, {CONFIG: MIRRORS}, fallback=False)
    assert (tmp_path / CONFIG).read_text() == MIRRORS


def test_cri_is_off(tmp_path: Path) -> None:
    """Where the CRI plugin is disabled, that stays, and a note says what it means."""
    done = tell(tmp_path, {CONFIG: 'disabled_plugins = ["cri"]\n'})
    assert any("disables the CRI plugin" in note for note in done.notes)
    assert read(tmp_path)["disabled_plugins"] == ["cri"]


HUB = f"{CERTS[1:]}/docker.io/hosts.toml"


def test_lreg_is_the_first_host(tmp_path: Path) -> None:
    """Lreg's host stands before its owner's, whose server, comments and order stay."""
    own = (
        '# the second floor\nserver = "https://hub.corp"\n\n'
        '[host."https://one.corp"] # first\n  ca = "one.crt"\n[host."https://two.corp"]\n'
    )
    tell(tmp_path, {HUB: own})
    found = read(tmp_path, HUB)
    assert list(found["host"]) == ["https://10.0.0.1:5000", "https://one.corp", "https://two.corp"]
    assert found["server"] == "https://hub.corp"
    assert found["host"]["https://one.corp"] == {"ca": "one.crt"}
    assert all(line in (tmp_path / HUB).read_text() for line in own.splitlines())


def test_no_fallback_beside_hosts(tmp_path: Path) -> None:
    """Without fallback lreg is the first and the last host; a note names what is between."""
    done = tell(tmp_path, {HUB: '[host."https://one.corp"]\n'}, fallback=False)
    found = read(tmp_path, HUB)
    assert list(found["host"]) == ["https://10.0.0.1:5000", "https://one.corp"]
    assert found["server"] == "https://10.0.0.1:5000"
    assert any("https://one.corp" in note for note in done.notes)


def test_a_host_that_is_lreg_already(tmp_path: Path) -> None:
    """Where lreg is among the hosts it gets what it lacks, in its place."""
    tell(tmp_path, {HUB: '[host."https://10.0.0.1:5000"]\ncapabilities = ["pull"]\n'})
    host = read(tmp_path, HUB)["host"]["https://10.0.0.1:5000"]
    assert set(host["capabilities"]) == {"pull", "resolve"}
    assert host["ca"] == "/etc/containerd/lreg-ca.crt"


def test_a_file_for_all_hosts_is_hidden(tmp_path: Path) -> None:
    """A note says for which hosts the owner's file for all hosts is not read any more."""
    done = tell(tmp_path, {f"{CERTS[1:]}/_default/hosts.toml": '[host."https://all.corp"]\n'})
    assert any("_default/hosts.toml is not read for docker.io any more" in n for n in done.notes)
