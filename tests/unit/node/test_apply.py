"""Applied to a node and taken back: what stays, what comes, what a second time does."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lreg.errors import LregError, UsageError
from lreg.node.hosts import hosts_block
from lreg.node.plan import Merge, NodeFile
from lreg.node.record import FOLDER, remembered
from tests.unit.node.nodes import DAEMON_JSON, HOSTS, apply, make, mirror_json, plan, survey, undo

if TYPE_CHECKING:
    from pathlib import Path

OWN = '{\n    "log-driver": "journald",\n    "registry-mirrors": ["https://mirror.corp"]\n}'
SPOOFS = NodeFile(HOSTS, hosts_block(["quay.io"], "10.0.0.1"), Merge.HOSTS)
CA = NodeFile("etc/docker/certs.d/quay.io/lreg.crt", "CA\n", mode=0o600)


def test_back_to_the_byte(tmp_path: Path) -> None:
    """After undo a node is what it was, to the byte, folders included; no record is left."""
    root = make(tmp_path, {DAEMON_JSON: OWN, HOSTS: "127.0.0.1 localhost"})
    before = survey(root)
    apply(root, mirror_json(), SPOOFS, CA)
    assert survey(root) != before
    undo(root)
    assert survey(root) == before
    assert not (tmp_path / FOLDER).exists()


def test_into_an_empty_root(tmp_path: Path) -> None:
    """On a root folder with nothing in it undo leaves nothing."""
    root = make(tmp_path / "node", {})
    (tmp_path / "node/var/lib/dpkg/status").unlink()
    for folder in ("var/lib/dpkg", "var/lib", "var"):
        (tmp_path / "node" / folder).rmdir()
    apply(root, mirror_json(), CA)
    assert (tmp_path / "node" / FOLDER).is_dir()
    undo(root)
    assert survey(root) == {}


def test_what_is_there_stays(tmp_path: Path) -> None:
    """The owner's settings stay, in their order and indentation, and lreg is asked first."""
    root = make(tmp_path, {DAEMON_JSON: OWN})
    apply(root, mirror_json())
    assert (tmp_path / DAEMON_JSON).read_text() == OWN.replace(
        '["https', '["http://10.0.0.1:5000", "https'
    )


def test_a_new_file_has_its_mode(tmp_path: Path) -> None:
    """A file that was not there has the permissions it is to have, whatever the umask."""
    root = make(tmp_path, {})
    old = os.umask(0o077)
    try:
        apply(root, mirror_json(), CA)
    finally:
        os.umask(old)
    assert (tmp_path / CA.path).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / DAEMON_JSON).stat().st_mode & 0o777 == 0o644
    assert (tmp_path / DAEMON_JSON).parent.stat().st_mode & 0o777 == 0o755


def test_mode_and_owner_stay(tmp_path: Path) -> None:
    """A file that is edited keeps its permissions and its owner."""
    root = make(tmp_path, {DAEMON_JSON: OWN})
    file = tmp_path / DAEMON_JSON
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 12, 34)
    before = file.stat()
    apply(root, mirror_json())
    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )


def test_twice(tmp_path: Path) -> None:
    """Applied a second time, nothing changes, and undo still goes back to the beginning."""
    root = make(tmp_path, {DAEMON_JSON: OWN})
    before = survey(root)
    apply(root, mirror_json(), SPOOFS, CA)
    once = survey(root)
    record = (tmp_path / FOLDER / "state.json").read_bytes()
    assert apply(root, mirror_json(), SPOOFS, CA).changes == ()
    assert survey(root) == once
    assert (tmp_path / FOLDER / "state.json").read_bytes() == record
    undo(root)
    assert survey(root) == before


