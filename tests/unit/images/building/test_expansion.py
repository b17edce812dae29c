"""Variables and quotes in Dockerfiles; what BuildKit makes of the same is in tests/clients."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.errors import UsageError
from lreg.images.building.dockerfile.expansion import expand, expand_text, expand_words

VARIABLES = {"A": "one", "B": "two words", "EMPTY": "", "V": "1.2.3", "_x1": "under"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A", "one"),
        ("${A}b", "oneb"),
        ("$Ab", ""),
        ("$_x1", "under"),
        ("a$", "a$"),
        ("a$/b", "a$/b"),
        (r"\$A", "$A"),
        (r"\\$A", r"\one"),
        ("'$A'", "$A"),
        ('"$A"', "one"),
        (r'"\$A \" \n"', r'$A " \n'),
        ("a'b'\"c\"d", "abcd"),
        ("${NONE:-x}", "x"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${A:+x}", "x"),
        ("${EMPTY:+x}", ""),
        ("${EMPTY+x}", "x"),
        ("${NONE:-${A}/$B}", "one/two words"),
        ("${NONE:-'quoted }'}", "quoted }"),
        ("${V#*.}", "2.3"),
        ("${V##*.}", "3"),
        ("${V%.*}", "1.2"),
        ("${V%%.*}", "1"),
        ("${V/./-}", "1-2.3"),
        ("${V//./-}", "1-2-3"),
        ("${V#nothing}", "1.2.3"),
        ("${A?must be set}", "one"),
    ],
)
def test_a_word(text: str, expected: str) -> None:
    """Every form of a variable, quoted or not, means what it means in BuildKit."""
    assert expand(text, VARIABLES) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("'open", "closing '"),
        ('"open', 'closing "'),
        ("${A", "modifier"),
        ("${A:-x", "closing }"),
        ("${}", "bad substitution"),
        ("${A:=x}", "modifier"),
        ("${NONE?say why}", "NONE: say why"),
        ("${EMPTY:?}", "EMPTY: it is not set"),
        ("${N:-" * 2000 + "}" * 2000, "too deeply"),
    ],
)
def test_what_is_not_closed(text: str, message: str) -> None:
    """What makes no sense is an error, and not guessed at."""
    with pytest.raises(UsageError, match=message):
        expand(text, VARIABLES)


def test_words() -> None:
    """Words are split after variables are replaced, never within quotes."""
    assert expand_words('$B "$B" x', VARIABLES) == ["two", "words", "two words", "x"]


def test_another_escape() -> None:
    """With `escape=` a backslash is a character like any other."""
    assert expand(r"c:\dir`$A", VARIABLES, "`") == r"c:\dir$A"


def test_heredocs_keep_their_quotes() -> None:
    """In a heredoc quotes are text, and only variables are replaced."""
    assert expand_text("'$A' \"$B\" \\$A\n", VARIABLES) == "'one' \"two words\" $A\n"


@given(st.text(st.characters(exclude_characters="'", exclude_categories=["Cs"])))
def test_single_quotes_hide_everything(text: str) -> None:
    """Whatever stands in single quotes comes out as it is."""
    assert expand(f"'{text}'", VARIABLES) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_value_is_never_expanded_again(value: str) -> None:
    """What a variable holds is taken as it is, whatever it looks like."""
    assert expand('"$X"', {"X": value}) == value
    assert expand("${X}", {"X": value}) == value
    assert expand("${NONE:-$X}", {"X": value}) == value


@given(st.text(alphabet="ab$ {}:-+?#%/'\"\\*`A\n", max_size=40))
def test_any_text_ends(text: str) -> None:
    """Every text either becomes another one, or an error that says what is wrong with it."""
    try:
        whole, words = expand(text, VARIABLES), expand_words(text, VARIABLES)
    except UsageError as error:
        assert str(error)
    else:
        assert all(words)
        assert sum(map(len, words)) <= len(whole)
