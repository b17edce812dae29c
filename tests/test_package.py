"""What `pip install .` gives: all that it takes, and nothing of the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import clean_environment, run

ROOT = Path(__file__).parents[1]

EVERY_MODULE = """
import importlib, pathlib, pkgutil, lreg
assert pathlib.Path(lreg.__file__).with_name("py.typed").exists()
found = [each.name for each in pkgutil.walk_packages(lreg.__path__, "lreg.")]
for name in found:
    name.endswith("__main__") or importlib.import_module(name)
print(len(found), lreg.__file__)
"""


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment with lreg in it and nothing else."""
    home = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    pip = (sys.executable, "-m", "pip", "--python", home / "bin/python", "install")
    done = subprocess.run(
        [*pip, "--quiet", "--no-compile", "-c", ROOT / "constraints.txt", ROOT],
        # How packages are reached from this machine is in the environment.
        env={name: text for name, text in os.environ.items() if name != "PYTHONPATH"},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return home / "bin"


def test_every_module_is_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    """Installed without the development tools, every module can be imported."""
    env = clean_environment(tmp_path)
    said = run(str(installed / "python"), "-c", EVERY_MODULE, env=env, cwd=tmp_path).out
    count, place = said.split()
    sources = set((ROOT / "src/lreg").rglob("*.py"))
    assert int(count) == len(sources) - 1, "all but lreg/__init__.py itself"
    assert Path(place).is_relative_to(installed.parent)


def test_the_installed_program_works(installed: Path, tmp_path: Path) -> None:
    """An installed lreg serves, is asked, and stops."""
    env = clean_environment(tmp_path, LREG_STORE=str(tmp_path / "store"))
    lreg = str(installed / "lreg")
    run(lreg, "start", "--listen", "127.0.0.1:0", env=env, cwd=tmp_path)
    try:
        assert run(lreg, "ls", env=env, cwd=tmp_path).out == ""
        assert run(lreg, "status", env=env, cwd=tmp_path).out.startswith("running")
    finally:
        run(lreg, "stop", env=env, cwd=tmp_path)


def test_the_licence_comes_along(installed: Path) -> None:
    """The licence's text is in what is installed."""
    found = list(installed.parent.glob("lib/*/site-packages/lreg-*.dist-info/licenses/LICENSE"))
    assert len(found) == 1
    assert found[0].read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_pins_name_no_host() -> None:
    """The pinned versions can be had from any index."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert len(lines) > 10
    assert [line for line in lines if "==" not in line or "/" in line or "@" in line] == []