def test_another_plan(tmp_path: Path) -> None:
    """Another plan stands in place of the first; undo goes back to before the first."""
    root = make(tmp_path, {DAEMON_JSON: OWN, HOSTS: "127.0.0.1 localhost\n"})
    before = survey(root)
    apply(root, mirror_json(), SPOOFS, CA)
    apply(root, mirror_json("http://10.9.9.9:80"))
    mirrors = json.loads((tmp_path / DAEMON_JSON).read_text())["registry-mirrors"]
    assert mirrors == ["http://10.9.9.9:80", "https://mirror.corp"]
    assert not (tmp_path / CA.path).parent.exists()
    assert (tmp_path / HOSTS).read_text() == "127.0.0.1 localhost\n"
    assert (tmp_path / FOLDER / "original" / DAEMON_JSON).read_text() == OWN
    undo(root)
    assert survey(root) == before


def test_two_runtimes(tmp_path: Path) -> None:
    """Each runtime's part is taken back alone, also of files that both have a part in."""
    root = make(tmp_path, {DAEMON_JSON: OWN, HOSTS: "127.0.0.1 localhost\n"})
    before = survey(root)
    apply(root, mirror_json(), SPOOFS, name="docker", told=plan("docker.io"))
    docker = survey(root)
    more = NodeFile(HOSTS, hosts_block(["ghcr.io"], "10.0.0.1"), Merge.HOSTS)
    apply(root, more, CA, name="podman", told=plan("ghcr.io"))
    hosts = (tmp_path / HOSTS).read_text()
    assert "10.0.0.1 quay.io\n10.0.0.1 ghcr.io\n" in hosts
    assert hosts.count("# lreg begin") == 1
    assert remembered(tmp_path) == {"docker": plan("docker.io"), "podman": plan("ghcr.io")}
    undo(root, "podman")
    assert survey(root) == docker
    assert list(remembered(tmp_path)) == ["docker"]
    undo(root, "docker")
    assert survey(root) == before


def test_at_once(tmp_path: Path) -> None:
    """Applies at the same time wait for each other: none loses what another did."""
    root = make(tmp_path, {DAEMON_JSON: OWN})
    before = survey(root)
    names = [f"runtime-{number}" for number in range(8)]

    def one(name: str) -> None:
        url = f"http://{name}:5000"
        apply(root, mirror_json(url), name=name)

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(one, names))
    assert set(remembered(tmp_path)) == set(names)
    mirrors = json.loads((tmp_path / DAEMON_JSON).read_text())["registry-mirrors"]
    assert set(mirrors) == {"https://mirror.corp", *(f"http://{name}:5000" for name in names)}
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: undo(root, name), names))
    assert survey(root) == before
    assert not (tmp_path / FOLDER).exists()


def test_undo_of_nothing(tmp_path: Path) -> None:
    """Where nothing was applied, undo changes nothing; for a runtime it says what was applied."""
    root = make(tmp_path, {DAEMON_JSON: OWN})
    before = survey(root)
    assert undo(root).changes == ()
    assert not (tmp_path / FOLDER).exists()
    apply(root, mirror_json(), name="docker")
    with pytest.raises(UsageError, match="nothing was applied for podman here: docker was"):
        undo(root, "podman")
    undo(root)
    assert survey(root) == before


def test_the_plan_is_remembered(tmp_path: Path) -> None:
    """What a node was told can be read back whole; of a node that was told nothing, nothing."""
    root = make(tmp_path, {})
    assert remembered(tmp_path) == {}
    told = plan("quay.io", "docker.io", ca="PEM\n")
    apply(root, mirror_json(), told=told)
    assert remembered(tmp_path) == {"docker": told}


def test_hosts_keeps_its_inode(tmp_path: Path) -> None:
    """/etc/hosts is written in place, there and back: containers have it mounted by its inode."""
    root = make(tmp_path, {HOSTS: "127.0.0.1 localhost\n"})
    inode = (tmp_path / HOSTS).stat().st_ino
    apply(root, SPOOFS)
    assert (tmp_path / HOSTS).stat().st_ino == inode
    assert "10.0.0.1 quay.io\n" in (tmp_path / HOSTS).read_text()
    undo(root)
    assert (tmp_path / HOSTS).stat().st_ino == inode
    assert (tmp_path / HOSTS).read_text() == "127.0.0.1 localhost\n"


