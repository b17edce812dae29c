"""`lreg pin`: images that are never evicted."""

from __future__ import annotations

from lreg.cli.pinning import pin_command

command = pin_command(
    "Keep each IMAGE from being evicted when the cache is full.",
    "lreg pin alpine:3.8 'registry.k8s.io/*'",
    pinned=True,
)
