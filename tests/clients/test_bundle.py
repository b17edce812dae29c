"""Bundles: images in one file, from one registry to another that it can't reach."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import zstandard

from tests.server.commands.conftest import Lreg, lreg_of
from tests.support.images import hello, image, layout_digests, multi_arch, noise, read_layout
from tests.support.registries import start_lreg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.clients import Client
    from tests.support.daemons import Containerd

LAYER = {"layer": noise(300_000, "shared layer")}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lreg, Lreg]]:
    """The command beside a registry here, and beside one at the site."""
    folder = tmp_path_factory.mktemp("places")
    running = []
    for name in ("here", "site"):
        (folder / name).mkdir()
        running.append(start_lreg(folder / name))
    try:
        here, site = (lreg_of(one, folder) for one in running)
        yield here, site
    finally:
        for one in running:
            one.stop()


@pytest.fixture
def here(places: tuple[Lreg, Lreg]) -> Lreg:
    """The command beside the registry that has the images."""
    return places[0]


@pytest.fixture
def site(places: tuple[Lreg, Lreg]) -> Lreg:
    """The command beside the registry that is to have them."""
    return places[1]


def hold(lreg: Lreg, name: str, made: object, tag: str = "1") -> None:
    """Make a registry hold an image."""
    with lreg.registry.wire() as wire:
        wire.push(name, made, tag)  # type: ignore[arg-type]


def digest_at(lreg: Lreg, name: str, tag: str = "1") -> str:
    """Return what a registry gives of an image, all of it verified."""
    with lreg.registry.wire() as wire:
        return wire.pull(name, tag)


def test_there_and_back(here: Lreg, site: Lreg, tmp_path: Path, repository: str) -> None:
    """What a bundle brings has the names and the digests that it had; loading again is no harm."""
    own, upstream = hello(repository), multi_arch(repository)
    hold(here, repository, own)
    hold(here, f"docker.io/{repository}", upstream)
    bundle = str(tmp_path / "bundle")
    names = (f"{repository}:1", f"docker.io/{repository}:1")
    here.run("bundle", "create", "-o", bundle, "--all-platforms", *names)
    for _ in range(2):
        loaded = site.lines("bundle", "load", bundle)
        assert [line.rpartition("@")[2] for line in loaded] == [
            own.manifest.digest,
            upstream.manifest.digest,
        ]
    assert digest_at(site, repository) == own.manifest.digest
    assert digest_at(site, f"docker.io/{repository}") == upstream.manifest.digest


def test_over_a_pipe(here: Lreg, site: Lreg, repository: str) -> None:
    """A bundle goes from one end of a pipe to the other, as through ssh."""
    made = image(LAYER, {"more": noise(3 << 20, repository)})
    hold(here, repository, made)
    argv = [sys.executable, "-m", "lreg", "bundle"]
    with subprocess.Popen(
        [*argv, "create", "-o", "-", f"{repository}:1"], env=here.env, stdout=subprocess.PIPE
    ) as create:
        subprocess.run(
            [*argv, "load", "-"], env=site.env, stdin=create.stdout, check=True, timeout=100
        )
    assert create.returncode == 0
    assert digest_at(site, repository) == made.manifest.digest


def test_since(here: Lreg, site: Lreg, tmp_path: Path, repository: str) -> None:
    """A bundle since an earlier one holds only what is new, and says where it does not fit."""
    old = image(LAYER, {"v": b"1" * 1000})
    new = image(LAYER, {"v": b"2" * 1000})
    hold(here, repository, old)
    hold(here, f"{repository}/other", new, "2")
    first, second = tmp_path / "first", tmp_path / "second"
    here.run("bundle", "create", "-o", str(first), f"{repository}:1")
    here.run("bundle", "create", "-o", str(second), "--since", str(first), f"{repository}/other:2")
    assert second.stat().st_size < 5_000 < first.stat().st_size
    assert "load the bundle that it was made since" in site.fail(
        2, "bundle", "load", "-q", str(second)
    )
    site.run("bundle", "load", str(first))
    site.run("bundle", "load", str(second))
    assert digest_at(site, f"{repository}/other", "2") == new.manifest.digest


def test_taken_up_again(here: Lreg, site: Lreg, tmp_path: Path, repository: str) -> None:
    """A load that broke off goes on where it was: what had come is not sent again."""
    made = image(*({str(n): noise(1 << 20, f"{repository} {n}")} for n in range(4)))
    hold(here, repository, made)
    bundle = tmp_path / "bundle"
    here.run("bundle", "create", "-o", str(bundle), f"{repository}:1")
    half = tmp_path / "half"
    half.write_bytes(bundle.read_bytes()[: bundle.stat().st_size // 2])
    site.fail(2, "bundle", "load", "-q", str(half))
    said = site.attempt("bundle", "load", str(bundle))
    assert said.code == 0
    assert "already there" in said.err
    assert digest_at(site, repository) == made.manifest.digest


def test_of_manifests_and_locks(here: Lreg, site: Lreg, tmp_path: Path, repository: str) -> None:
    """A bundle holds what manifests need, and what a lock file names, by its digest too."""
    made, locked = hello(repository), hello(f"{repository} locked")
    hold(here, f"quay.io/{repository}", made)
    hold(here, f"quay.io/{repository}/locked", locked)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}
    pod["spec"] = {"containers": [{"name": "x", "image": f"quay.io/{repository}:1"}]}
    (tmp_path / "pod.yaml").write_text(json.dumps(pod))
    (tmp_path / "lock.toml").write_text(
        f'[[image]]\nname = "quay.io/{repository}/locked"\ndigest = "{locked.manifest.digest}"\n'
    )
    bundle = str(tmp_path / "bundle")
    lock = str(tmp_path / "lock.toml")
    here.run("bundle", "create", "-o", bundle, "--lock", lock, str(tmp_path / "pod.yaml"))
    site.run("bundle", "load", bundle)
    assert digest_at(site, f"quay.io/{repository}") == made.manifest.digest
    with site.registry.wire() as wire:
        wire.manifest(f"quay.io/{repository}/locked", locked.manifest.digest).expect(200)


def unpacked(bundle: Path) -> Path:
    """Return a bundle as `zstd -d` unpacks it."""
    plain = bundle.with_suffix(".tar")
    packed = bundle.read_bytes()
    plain.write_bytes(zstandard.ZstdDecompressor().decompressobj().decompress(packed))
    return plain


@pytest.mark.client("containerd")
def test_containerd_takes_it(
    here: Lreg, containerd: Containerd, tmp_path: Path, repository: str
) -> None:
    """What is in a bundle is a plain OCI layout: `zstd -d | ctr images import -` takes it."""
    hold(here, f"quay.io/{repository}", hello(repository))
    here.run("bundle", "create", "-o", str(tmp_path / "bundle"), f"quay.io/{repository}:1")
    containerd.ctr("images", "import", str(unpacked(tmp_path / "bundle")))
    assert f"quay.io/{repository}:1" in containerd.ctr("images", "list", "--quiet").out.split()


@pytest.mark.client("skopeo")
def test_skopeo_takes_it(here: Lreg, skopeo: Client, tmp_path: Path, repository: str) -> None:
    """So does skopeo."""
    made = hello(repository)
    hold(here, repository, made)
    here.run("bundle", "create", "-o", str(tmp_path / "bundle"), f"{repository}:1")
    plain = unpacked(tmp_path / "bundle")
    skopeo("copy", f"oci-archive:{plain}:{repository}:1", f"oci:{tmp_path}/out:1")
    assert read_layout(tmp_path / "out").keys() == layout_digests(made)


@pytest.mark.client("containerd")
@pytest.mark.client("skopeo")
def test_others_take_a_part_of_an_index(
    here: Lreg, containerd: Containerd, skopeo: Client, tmp_path: Path, repository: str
) -> None:
    """An index of which a bundle has this machine's image alone is no harm to them."""
    made = multi_arch(repository)
    hold(here, f"quay.io/{repository}", made)
    name = f"quay.io/{repository}:1"
    bundle = tmp_path / "bundle"
    here.run("bundle", "create", "-o", str(bundle), f"{name}@{made.manifest.digest}")
    plain = unpacked(bundle)
    containerd.ctr("images", "import", str(plain))
    assert name in containerd.ctr("images", "list", "--quiet").out.split()
    skopeo("copy", f"oci-archive:{plain}:{name}", f"oci:{tmp_path}/out:1")


def test_what_is_broken_or_none(here: Lreg, site: Lreg, tmp_path: Path, repository: str) -> None:
    """A bundle with other bytes than it says, and a file that is none, leave nothing behind."""
    made = image({"a": b"a" * 200_000})
    hold(here, repository, made)
    here.run("bundle", "create", "-o", str(tmp_path / "bundle"), f"{repository}:1")
    data = bytearray(unpacked(tmp_path / "bundle").read_bytes())
    data[data.rindex(made.blobs[1].data) + 50] ^= 1
    (tmp_path / "broken").write_bytes(data)
    assert site.attempt("bundle", "load", str(tmp_path / "broken")).code == 3
    with site.registry.wire() as wire:
        assert wire.manifest(repository, "1").status == 404
    (tmp_path / "none").write_bytes(b"none\n" * 1000)
    assert "no tar" in site.fail(2, "bundle", "load", str(tmp_path / "none"))
    here.run("save", "-o", str(tmp_path / "archive"), f"{repository}:1")
    site.run("bundle", "load", str(tmp_path / "archive"))