def test_hosts_before_what_would_win(tmp_path: Path) -> None:
    """A line of the owner's with a spoofed name stays, and ours come before it."""
    own = "127.0.0.1 localhost\n1.2.3.4 quay.io other\n::1 ip6-localhost\n"
    root = make(tmp_path, {HOSTS: own})
    apply(root, SPOOFS)
    lines = (tmp_path / HOSTS).read_text().splitlines()
    assert lines.index("10.0.0.1 quay.io") < lines.index("1.2.3.4 quay.io other")
    undo(root)
    assert (tmp_path / HOSTS).read_text() == own


def test_hard_links_stay_one_file(tmp_path: Path) -> None:
    """A file with two names is written in place: both names have what is new."""
    root = make(tmp_path, {DAEMON_JSON: OWN})
    os.link(tmp_path / DAEMON_JSON, tmp_path / "other")
    apply(root, mirror_json())
    assert (tmp_path / "other").read_bytes() == (tmp_path / DAEMON_JSON).read_bytes()
    undo(root)
    assert (tmp_path / "other").read_text() == (tmp_path / DAEMON_JSON).read_text() == OWN


@pytest.mark.parametrize("target", ["/srv/docker.json", "../../srv/docker.json"])
def test_a_link_stays_a_link(tmp_path: Path, target: str) -> None:
    """A link is followed as the node does, within its root, and stays; its target is edited."""
    root = make(tmp_path, {"srv/docker.json": OWN, "etc/docker/key.json": "{}"})
    (tmp_path / DAEMON_JSON).symlink_to(target)
    before = survey(root)
    apply(root, mirror_json())
    assert (tmp_path / DAEMON_JSON).is_symlink()
    assert "10.0.0.1" in (tmp_path / "srv/docker.json").read_text()
    undo(root)
    assert survey(root) == before


def test_a_link_to_nothing(tmp_path: Path) -> None:
    """What a link leads to is made where it is missing, and goes again."""
    root = make(tmp_path, {"etc/docker/key.json": "{}"})
    (tmp_path / DAEMON_JSON).symlink_to("/srv/new/docker.json")
    before = survey(root)
    apply(root, mirror_json())
    assert (tmp_path / "srv/new/docker.json").is_file()
    undo(root)
    assert survey(root) == before


def test_links_in_a_circle(tmp_path: Path) -> None:
    """Links that lead nowhere are an error that names them."""
    root = make(tmp_path, {"etc/docker/key.json": "{}"})
    (tmp_path / DAEMON_JSON).symlink_to("daemon.json")
    with pytest.raises(LregError, match=r"daemon\.json: its links go round in a circle"):
        apply(root, mirror_json())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"log-driver": ', "is no valid JSON"),
        (b"[1]", "holds no settings by name"),
        (b'{"registry-mirrors": "x"}', "registry-mirrors is a value there"),
        (b"\xff\xfe{}", "is no UTF-8 text"),
    ],
)
def test_unreadable(tmp_path: Path, content: bytes, why: str) -> None:
    """A file that can't be read is an error that names it, and no other file is touched."""
    root = make(tmp_path, {DAEMON_JSON: content})
    before = survey(root)
    with pytest.raises(LregError, match=f"daemon.json.*{why}"):
        apply(root, CA, SPOOFS, mirror_json())
    assert survey(root) == before
    assert not (tmp_path / FOLDER).exists()


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    """Where a file has to go and a folder is, that is an error, and nothing changes."""
    root = make(tmp_path, {f"{DAEMON_JSON}/x": ""})
    before = survey(root)
    with pytest.raises(LregError, match=r"daemon\.json is no file"):
        apply(root, CA, mirror_json())
    assert survey(root) == before


def test_a_damaged_record(tmp_path: Path) -> None:
    """A record that can't be read is an error that says where the originals are."""
    root = make(tmp_path, {DAEMON_JSON: OWN})
    apply(root, mirror_json())
    (tmp_path / FOLDER / "state.json").write_text("{}")
    with pytest.raises(LregError, match=r"state\.json is damaged .*original"):
        undo(root)
    assert (tmp_path / FOLDER / "original" / DAEMON_JSON).read_text() == OWN
