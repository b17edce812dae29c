"""What lreg grew out of, section by section: its commands as printed, on the address they print.

Its Docker container of `registry:2` is lreg here; what it does by Docker's daemon itself goes on
doing so.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.stage import Stage
from tests.fakes.upstream import Upstream
from tests.support import clients
from tests.support.cluster import Daemon, Namespaces
from tests.support.images import hello, write_docker_archive
from tests.support.mirrors import write_config
from tests.support.processes import Said, attempt, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.daemons import Docker

ROOT = Path(__file__).parents[2]
# The container's address, as the seed prints it.
ADDRESS, ADDRESS6 = "172.17.0.2", "fd00:2008::2"
ALPINE, COREDNS = "library/alpine", "coredns"

pytestmark = pytest.mark.client("namespaces", "docker", "skopeo", "curl")


@dataclass(frozen=True)
class Seed:
    """A shell where the seed's registry is, and what is behind it.

    Attributes:
        folder: where the shell is.
        inside: what to put before a command that runs there.
        hub: docker.io.
        google: k8s.gcr.io.
        docker: a Docker daemon, on its usual socket there.
        env: the shell's environment.
    """

    folder: Path
    inside: tuple[str, ...]
    hub: Upstream
    google: Upstream
    docker: Docker
    env: dict[str, str]

    def attempt(self, script: str, **more: str) -> Said:
        """Run lines of a shell, whatever comes."""
        argv = (*self.inside, "bash", "-e", "-o", "pipefail", "-c", script)
        return attempt(*argv, env=self.env | more, cwd=self.folder)

    def __call__(self, script: str, **more: str) -> str:
        """Run lines of a shell to success; return what stands on stdout."""
        said = self.attempt(script, **more)
        assert said.code == 0, f"{script}\n{said.out}{said.err}"
        return said.out


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory, dockerd: Docker) -> Iterator[Seed]:
    """The shell; lreg listens on the container's address, on ports 80 and 5000."""
    folder = tmp_path_factory.mktemp("seed")
    socket = shlex.quote(dockerd.host.removeprefix("unix://"))
    script = (
        f"ip link set lo up; ip address add {ADDRESS}/16 dev lo\n"
        f"ip address add {ADDRESS6}/64 dev lo nodad\n"
        f"mount -t tmpfs tmpfs /run; ln -s {socket} /run/docker.sock"
    )
    spaces = Namespaces(folder / "spaces", script)
    own = f"/proc/{spaces.pid}/ns"
    kinds = (f"--net={own}/net", f"--mount={own}/mnt", f"--pid={own}/pid_for_children")
    inside = ("nsenter", *kinds, f"--wd={folder}", "--")
    here = Path(sys.executable).parent
    env = clean_environment(folder, LREG_STORE=str(folder / "store"))
    env["PATH"] = f"{here}:{os.environ['PATH']}"
    with Stage(spaces.network) as stage:
        hub, google = stage.enter(Upstream("127.0.0.5")), stage.enter(Upstream("127.0.0.6"))
        config = write_config(folder, {"docker.io": hub.url, "k8s.gcr.io": google.url})
        argv = [*inside, sys.executable, "-m", "lreg", "serve", f"--config={config}"]
        argv += ["--no-offline", "--allow-anonymous-push"]
        places = [f"http://{ADDRESS}:80", f"http://{ADDRESS}:5000", f"http://[{ADDRESS6}]:5000"]
        argv += [f"--listen={place}" for place in places]
        registry = Daemon(argv, folder / "lreg.log", env)
        registry.wait_until(lambda: registry.log.count("listening on") == len(places))
        try:
            yield Seed(folder, inside, hub, google, dockerd, env)
        finally:
            code = registry.stop()
            spaces.close()
    assert code == 0, registry.log[-4000:]


def docker_holds(seed: Seed, name: str) -> None:
    """Have the Docker daemon hold an image under a name."""
    archive = write_docker_archive(seed.folder / "load.tar", hello(name), name)
    seed.docker.cli("load", "--input", str(archive))


