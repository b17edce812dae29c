"""`lreg unpin`: images that may be evicted again."""

from __future__ import annotations

from lreg.cli.pin import pin_command

command = pin_command(
    "Let each IMAGE be evicted again when the cache is full.",
    "lreg unpin 'registry.k8s.io/*'",
    pinned=False,
)
