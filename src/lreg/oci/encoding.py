"""How what lreg makes itself is written: the same bytes, and so the same digest, everywhere."""

from __future__ import annotations

import json


def json_bytes(value: object) -> bytes:
    """Return JSON without spaces, keys sorted: the same bytes for the same value."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
