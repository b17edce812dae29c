"""`lreg pin`: images that are kept, whatever becomes of them elsewhere."""

from __future__ import annotations

from lreg.cli.pinning import pin_command

command = pin_command(
    "Keep each IMAGE: from being evicted when the cache is full, and when upstream deletes it.",
    "lreg pin alpine:3.8 'registry.k8s.io/*'",
    pinned=True,
)
