"""The example image in a new registry: what `make run` shows first."""

from __future__ import annotations

from pathlib import Path

import pytest

from lreg.images.building.described import ImageSource
from lreg.images.building.sources import build
from tests.server.commands.conftest import lreg_of
from tests.support.registries import Running, start_lreg

HELLO = Path(__file__).parents[3] / "examples" / "hello"


def wait_for(running: Running, text: str) -> None:
    """Wait until the server has said `text`."""
    running.process.wait_until(lambda: text in running.process.log)


@pytest.mark.parametrize("tls", [False, True])
def test_pushed_into_an_empty_store(tmp_path: Path, tls: bool) -> None:
    """`lreg serve --example` builds and pushes the image of a folder: the very same everywhere."""
    running = start_lreg(tmp_path, "--example", str(HELLO), tls=tls)
    try:
        wait_for(running, "lreg ls")
        lreg = lreg_of(running, tmp_path)
        assert lreg.lines("ls") == ["hello:latest  pushed"]
        with build(ImageSource.read(HELLO)) as image, running.wire() as wire:
            assert wire.pull("hello", "latest") == str(image.top.digest)
        assert f"{running.host}/hello:latest" in running.process.log
    finally:
        running.stop()


def test_a_used_store_is_left_alone(tmp_path: Path) -> None:
    """An example that was removed does not come back with the next start."""
    running = start_lreg(tmp_path, "--example", str(HELLO))
    try:
        wait_for(running, "lreg ls")
        lreg_of(running, tmp_path).run("rm", "hello")
    finally:
        running.stop()
    running.process.log_file.unlink()
    running = start_lreg(tmp_path, "--example", str(HELLO), store=running.store)
    try:
        wait_for(running, "lreg ls")
        assert lreg_of(running, tmp_path).lines("ls") == ["hello"]
    finally:
        running.stop()
