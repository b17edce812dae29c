"""The servers that are measured: how each is set up, started, stopped, and where its files lie."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, ClassVar

from bench import machine
from bench.content import MANIFEST_TYPE, REPOSITORY, TAG, blob_path
from bench.programs import Program, environment, installed, module_version, pinned, said
from bench.wire import HOST, LoadFailed, Target, ask

if TYPE_CHECKING:
    from pathlib import Path

    from bench.content import Blob, Content

START_SECONDS = 30.0


class Server(Program):
    """A server with a folder of its own, stopped until ``start``.

    Args:
        folder: for its store, its configuration and its log.
        certificate: PEM files of a certificate and its key, and of the CA; plain HTTP without.
        store: another folder for what it serves, when that is shared.
        upstream: the URL of a registry that it is to cache.
    """

    takes_pushes: ClassVar[bool] = True
    distribution_layout: ClassVar[bool] = True
    caches: ClassVar[bool] = False

    def __init__(
        self,
        folder: Path,
        certificate: tuple[Path, Path, Path] | None = None,
        store: Path | None = None,
        upstream: str = "",
    ) -> None:
        self.upstream = upstream
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.store = store or folder / "store"
        self.store.mkdir(exist_ok=True)
        self.certificate = certificate
        with socket.create_server((HOST, 0)) as probe:
            port = probe.getsockname()[1]
        self.target = Target(port, certificate[2] if certificate else None)
        self._process: subprocess.Popen[bytes] | None = None

    def _command(self) -> list[str]:
        """Write what configuration it needs; return the command that runs it in the foreground."""
        raise NotImplementedError

    def data_file(self, blob: Blob) -> Path:
        """Return the file in its store that holds a blob's bytes."""
        hexadecimal = blob.digest.partition(":")[2]
        tree = self.store / "docker/registry/v2/blobs/sha256"
        return tree / hexadecimal[:2] / hexadecimal / "data"

    @property
    def pid(self) -> int:
        """The running server's process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> float:
        """Run it; return the seconds until its first answer.

        Raises:
            LoadFailed: It ended, or did not answer in time.
        """
        command = self._command()
        began = time.perf_counter()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment())
        while self._process.poll() is None and time.perf_counter() - began < START_SECONDS:
            try:
                with self.target.connect() as sock:
                    if ask(sock, "GET", "/v2/").status == 200:
                        return time.perf_counter() - began
            except (OSError, LoadFailed):
                time.sleep(0.001)
        tail = (self.folder / "log").read_text(errors="replace")[-1500:]
        raise LoadFailed(f"{self.name} did not start: {tail}")

    def stop(self) -> None:
        """End it, by force if it does not within ten seconds."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Freeze it and what it started, so that it takes no processor time from another."""
        for member in machine.family(self.pid):
            os.kill(member, signal.SIGSTOP)

    def resume(self) -> None:
        """Undo ``pause``."""
        for member in machine.family(self.pid):
            os.kill(member, signal.SIGCONT)


class Lreg(Server):
    """lreg, from this source tree."""

    name = "lreg"
    caches = True

    @classmethod
    def version(cls) -> str:
        """Return what it says itself."""
        return said([sys.executable, "-m", "lreg", "--version"]).split()[-1]

    def _command(self) -> list[str]:
        listen = f"{HOST}:{self.target.port}"
        settings = self.folder / "lreg.toml"
        settings.write_text(
            f'[upstream."docker.io"]\naddress = "{self.upstream}"\n' if self.upstream else ""
        )
        command = [sys.executable, "-m", "lreg", "serve", "--store", str(self.store)]
        command += ["--listen", listen, "--log-level", "warning", "--config", str(settings)]
        if self.certificate:
            command += ["--tls-cert", str(self.certificate[0])]
            command += ["--tls-key", str(self.certificate[1])]
        return command


class Distribution3(Server):
    """distribution 3, pinned in tests/tools."""

    name = "distribution 3"
    caches = True

    @classmethod
    def program(cls) -> str:
        """Return the path of the program."""
        return pinned("distribution")

    @classmethod
    def version(cls) -> str:
        """Return the version of its module."""
        return module_version(cls.program(), "github.com/distribution/distribution/v3")

    def _command(self) -> list[str]:
        tls = ""
        if self.certificate:
            tls = f"\n  tls: {{certificate: {self.certificate[0]}, key: {self.certificate[1]}}}"
        proxy = f"\nproxy: {{remoteurl: '{self.upstream}'}}" if self.upstream else ""
        # No traces, no access log: lines of text are not what is compared.
        (self.folder / "config.yml").write_text(
            f"""version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  cache: {{blobdescriptor: inmemory}}
  filesystem: {{rootdirectory: {self.store}}}
  delete: {{enabled: true}}
http:
  addr: {HOST}:{self.target.port}{tls}{proxy}
"""
        )
        return [self.program(), "serve", self._config]

    @property
    def _config(self) -> str:
        return str(self.folder / "config.yml")