def image_folder(folder: Path, name: str, version: str) -> Path:
    """Write a folder that an image is made of, as the overlays have it: `tar`, manifest.json."""
    folder.mkdir(parents=True)
    script = folder / "tar"
    script.write_text(
        '#! /bin/sh\ntmp=$(mktemp -d)\nmkdir -p $tmp/bin\necho hello > $tmp/bin/hello\n'
        'tar -C $tmp -cf "$1" bin\nrm -rf $tmp\n'
    )  # fmt: skip
    script.chmod(0o755)
    manifest = {
        "name": name,
        "labels": [{"name": "os", "value": "linux"}, {"name": "version", "value": version}],
        "app": {"exec": ["/bin/hello", "-server"]},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_start_a_local_registry(seed: Seed) -> None:
    """The section "Start a local docker registry": start it, get its address, stop it."""
    out = seed(
        """\
        # Not on the ports of the one that the other sections use.
        lreg start --allow-anonymous-push --listen http://172.17.0.2:5080
        # Get the address to the registry;
        lreg address
        curl -sf http://172.17.0.2:5080/v2/
        # Stop (if you want);
        lreg stop
        """,
        LREG_STORE=str(seed.folder / "another"),
    )
    assert "172.17.0.2:5080" in out.splitlines()


def test_secure_registry(seed: Seed) -> None:
    """The section "Secure registry": its certificate and the CA to trust are made by themselves."""
    seed(
        """\
        lreg start --allow-anonymous-push --tls auto --listen 172.17.0.2:5443
        lreg ca > docker.crt
        curl -sf --cacert docker.crt https://172.17.0.2:5443/v2/
        lreg stop
        """,
        LREG_STORE=str(seed.folder / "secure"),
    )


def test_ipv6(seed: Seed) -> None:
    """The section "Ipv6": the assigned address is told, and answers."""
    assert seed("lreg address -6") == "[fd00:2008::2]:5000\n"
    seed("curl -sf -g http://[fd00:2008::2]:5000/v2/")


def test_support_in_the_images_script(seed: Seed) -> None:
    """The section "Support in the images script": an ovl's image is built, pushed and listed.

    Docker is not needed. The tag is the last line.
    """
    image_folder(seed.folder / "ovl/image", "nordixorg/ctraffic", "v0.2")
    out = seed(
        """\
        cd ovl
        # In your ovl with an ./image;
        images mkimage --force --upload ./image
        """,
        DOCKER_HOST="unix:///nowhere",
    )
    assert out.splitlines()[-1] == "nordixorg/ctraffic:v0.2"
    files = seed("images docker_ls nordixorg/ctraffic:v0.2").split()
    assert files == ["bin/", "bin/hello"]
    facts = json.loads(seed("skopeo inspect --tls-verify=false --config "
                            "docker://172.17.0.2:5000/nordixorg/ctraffic:v0.2"))  # fmt: skip
    assert facts["config"]["Cmd"] == ["/bin/hello", "-server"]


def test_mkimage_for_docker(seed: Seed) -> None:
    """Without --upload the image is Docker's, and `lreg_upload` brings it from there."""
    image_folder(seed.folder / "docker/image", "nordixorg/local", "v1")
    out = seed("images mkimage --tag=nordixorg/local:v2 docker/image")
    assert out == "nordixorg/local:v2\n"
    seed.docker.image_id("nordixorg/local:v2")
    assert seed.attempt("images lreg_isloaded nordixorg/local:v2").code == 1
    assert seed("images docker_ls nordixorg/local:v2").split() == ["bin/", "bin/hello"]
    assert seed("images docker_export nordixorg/local:v2 | tar -xO bin/hello") == "hello\n"
    (header, *files) = seed("images docker_ls_layers nordixorg/local:v2").splitlines()
    assert files == ["bin/", "bin/hello"]
    layer = header.split()[-1]
    assert seed("lreg cat --from docker nordixorg/local:v2 /bin/hello") == "hello\n"
    assert seed("lreg diff --from docker nordixorg/local:v2 nordixorg/local:v2") == ""
    saved = seed(f"images docker_save_layers nordixorg/local:v2 {layer} | tar t")
    assert saved.split() == files
    seed("images lreg_upload nordixorg/local:v2")
    seed("images lreg_isloaded nordixorg/local:v2")


def test_strip_host(seed: Seed) -> None:
    """A name is kept as it is given; --strip-host drops its host, and nothing that is none."""
    image_folder(seed.folder / "host/image", "x/x", "v1")
    tag = "registry.nordix.org/cloud-native/app:v1"
    assert seed(f"images mkimage --upload --tag={tag} host/image").splitlines()[-1] == tag
    out = seed(f"images mkimage --upload --strip-host --tag={tag} host/image")
    assert out.splitlines()[-1] == tag
    listed = seed("images lreg_ls").splitlines()
    assert {"registry.nordix.org/cloud-native/app:", "cloud-native/app:"} <= set(listed)


def test_the_help_printout(seed: Seed) -> None:
    """The commands of the "help printout" are there, and a bare `images` prints them."""
    out = seed("images")
    for usage in (
        "lreg_ls",
        "lreg_cache <external-image>",
        "lreg_upload [--strip-host|--include-host] <docker_image>",
        "lreg_inspect <image:tag>",
        "lreg_rm <image:tag>",
    ):
        assert f"\n  {usage}\n" in out


def test_cache_list_inspect_remove(seed: Seed) -> None:
    """`lreg_cache`, `lreg_ls`, `lreg_inspect`, `lreg_rm`: an image comes, is seen, and goes."""
    digest = seed.hub.hold(ALPINE, hello("alpine"), "3.8")
    seed("images lreg_cache docker.io/library/alpine:3.8")
    lines = seed("images lreg_ls").splitlines()
    at = lines.index("docker.io/library/alpine:")
    assert lines[at + 1] == '  ["3.8"]'
    assert json.loads(seed("images lreg_inspect library/alpine:3.8"))["Digest"] == digest
    seed("images lreg_isloaded library/alpine:3.8")
    seed("images lreg_rm docker.io/library/alpine:3.8")
    assert seed.attempt("images lreg_isloaded library/alpine:3.8").code == 1


def test_inspect_says_what_skopeo_says(seed: Seed) -> None:
    """`lreg_inspect` prints what skopeo does: of a rich image, of an index, of one of Docker's."""
    (seed.folder / "inspected").mkdir()
    (seed.folder / "inspected/Dockerfile").write_text(
        'FROM scratch\nCOPY Dockerfile /\nCOPY Dockerfile /b/\nENV A=1 B="x y"\n'
        'LABEL z=last a=é\nCMD ["/x"]\n'
    )
    docker_holds(seed, "inspected/docker:1")
    seed(
        """\
        lreg build --quiet --push --tag inspected/one:1 --tag inspected/one:2 inspected
        lreg build --quiet --push --tag inspected/index:1 --platform linux/amd64,linux/arm64 \
          inspected
        images lreg_upload inspected/docker:1
        """
    )
    for name in ("inspected/one:1", "inspected/index:1", "inspected/docker:1"):
        ours = json.loads(seed(f"images lreg_inspect {name}"))
        theirs = json.loads(seed(f"skopeo inspect --tls-verify=false docker://{ADDRESS}/{name}"))
        assert {key: ours[key] for key in theirs} == theirs
        assert [key for key in ours if key in theirs] == list(theirs)
        # skopeo before 1.10 does not print these.
        assert [layer["Digest"] for layer in ours["LayersData"]] == ours["Layers"]
        assert all(layer["Size"] and "tar" in layer["MIMEType"] for layer in ours["LayersData"])


def test_upload(seed: Seed) -> None:
    """`lreg_upload` takes an image out of Docker, which calls library/alpine alpine."""
    docker_holds(seed, "alpine:3.8")
    seed(
        """\
        images lreg_upload library/alpine:3.8
        images lreg_upload --strip-host docker.io/library/alpine:3.8
        """
    )
    tags = json.loads(seed("curl -s -X GET http://172.17.0.2:5000/v2/library/alpine/tags/list"))
    assert tags == {"name": "library/alpine", "tags": ["3.8"]}
    seed("images lreg_rm library/alpine:3.8")


def test_manage_manually(seed: Seed) -> None:
    """The section "Manage your private registry manually": skopeo copies, and inspects."""
    docker_holds(seed, "alpine:3.8")
    out = seed(
        """\
        skopeo --insecure-policy copy --dest-tls-verify=false docker-daemon:library/alpine:3.8 \
          docker://172.17.0.2:5000/library/alpine:3.8 >&2
        skopeo inspect --tls-verify=false docker://172.17.0.2:5000/library/alpine:3.8
        """
    )
    facts = json.loads(out)
    assert facts["Name"] == "172.17.0.2:5000/library/alpine"
    assert "3.8" in facts["RepoTags"]


def test_list_contents(seed: Seed) -> None:
    """The section "List contents": the catalog and an image's tags, by curl, where lreg is."""
    image_folder(seed.folder / "list/image", "library/listed", "3.8")
    seed("images mkimage --upload list/image")
    seed("regip=$(images lreg_ip)\ntest $regip = 172.17.0.2")
    catalog = seed("curl -X GET http://172.17.0.2:5000/v2/_catalog")
    assert "library/listed" in json.loads(catalog)["repositories"]
    # Tags for an image;
    tags = seed("curl -X GET http://172.17.0.2:5000/v2/library/listed/tags/list")
    assert json.loads(tags)["tags"] == ["3.8"]


SPOOF = """\
export __dns_spoof=$PWD/my-spoofs
cat > $__dns_spoof <<EOF
docker.io
registry-1.docker.io
k8s.gcr.io
EOF
"""


@pytest.mark.client("podman")
def test_dns_spoofing(seed: Seed, short_home: Path) -> None:
    """The section "DNS spoofing": with the overlay's hosts, whole names are pulled from here alone.

    They come from the internet once, and go on coming when it is gone.
    """
    seed.hub.hold(ALPINE, hello("spoofed"), "3.9")
    seed.google.hold(COREDNS, hello("coredns"), "1.2")
    overlay = shlex.quote(str(ROOT / "ovl/private-reg"))
    hosts = seed(f"{SPOOF}cd {overlay}\n./tar - | tar -O -x etc/hosts")
    names = {line.split()[1]: line.split()[0] for line in hosts.splitlines() if line[:1].isdigit()}
    for name in ("docker.io", "registry-1.docker.io", "k8s.gcr.io"):
        assert names[name] == ADDRESS
    seed(
        f"""\
        {SPOOF}
        mkdir node && {overlay}/tar - | tar -C node -x
        cp node/etc/hosts node/hosts
        """
    )
    node = seed.folder / "node"
    podman = clients.podman(short_home, inside=(*seed.inside, *_with_hosts(node / "hosts")))
    podman = podman.with_environment(
        CONTAINERS_REGISTRIES_CONF=str(node / "etc/private-reg/registries.conf")
    )
    podman("pull", "docker.io/library/alpine:3.9")
    podman("pull", "k8s.gcr.io/coredns:1.2")
    podman("rmi", "--all", "--force")
    asked = len(seed.hub.requests("GET", "/blobs/"))
    podman("pull", "docker.io/library/alpine:3.9")
    assert len(seed.hub.requests("GET", "/blobs/")) == asked


def _with_hosts(file: Path) -> tuple[str, ...]:
    """What to put before a command for which /etc/hosts is a file."""
    script = f'mount --bind {shlex.quote(str(file))} /etc/hosts && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", script, "sh")


def test_cri_o_configuration(seed: Seed) -> None:
    """The section "Cri-o configuration": for a CRI-O of that time lreg writes the same two lists.

    An unqualified name is looked for here first, and then on docker.io.
    """
    out = seed("lreg node emit crio --for-version 1.20")
    assert "insecure_registries = [" in out
    assert "172.17.0.2" in out
    registries = out.partition("registries = [")[2]
    assert registries.index(ADDRESS) < registries.index("docker.io")
