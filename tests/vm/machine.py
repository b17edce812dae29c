"""A VM as xcluster has them: one network, a CD with overlays, and a serial console."""

from __future__ import annotations

import io
import re
import shutil
import struct
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.needs import KERNEL
from tests.support.processes import Program, clean_environment, run
from tests.vm.kernel import modules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

HERE = Path(__file__).parent
# The host's side of the network, and the prefix that tests/vm/base/etc/profile gives to the VM.
_NETWORK = (
    "user,id=eth0,net=192.168.0.0/24,host=192.168.0.250,dns=192.168.0.251"
    ",ipv6-prefix=fd00::,ipv6-prefixlen=64,ipv6-host=fd00::192.168.0.250"
)
_LIBRARY = re.compile(r"(/\S+) \(0x")
_DNS = 53


def initial_filesystem(folder: Path) -> Path:
    """Return an initramfs of busybox, the kernel's modules and `base`, made in `folder`."""
    root = shutil.copytree(HERE / "base", folder / "root")
    for each in ("bin", "dev", "mnt", "modules", "proc", "root", "run", "sys", "tmp", "var"):
        (root / each).mkdir()
    busybox = shutil.which("busybox")
    assert busybox
    shutil.copy(busybox, root / "bin")
    for number, module in enumerate(modules()):
        shutil.copy(module, root / f"modules/{number:02}-{module.name}")
    names = "\n".join(str(each.relative_to(root)) for each in sorted(root.rglob("*")))
    made = folder / "initramfs"
    pack = f"busybox cpio -o -H newc -F {made}"
    run("sh", "-c", pack, env=clean_environment(folder), stdin=names.encode(), cwd=root)
    return made


def with_programs(folder: Path, programs: Iterable[Path], **texts: str) -> bytes:
    """Return an overlay of the files of `folder`, programs in /bin with their libraries, and texts.

    Args:
        folder: a tree of files.
        programs: for this machine.
        texts: files of /etc by name, and what they hold.
    """
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", dereference=True) as tar:
        tar.add(folder, "")
        for program in programs:
            tar.add(program, f"bin/{program.name}")
        for library in {each for program in programs for each in _libraries(program)}:
            tar.add(library)
        for name, text in texts.items():
            entry = tarfile.TarInfo(f"etc/{name}")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return made.getvalue()


def _libraries(program: Path) -> list[str]:
    said = run("sh", "-c", f"ldd {program} || true", env=clean_environment(program.parent))
    return _LIBRARY.findall(said.out)


class Machine:
    """A VM that runs until it powers itself off."""

    def __init__(
        self, folder: Path, initramfs: Path, overlays: Mapping[str, bytes], inside: Sequence[str]
    ) -> None:
        """Start it.

        Args:
            folder: for its CD and logs.
            initramfs: of `initial_filesystem`.
            overlays: tars by name, unpacked on its / in the order of their names.
            inside: what to put before the command, such as `nsenter …`: whatever it connects to is
                reached from there.
        """
        (folder / "cd").mkdir(parents=True)
        for name, overlay in overlays.items():
            (folder / f"cd/{name}.tar").write_bytes(overlay)
        env = clean_environment(folder)
        disc = folder / "cd.iso"
        argv = ["genisoimage", "-quiet", "-volid", "xcluster", "-o", str(disc), "-r", "-J"]
        run(*argv, str(folder / "cd"), env=env)
        self._dump = folder / "network.pcap"
        argv = ["qemu-system-x86_64", "-accel", "tcg", "-smp", "2", "-m", "1024", "-nodefaults"]
        argv += ["-display", "none", "-serial", "stdio", "-no-reboot"]
        argv += ["-kernel", str(KERNEL), "-initrd", str(initramfs)]
        argv += ["-append", "console=ttyS0 quiet panic=-1"]
        argv += ["-drive", f"file={disc},if=virtio,format=raw,media=cdrom,readonly=on"]
        argv += ["-netdev", _NETWORK, "-device", "virtio-net-pci,netdev=eth0,romfile="]
        argv += ["-object", f"filter-dump,id=dump,netdev=eth0,file={self._dump}"]
        self._qemu = Program([*inside, *argv], folder / "console.log", env)

    def report(self) -> str:
        """Return all that its console said, once it is off."""
        # Minutes, in case this machine has much else to do.
        self._qemu.wait(600)
        return self._qemu.log

    def close(self) -> None:
        """Take it away, whatever it does."""
        self._qemu.kill()

    def name_lookups(self) -> list[bytes]:
        """Return the packets to name servers that left it."""
        return [each for each in _packets(self._dump.read_bytes()) if _destination(each) == _DNS]


def _packets(dump: bytes) -> Iterator[bytes]:
    """Yield the Ethernet frames of a pcap file."""
    at = 24
    while at < len(dump):
        size = struct.unpack_from("<8xI", dump, at)[0]
        yield dump[at + 16 : at + 16 + size]
        at += 16 + size


def _destination(frame: bytes) -> int:
    """Return the TCP or UDP port that a frame is for; 0 for other frames."""
    match struct.unpack_from(">12xH", frame)[0]:
        case 0x0800:
            protocol, at = frame[23], 14 + 4 * (frame[14] & 15)
        case 0x86DD:
            protocol, at = frame[20], 54
        case _:
            return 0
    return int(struct.unpack_from(">2xH", frame, at)[0]) if protocol in (6, 17) else 0