class Distribution2(Distribution3):
    """Debian's docker-registry, distribution 2.8.2."""

    name = "distribution 2.8"

    @classmethod
    def program(cls) -> str:
        """Return the path of the program."""
        return installed("docker-registry", "apt-get install docker-registry")

    @classmethod
    def version(cls) -> str:
        """Return what it says itself."""
        return said([cls.program(), "--version"]).split()[-1]


class Zot(Server):
    """zot: the build at $BENCH_ZOT, or the one pinned in tests/tools.

    That is an old one, since the module proxy does not serve newer ones everywhere.
    """

    name = "zot"
    distribution_layout = False
    caches = True

    @classmethod
    def _program(cls) -> str:
        return os.environ.get("BENCH_ZOT") or pinned("zot")

    @classmethod
    def version(cls) -> str:
        """Return its version; $BENCH_ZOT_VERSION: a build that is no release does not know it."""
        if "BENCH_ZOT" in os.environ:
            return os.environ.get("BENCH_ZOT_VERSION", "at $BENCH_ZOT")
        return module_version(cls._program(), "github.com/project-zot/zot")

    def _command(self) -> list[str]:
        tls = ""
        if self.certificate:
            cert, key, _ = self.certificate
            tls = f', "tls": {{"cert": "{cert}", "key": "{key}"}}'
        sync = ""
        if self.upstream:
            sync = (
                ', "extensions": {"sync": {"enable": true, "registries": '
                f'[{{"urls": ["{self.upstream}"], "onDemand": true, "tlsVerify": false}}]}}}}'
            )
        # "commit" makes it fsync what is pushed, as the others do.
        (self.folder / "config.json").write_text(
            f"""{{"distSpecVersion": "1.1.1",
 "storage": {{"rootDirectory": "{self.store}", "commit": true}},
 "http": {{"address": "{HOST}", "port": "{self.target.port}"{tls}}},
 "log": {{"level": "error"}}{sync}}}
"""
        )
        return [self._program(), "serve", str(self.folder / "config.json")]

    def data_file(self, blob: Blob) -> Path:
        """Return the file: zot keeps an OCI image layout a repository."""
        return self.store / REPOSITORY / "blobs/sha256" / blob.digest.partition(":")[2]


class Nginx(Server):
    """nginx, which serves the same files by sendfile under a registry's paths; no pushes."""

    name = "nginx"
    takes_pushes = False
    distribution_layout = False

    @classmethod
    def _program(cls) -> str:
        return installed("nginx", "apt-get install nginx-light")

    @classmethod
    def version(cls) -> str:
        """Return what it says itself."""
        done = subprocess.run([cls._program(), "-v"], capture_output=True, text=True, check=True)
        return done.stderr.split("/")[-1].strip()

    def fill(self, content: Content) -> None:
        """Lay links to the content's files where a registry has them."""
        manifest = self.store / content.manifest_path.lstrip("/")
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_bytes(content.manifest)
        for blob in content.blobs:
            self.data_file(blob).parent.mkdir(parents=True, exist_ok=True)
            os.link(blob.path, self.data_file(blob))

    def data_file(self, blob: Blob) -> Path:
        """Return the file: where a registry's path leads."""
        return self.store / blob_path(blob).lstrip("/")

    def _command(self) -> list[str]:
        tls = ""
        if self.certificate:
            cert, key, _ = self.certificate
            tls = f"ssl_certificate {cert}; ssl_certificate_key {key};"
        user = "user root;" if os.geteuid() == 0 else ""
        bodies = self.folder / "bodies"
        (self.folder / "nginx.conf").write_text(
            f"""daemon off; {user} worker_processes auto;
pid {self.folder}/pid; error_log {self.folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
  client_body_temp_path {bodies}; proxy_temp_path {bodies};
  fastcgi_temp_path {bodies}; uwsgi_temp_path {bodies};
  scgi_temp_path {bodies};
  server {{
    listen {HOST}:{self.target.port}{" ssl" if tls else ""}; {tls}
    root {self.store};
    default_type application/octet-stream;
    location = /v2/ {{ return 200 "{{}}"; }}
    location = /v2/{REPOSITORY}/manifests/{TAG} {{ default_type {MANIFEST_TYPE}; }}
  }}
}}
"""
        )
        return [self._program(), "-c", str(self.folder / "nginx.conf")]


PEERS: tuple[type[Server], ...] = (Lreg, Distribution3, Distribution2, Zot, Nginx)
"""In the order of the report's columns."""
