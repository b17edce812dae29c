"""The names and passwords that may write."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import bcrypt
import pytest

from lreg.errors import Unauthorized, UsageError
from lreg.registry.auth import Accounts

if TYPE_CHECKING:
    from pathlib import Path


def basic(user: str, password: str) -> str:
    """What a client sends behind `Basic`."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def line(user: str, password: str) -> str:
    """A line as `htpasswd -B` writes it."""
    return f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe:x", "users: not text: make it with `htpasswd -B`"),
        (b"# ours\nu:$apr1$x$y", "users:2: not a bcrypt hash: make it with `htpasswd -B`"),
        (b"u:$2y$05$tooshort", "users:1: not a bcrypt hash"),
    ],
)
def test_a_wrong_file_is_said_in_one_line(tmp_path: Path, content: bytes, says: str) -> None:
    """A file of users that is none is refused at the start, with what to do."""
    (tmp_path / "users").write_bytes(content)
    with pytest.raises(UsageError) as error:
        Accounts(tmp_path / "users", None)
    assert says in str(error.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"v:$2y$05$tooshort", None])
async def test_a_file_that_breaks_locks_nobody_out(tmp_path: Path, content: bytes | None) -> None:
    """While the file is edited, who was known before is known."""
    users = tmp_path / "users"
    users.write_text(line("u", "secret"))
    accounts = Accounts(users, None)
    if content is None:
        users.unlink()
    else:
        users.write_bytes(content)
    assert await accounts.check(basic("u", "secret")) == "u"
    with pytest.raises(Unauthorized):
        await accounts.check(basic("v", "secret"))
    users.write_text(line("v", "new"))
    assert await accounts.check(basic("v", "new")) == "v"
    with pytest.raises(Unauthorized):
        await accounts.check(basic("u", "secret"))


@pytest.mark.parametrize("sent", ["\xe9", "!!!!", "YQ", base64.b64encode(b"\xff:").decode()])
async def test_what_is_no_credential(sent: str) -> None:
    """Whatever a client sends as its credentials is right or wrong, never a bug."""
    with pytest.raises(Unauthorized):
        await Accounts(None, None).check(sent)
