"""The JSON files that say what an image is: image.json, manifest.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from lreg.errors import LregError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")


def read_object(path: Path, parse: Callable[[dict[str, Any]], T]) -> T:
    """Return what `parse` makes of the JSON object that a file holds.

    Raises:
        UsageError: it can't be read, is no JSON object, or `parse` raises LregError; says of which
            file.
    """
    try:
        fields = json.loads(path.read_bytes())
        if not isinstance(fields, dict):
            raise UsageError("the whole must be one JSON object")
        return parse(fields)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}") from error
    except LregError as error:
        raise UsageError(f"{path}: {error}") from error
