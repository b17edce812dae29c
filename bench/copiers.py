"""The programs that copy images from one registry to another, measured beside ``lreg copy``."""

from __future__ import annotations

from bench.programs import Program, installed, module_version, pinned, said


class Copier(Program):
    """A program that copies one image; both registries speak plain HTTP."""

    @classmethod
    def command(cls, source: str, target: str) -> list[str]:
        """Return the command that copies between two names ``HOST:PORT/REPOSITORY:TAG``."""
        raise NotImplementedError


class Skopeo(Copier):
    """Debian's skopeo."""

    name = "skopeo"

    @classmethod
    def version(cls) -> str:
        """Return what it says itself."""
        return said([cls._program(), "--version"]).split()[-1]

    @classmethod
    def command(cls, source: str, target: str) -> list[str]:
        """Return the command."""
        plain = ["--src-tls-verify=false", "--dest-tls-verify=false"]
        names = [f"docker://{source}", f"docker://{target}"]
        return [cls._program(), "--insecure-policy", "copy", *plain, *names]

    @classmethod
    def _program(cls) -> str:
        return installed("skopeo", "apt-get install skopeo")


class Crane(Copier):
    """crane, pinned in tests/tools."""

    name = "crane"

    @classmethod
    def version(cls) -> str:
        """Return the version of its module."""
        return module_version(pinned("crane"), "github.com/google/go-containerregistry")

    @classmethod
    def command(cls, source: str, target: str) -> list[str]:
        """Return the command."""
        return [pinned("crane"), "copy", "--insecure", source, target]


COPIERS: tuple[type[Copier], ...] = (Skopeo, Crane)
"""In the order of the report's columns, after the servers."""
