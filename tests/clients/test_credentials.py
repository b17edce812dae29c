"""Who may write where others can connect: everybody reads, a login is needed to push.

lreg listens on an address that is not loopback, in a network namespace; clients run in there.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import bcrypt
import pytest

from tests.support import clients
from tests.support.clients import trust
from tests.support.daemons import Docker
from tests.support.images import hello, write_docker_archive, write_layout
from tests.support.registries import start_lreg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.clients import Client
    from tests.support.daemons import Containerd
    from tests.support.registries import Namespace, Running

pytestmark = pytest.mark.client("namespaces")

USER, PASSWORD = "ann", "correct horse"


@pytest.fixture(scope="module", params=["http", "tls"])
def guarded(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    namespace: Namespace,
) -> Iterator[Running]:
    """A lreg with one user in an htpasswd file."""
    folder = tmp_path_factory.mktemp(f"guarded-{request.param}")
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    users = folder / "htpasswd"
    users.write_text(f"# who may push\n{USER}:{hashed}\n")
    tls = request.param == "tls"
    running = start_lreg(folder, "--htpasswd", str(users), tls=tls, network=namespace)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def dockerd(
    tmp_path_factory: pytest.TempPathFactory, guarded: Running, namespace: Namespace
) -> Iterator[Docker]:
    """A dockerd in the namespace that trusts the registry."""
    folder = tmp_path_factory.mktemp("docker-inside") / "d"
    options = () if guarded.ca else (f"--insecure-registry={guarded.host}",)
    daemon = Docker(folder, *options, inside=namespace.prefix)
    daemon.trust(guarded)
    try:
        yield daemon
    finally:
        daemon.close()


@pytest.fixture
def skopeo(tmp_path: Path, namespace: Namespace) -> Client:
    """A skopeo in the namespace."""
    return clients.skopeo(tmp_path / "skopeo", namespace.prefix)


@pytest.fixture
def podman(namespace: Namespace) -> Iterator[Client]:
    """A podman in the namespace."""
    with tempfile.TemporaryDirectory(prefix="lreg-") as home:
        yield clients.podman(Path(home), namespace.prefix)


@pytest.fixture
def curl(tmp_path: Path, guarded: Running, namespace: Namespace) -> Client:
    """A curl in the namespace."""
    return clients.curl(guarded, tmp_path / "curl", namespace.prefix)


@pytest.fixture
def layout(tmp_path: Path, repository: str) -> str:
    """An image as skopeo names it."""
    return f"oci:{write_layout(tmp_path / 'layout', {'v1': hello(repository)})}:v1"


@pytest.mark.client("skopeo")
def test_skopeo(guarded: Running, skopeo: Client, layout: str, repository: str) -> None:
    """Skopeo pushes and deletes after `skopeo login` and not before; it reads without."""
    name = f"docker://{guarded.host}/{repository}:v1"
    push = ("copy", *trust(guarded, "dest-"), layout, name)
    refused = skopeo.attempt(*push)
    assert refused.code == 1
    assert "unauthorized" in refused.err.lower()

    login = ("login", *trust(guarded), f"--username={USER}", "--password-stdin", guarded.host)
    assert "Login Succeeded" in skopeo(*login, stdin=PASSWORD.encode()).out
    skopeo(*push)

    skopeo("logout", guarded.host)
    skopeo("inspect", *trust(guarded), name)
    refused = skopeo.attempt("delete", *trust(guarded), name)
    assert refused.code == 1
    assert "unauthorized" in refused.err.lower()

    skopeo("delete", *trust(guarded), f"--creds={USER}:{PASSWORD}", name)
    assert skopeo.attempt("inspect", *trust(guarded), name).code == 1


@pytest.mark.client("skopeo")
def test_wrong_password(guarded: Running, skopeo: Client, layout: str, repository: str) -> None:
    """A wrong password is refused at login already, and on a push."""
    login = ("login", *trust(guarded), f"--username={USER}", "--password=wrong", guarded.host)
    assert "invalid username/password" in skopeo.attempt(*login).err
    name = f"docker://{guarded.host}/{repository}:v1"
    wrong = f"--dest-creds={USER}:wrong"
    refused = skopeo.attempt("copy", *trust(guarded, "dest-"), wrong, layout, name)
    assert refused.code == 1
    assert "invalid username/password" in refused.err


@pytest.mark.client("docker")
def test_docker(guarded: Running, dockerd: Docker, tmp_path: Path, repository: str) -> None:
    """Docker pushes after `docker login` and not before; it pulls without."""
    docker = dockerd.cli
    name = f"{guarded.host}/{repository}:v1"
    archive = write_docker_archive(tmp_path / "image.tar", hello(repository), name)
    docker("load", "--input", str(archive))
    refused = docker.attempt("push", name)
    assert refused.code == 1
    assert re.search("unauthorized|authentication required|denied", refused.err)

    login = ("login", f"--username={USER}", "--password-stdin", guarded.host)
    wrong = docker.attempt(*login, stdin=b"wrong")
    assert wrong.code == 1
    assert "unauthorized" in wrong.err
    assert "Login Succeeded" in docker(*login, stdin=PASSWORD.encode()).out
    docker("push", name)

    docker("logout", guarded.host)
    docker("image", "rm", name)
    docker("pull", name)
    assert dockerd.image_id(name) == hello(repository).blobs[0].digest


@pytest.mark.client("podman")
def test_podman(
    guarded: Running,
    podman: Client,
    tmp_path: Path,
    repository: str,
) -> None:
    """Podman pushes after `podman login` and not before; it pulls without."""
    name = f"{guarded.host}/{repository}:v1"
    archive = write_docker_archive(tmp_path / "image.tar", hello(repository), name)
    podman("load", "--input", str(archive))
    refused = podman.attempt("push", *trust(guarded), name)
    assert refused.code == 125
    assert "unauthorized" in refused.err.lower()

    login = ("login", *trust(guarded), f"--username={USER}", "--password-stdin", guarded.host)
    podman(*login, stdin=PASSWORD.encode())
    podman("push", *trust(guarded), name)

    podman("logout", guarded.host)
    podman("image", "rm", name)
    podman("pull", *trust(guarded), name)


@pytest.mark.client("containerd")
def test_ctr(
    guarded: Running, the_containerd: Containerd, namespace: Namespace, repository: str
) -> None:
    """Ctr pushes with `--user` and not without; it pulls without."""
    the_containerd.trust(guarded)
    ctr = the_containerd.ctr_inside(namespace.prefix)
    name = f"{guarded.host}/{repository}:v1"
    the_containerd.hold(hello(repository), name)
    reach = ("--hosts-dir", str(the_containerd.hosts))
    refused = ctr.attempt("images", "push", *reach, name)
    assert refused.code == 1
    assert re.search("401|authoriz", refused.err)

    ctr("images", "push", *reach, "--user", f"{USER}:{PASSWORD}", name)
    ctr("images", "remove", "--sync", name)
    ctr("images", "pull", *reach, name)


@pytest.mark.client("curl")
def test_curl(guarded: Running, curl: Client, repository: str) -> None:
    """Curl pushes with `--user`; without, it is told why not and what to do."""
    start = ("-X", "POST", "--write-out", "\n%{http_code}")
    url = f"{guarded.url}/v2/{repository}/blobs/uploads/"
    said = curl(*start, url).out
    assert said.endswith("\n401")
    assert '"UNAUTHORIZED"' in said
    assert "log in" in said
    assert curl(*start, "--user", f"{USER}:wrong", url).out.endswith("\n401")
    assert curl(*start, "--user", f"{USER}:{PASSWORD}", url).out.endswith("\n202")
    assert curl("--fail", f"{guarded.url}/v2/_catalog").out.startswith('{"repositories"')


@pytest.mark.client("skopeo")
def test_generated_token(
    tmp_path: Path, namespace: Namespace, skopeo: Client, layout: str, repository: str
) -> None:
    """Without an htpasswd file lreg makes a token, shows it once, and takes it as a password.

    It is still good after a restart, and not shown again.
    """
    running = start_lreg(tmp_path, tls=True, network=namespace)
    shown = re.search(r"docker login -u (\S+) -p (\S+)", running.process.log)
    assert shown
    user, token = shown.groups()
    running.stop()

    running = start_lreg(tmp_path, tls=True, network=namespace)
    try:
        assert token not in running.process.log
        name = f"docker://{running.host}/{repository}:v1"
        push = ("copy", *trust(running, "dest-"), layout, name)
        assert "unauthorized" in skopeo.attempt(*push).err.lower()
        skopeo(*push, f"--dest-creds={user}:{token}")
        skopeo("inspect", *trust(running), name)
    finally:
        running.stop()


@pytest.mark.client("skopeo")
def test_anonymous_push(
    tmp_path: Path, namespace: Namespace, skopeo: Client, layout: str, repository: str
) -> None:
    """With --allow-anonymous-push anybody may write."""
    running = start_lreg(tmp_path, "--allow-anonymous-push", network=namespace)
    try:
        name = f"docker://{running.host}/{repository}:v1"
        skopeo("copy", *trust(running, "dest-"), layout, name)
        skopeo("delete", *trust(running), name)
    finally:
        running.stop()
