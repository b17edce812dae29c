"""The README's first session, done for real."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.upstream import Upstream
from tests.support.images import hello
from tests.support.mirrors import write_config
from tests.support.processes import Program, attempt, clean_environment, free_port, listens

if TYPE_CHECKING:
    from tests.fakes.stage import Stage

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def _blocks(title: str) -> list[str]:
    """Return the shell blocks of the README's section with this title."""
    section = re.split(r"^## ", README.read_text(), flags=re.MULTILINE)
    found = next(text for text in section if text.startswith(f"{title}\n"))
    return re.findall(r"^```sh\n(.*?)^```", found, flags=re.MULTILINE | re.DOTALL)


def _steps(block: str) -> list[tuple[str, str]]:
    """Return each command with what is promised (`#> `) to come out of it."""
    steps: list[tuple[str, str]] = []
    for line in filter(None, block.splitlines()):
        if line.startswith("#> "):
            command, promised = steps.pop()
            steps.append((command, f"{promised}{line.removeprefix('#> ')}\n"))
        else:
            steps.append((line, ""))
    return steps


def _pattern(promised: str) -> str:
    literal = re.sub(r"([*?\[])", r"[\1]", promised.rstrip("\n"))
    return literal.replace("…", "*")


@pytest.mark.client("curl")
@pytest.mark.client("skopeo")
def test_a_first_session(tmp_path: Path, stage: Stage) -> None:
    """What the README has a newcomer paste works, and says what the README shows."""
    serve, *sessions = _blocks("A first session")
    port = free_port()
    hub = stage.enter(Upstream("127.0.0.7"))
    hub.hold("library/alpine", hello("alpine"), "3.20")
    environment = clean_environment(
        tmp_path,
        LREG_STORE=str(tmp_path / "store"),
        LREG_LISTEN=f"127.0.0.1:{port}",
        LREG_OFFLINE="false",
        LREG_CONFIG=str(write_config(tmp_path, {"docker.io": hub.url})),
    )
    environment["PYTHONUNBUFFERED"] = "1"
    server = Program(["bash", "-c", f"exec {serve.strip()}"], tmp_path / "log", environment, ROOT)
    try:
        server.wait_until(lambda: listens(port) and "lreg ls\n" in server.log)
        assert f"store in {tmp_path / 'store'}\n" in server.log
        for command, promised in (step for session in sessions for step in _steps(session)):
            _do(command, promised, port, tmp_path, environment)
    finally:
        _stop(tmp_path, environment)
        server.stop()
        stage.leave(hub)


def _do(command: str, promised: str, port: int, folder: Path, environment: dict[str, str]) -> None:
    def here(text: str) -> str:
        return text.replace(":5000", f":{port}").replace("/tmp/", f"{folder}/")

    done = subprocess.run(
        ["bash", "-ec", f". .venv/bin/activate\n{here(command)}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    said, wanted = done.stdout.rstrip("\n"), _pattern(here(promised))
    assert fnmatch.fnmatchcase(said, wanted), f"{command}\nsaid:\n{said}\npromised:\n{promised}"


def _stop(folder: Path, environment: dict[str, str]) -> None:
    # The server is make's child: asked to stop by its own command, both end.
    subprocess.run(
        [ROOT / ".venv/bin/lreg", "stop"],
        env=environment,
        cwd=folder,
        capture_output=True,
        check=True,
    )


def test_links_lead_somewhere() -> None:
    """No link of the README or of docs/ is broken."""
    for page in [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_commands_in_the_documents_exist(tmp_path: Path) -> None:
    """Every `lreg COMMAND --option` that a document shows is one that lreg takes."""
    env = clean_environment(tmp_path)
    helps: dict[str, str] = {}
    for page in [README, *sorted((ROOT / "docs").glob("*.md"))]:
        for words in re.findall(r"\blreg ((?:[a-z]+ ?)+(?:-[^`\n#|>]*)?)", _code(page.read_text())):
            command, *rest = words.split()
            if command not in helps:
                said = attempt(sys.executable, "-m", "lreg", command, "--help", env=env)
                assert said.code == 0, f"{page.name}: lreg {words}: {said.err}"
                helps[command] = said.out
            for option in (word for word in rest if word.startswith("--")):
                name = option.partition("=")[0]
                subcommand = rest[0] if not rest[0].startswith("-") else ""
                text = helps[command]
                if name not in text and subcommand:
                    argv = ("lreg", command, subcommand, "--help")
                    text = attempt(sys.executable, "-m", *argv, env=env).out
                assert name in text, f"{page.name}: lreg {words}"


def _code(text: str) -> str:
    """Return what stands in code, inline or in blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`(lreg [^`\n]+)`", text)])
