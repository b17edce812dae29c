"""How the parts after an instruction's name are told apart: flags, pairs, JSON, words."""

from __future__ import annotations

import json
import re

_SPACE = re.compile(r"[\t\v\f\r ]+")


def split_flags(text: str, escape: str) -> tuple[list[str], str]:
    """Return the `--name=value` at the beginning, unquoted, and what follows them."""
    flags: list[str] = []
    while (text := text.lstrip()).startswith("--"):
        flag, text = _first_word(text, escape, keep=False)
        if flag == "--":
            break
        flags.append(flag)
    return flags, text.strip()


def split_quoted(text: str, escape: str) -> list[str]:
    """Return words that are separated by spaces outside of quotes, which stay."""
    words = []
    while text := text.lstrip():
        word, text = _first_word(text, escape, keep=True)
        words.append(word)
    return words


def _first_word(text: str, escape: str, *, keep: bool) -> tuple[str, str]:
    """Return the first word, with its quotes and escapes or without, and the rest."""
    word, quote, position = [], "", 0
    while position < len(text):
        char = text[position]
        if not quote and char.isspace():
            break
        is_escape = char == escape and quote != "'"
        if is_escape:
            position += 1
            word.append((char if keep else "") + text[position : position + 1])
        elif char == quote or (not quote and char in "'\""):
            quote = "" if quote else char
            word.append(char if keep else "")
        else:
            word.append(char)
        position += 1
    return "".join(word), text[position:]


def split_plain(text: str) -> list[str]:
    """Return words that are separated by spaces, whatever else they hold."""
    return _SPACE.split(text) if text else []


def json_words(text: str) -> list[str] | None:
    """Return the strings of a JSON list, None where the text is none.

    Raises:
        ValueError: it is a list with something else than strings.
    """
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(word, str) for word in words):
        raise ValueError("a JSON list here must hold strings only")
    return list(words)


def pairs(text: str, escape: str) -> list[tuple[str, str]]:
    """Return `name=value …`, or the one pair of `name value`, as ENV and LABEL have them.

    Raises:
        ValueError: a word has no `=`, or there is no value.
    """
    words = split_quoted(text, escape)
    if words and "=" not in words[0]:
        name, _, value = _SPACE.sub(" ", text, count=1).partition(" ")
        if not value:
            raise ValueError(f"{name!r:.80} needs a value")
        return [(name, value)]
    found = []
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise ValueError(f"{word!r:.80} is not name=value")
        found.append((name, value))
    return found
