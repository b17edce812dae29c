"""Names of upstreams over TLS: what a node gets whose hosts file says that they are here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import clients
from tests.support.images import hello
from tests.support.mirrors import start_mirror
from tests.support.processes import attempt, clean_environment, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fakes.upstream import Upstream
    from tests.support.clients import Client
    from tests.support.processes import Said
    from tests.support.registries import Running

    OpenSsl = Callable[..., Said]


@pytest.fixture
def spoofed(tmp_path: Path, quay: Upstream) -> Iterator[Running]:
    """A registry with TLS that stands for a quay.io which holds one image."""
    quay.hold("org/app", hello("org/app"), "v1")
    names = ("--tls-name", "registry.lan", "--tls-name", "192.0.2.7")
    running = start_mirror(tmp_path, {"quay.io": quay.url}, *names, tls=True)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def curl(spoofed: Running, tmp_path: Path) -> Client:
    """A curl that trusts the CA, for which every name is here."""
    made = clients.curl(spoofed, tmp_path / "curl")
    (made.home / ".curlrc").write_text(f'connect-to = "::127.0.0.1:{spoofed.port}"\n')
    return made


@pytest.fixture
def openssl(spoofed: Running, tmp_path: Path) -> OpenSsl:
    """Connect with `openssl s_client`, which verifies by the CA."""

    def connect(*options: str, send: str = "") -> Said:
        where = ("-connect", f"127.0.0.1:{spoofed.port}", "-CAfile", str(spoofed.ca))
        argv = ("openssl", "s_client", *where, "-verify_return_error", *options)
        return attempt(*argv, env=clean_environment(tmp_path), stdin=send.encode())

    return connect


@pytest.mark.client("curl")
def test_images_under_their_own_names(curl: Client) -> None:
    """`https://quay.io/v2/…` is answered with what quay.io has, by a certificate of quay.io."""
    said = curl("https://quay.io/v2/org/app/manifests/v1")
    assert said.out.encode() == hello("org/app").manifest.data
    for name in ("docker.io", "registry-1.docker.io", "index.docker.io", "registry.lan"):
        assert curl(f"https://{name}/v2/").out == "{}"


@pytest.mark.client("curl")
def test_addresses_and_further_names(curl: Client) -> None:
    """The server's own certificate is good for its addresses, and for what tls-name adds."""
    for name in ("127.0.0.1", "localhost", "192.0.2.7", "registry.lan"):
        assert curl(f"https://{name}/v2/").out == "{}"


@pytest.mark.client("curl")
def test_a_name_that_is_not_allowed(curl: Client, spoofed: Running) -> None:
    """A spoofed name off the list fails at the handshake, and the log says which name that was."""
    said = curl.attempt("https://evil.example/v2/")
    assert said.code == 35
    assert "unrecognized name" in said.err
    spoofed.process.wait_until(lambda: "server_name=evil.example" in spoofed.process.log)


@pytest.mark.client("openssl")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_the_server_name_tells_the_namespace(openssl: OpenSsl, version: str) -> None:
    """A request without a Host is of the upstream that the TLS hello names."""
    request = "GET /v2/org/app/manifests/v1 HTTP/1.0\r\n\r\n"
    options = ("-quiet", "-ign_eof", version, "-verify_hostname", "quay.io")
    said = openssl(*options, "-servername", "QUAY.IO", send=request)
    assert "HTTP/1.1 200 OK" in said.out
    without = openssl("-quiet", "-ign_eof", version, "-noservername", send=request)
    assert "HTTP/1.1 404" in without.out


@pytest.mark.client("openssl")
def test_resumption_keeps_names_apart(openssl: OpenSsl, tmp_path: Path) -> None:
    """A client that resumes a session under the same name gets no less than a new one."""
    session = tmp_path / "session"
    request = "GET /v2/ HTTP/1.0\r\n\r\n"
    name = ("-tls1_3", "-servername", "quay.io", "-verify_hostname", "quay.io", "-ign_eof")
    first = openssl(*name, "-sess_out", str(session), send=request)
    assert "HTTP/1.1 200 OK" in first.out
    again = openssl(*name, "-sess_in", str(session), send=request)
    assert "HTTP/1.1 200 OK" in again.out
    assert "Reused, TLSv1.3" in again.out


@pytest.mark.client("openssl")
def test_the_chain_is_the_ca_s(openssl: OpenSsl, spoofed: Running, tmp_path: Path) -> None:
    """What is minted hangs on the very CA that `lreg ca` prints, and on no other."""
    shown = openssl("-servername", "docker.io", "-verify_hostname", "registry-1.docker.io")
    assert "Verify return code: 0 (ok)" in shown.out
    chain = shown.out[shown.out.index("-----BEGIN") :]
    argv = ("openssl", "verify", "-x509_strict", "-CAfile", str(spoofed.ca))
    env = clean_environment(tmp_path)
    assert run(*argv, env=env, stdin=chain.encode()).out == "stdin: OK\n"
