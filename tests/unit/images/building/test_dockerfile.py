"""Reading Dockerfiles; what BuildKit builds of the same is in tests/clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lreg.errors import UsageError
from lreg.images.building.dockerfile.building import DockerfileSource
from lreg.images.building.dockerfile.instructions import (
    Command,
    Copy,
    From,
    Healthcheck,
    Instruction,
    Onbuild,
    Pairs,
    Words,
)
from lreg.images.building.dockerfile.lines import read_statements
from lreg.images.building.dockerfile.modes import parse_mode
from lreg.images.building.dockerfile.parser import parse
from lreg.oci.platform import Platform

if TYPE_CHECKING:
    from pathlib import Path


def only(text: str) -> Instruction:
    """The only instruction behind a FROM."""
    (stage,) = parse(f"FROM scratch\n{text}").stages
    (instruction,) = stage.instructions
    return instruction


def statements(text: str) -> list[tuple[int, str, str]]:
    """Lines, names and arguments."""
    return [(one.line, one.name, one.rest) for one in read_statements(text).statements]


def test_lines_are_put_together() -> None:
    """A line that ends in the escape goes on, past comments and empty lines; spaces stay."""
    text = (
        "# a comment\n\nfrom  scratch\nENV a=1 \\\n  # within\n\n   b=2 \\  \n c=3\n# last\nUSER x"
    )
    assert statements(text) == [
        (3, "FROM", "scratch"),
        (4, "ENV", "a=1    b=2  c=3"),
        (10, "USER", "x"),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends(end: str) -> None:
    """Dockerfiles written on Windows are read the same."""
    text = "FROM scratch\nENV a=1 \\\n b=2\nCOPY <<E /x\nhere\nE\nUSER y\n".replace("\n", end)
    assert [rest for _, _, rest in statements(text)] == ["scratch", "a=1  b=2", "<<E /x", "y"]


def test_directives_come_first() -> None:
    """`syntax` and `escape` count at the top, and are comments anywhere else."""
    assert read_statements("# syntax=docker/dockerfile:1\n#escape = `\nFROM x`\n:1").escape == "`"
    assert read_statements("# a comment\n# escape=`\nFROM x").escape == "\\"
    assert statements("#escape=`\nFROM a`\nb\nRUN c\\\nUSER d") == [
        (2, "FROM", "ab"),
        (4, "RUN", "c\\"),
        (5, "USER", "d"),
    ]
    for text in ("#escape=x\nFROM a", "#escape=`\n#escape=`\nFROM a"):
        with pytest.raises(UsageError, match="line"):
            read_statements(text)


def test_an_escaped_escape_ends_its_line() -> None:
    """Two escapes at the end of a line are no continuation."""
    assert [name for _, name, _ in statements("ENV a=b\\\\\nUSER x")] == ["ENV", "USER"]


def test_heredocs() -> None:
    """Files in the Dockerfile: named, quoted, with tabs taken away, several at once."""
    text = "COPY <<one <<-'two' /x/\n$A\none\n\t\tb\n\ttwo\nUSER y\n"
    copy, user = read_statements(f"FROM scratch\n{text}").statements[1:]
    assert [(doc.name, doc.content, doc.expand) for doc in copy.heredocs] == [
        ("one", "$A\n", True),
        ("two", "b\n", False),
    ]
    assert user.line == 7
    with pytest.raises(UsageError, match="line 1: COPY: no line 'EOF' ends"):
        read_statements("COPY <<EOF /x\nopen")


def test_shell_and_json() -> None:
    """A JSON list is words; anything else, also what nearly is one, is for a shell."""
    assert only('CMD ["a", "b c"]') == Command(
        only('CMD ["a", "b c"]').statement, ("a", "b c"), is_shell=False
    )
    for text in ("a  b", "['a', 'b']", '["a", ]', '["a"] b'):
        made = only(f"CMD {text}")
        assert isinstance(made, Command)
        assert (made.words, made.is_shell) == ((text,), True)
    with pytest.raises(UsageError, match="line 2: CMD: a JSON list here must hold strings"):
        only('CMD ["a", 1]')


def test_copy() -> None:
    """COPY takes flags, several sources, JSON, and heredocs among them."""
    made = only("COPY --from=x --chown=a:b --chmod=755 --link one two /three/")
    assert isinstance(made, Copy)
    assert (made.sources, made.target, made.origin) == (("one", "two"), "/three/", "x")
    assert (made.owner, made.mode, made.is_add) == ("a:b", "755", False)
    made = only('ADD ["with space", "/to"]')
    assert isinstance(made, Copy)
    assert (made.sources, made.target, made.is_add) == (("with space",), "/to", True)


def test_pairs() -> None:
    """ENV and LABEL take several pairs, quotes kept for later, or an old-style one."""
    for text, pairs in (
        ('ENV a=1 b="x y" c=\\ d', (("a", "1"), ("b", '"x y"'), ("c", "\\ d"))),
        ("ENV a  two words", (("a", "two words"),)),
        ('LABEL "a b"=c', (('"a b"', "c"),)),
    ):
        made = only(text)
        assert isinstance(made, Pairs)
        assert made.pairs == pairs


def test_healthcheck() -> None:
    """Durations are Go's, in nanoseconds; NONE switches the base's off."""
    made = only("HEALTHCHECK --interval=1m30s --timeout=1.5s --retries=0 CMD x y")
    assert isinstance(made, Healthcheck)
    assert made.check == {
        "Test": ["CMD-SHELL", "x y"],
        "Interval": 90_000_000_000,
        "Timeout": 1_500_000_000,
    }
    none = only("HEALTHCHECK none")
    assert isinstance(none, Healthcheck)
    assert none.check == {"Test": ["NONE"]}


def test_stages() -> None:
    """Stages have names in lower case; ARGs may stand before the first."""
    read = parse("ARG A=1\nFROM a AS One\nFROM --platform=linux/arm64 one\nEXPOSE 1 2/udp\n")
    assert [stage.begin.name for stage in read.stages] == ["one", ""]
    assert read.arguments[0].variables == {"A": "1"}
    assert isinstance(read.stages[1].begin, From)
    assert read.stages[1].begin.platform == "linux/arm64"
    (exposed,) = read.stages[1].instructions
    assert isinstance(exposed, Words)
    assert exposed.words == ("1", "2/udp")


def test_onbuild_is_kept_as_text() -> None:
    """A trigger is text, its heredoc with it; what makes no sense is refused now."""
    made = only("ONBUILD COPY <<E /x\nhere\nE")
    assert isinstance(made, Onbuild)
    assert made.trigger == "COPY <<E /x\nhere\nE"
    for text in ("ONBUILD ONBUILD USER x", "ONBUILD FROM x", "ONBUILD COPY x"):
        with pytest.raises(UsageError):
            only(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has no FROM"),
        ("# only a comment", "it has no FROM"),
        ("COPY a b", "line 1: COPY: FROM must come first"),
        ("FROM", "line 1: FROM: it needs an argument"),
        ("FROM a b", "IMAGE AS NAME"),
        ("FROM a AS 1x", "no name for a stage"),
        ("FROM a\n\nTYPO x", "line 3: there is no instruction 'TYPO'"),
        ("FROM a\nCOPY x", "source and a target"),
        ("FROM a\nCOPY --what=x a b", "unknown flag --what"),
        ("FROM a\nCOPY --chown a b", "--chown needs a value"),
        ("FROM a\nCOPY --from=x --from=y a b", "given twice"),
        ("FROM a\nCOPY https://x/y /z", "only ADD fetches"),
        ("FROM a\nENV x", "needs a value"),
        ("FROM a\nENV a=1 b", "not name=value"),
        ("FROM a\nHEALTHCHECK x", "takes CMD"),
        ("FROM a\nHEALTHCHECK --interval=soon CMD x", "no duration"),
        ("FROM a\nSHELL /bin/sh -c", "JSON list"),
        ('FROM a\nVOLUME [""]', "empty string"),
    ],
)
def test_what_is_wrong(text: str, message: str) -> None:
    """What is wrong is said in one line with the number of the Dockerfile's."""
    with pytest.raises(UsageError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        ("755", 0o100600, 0o100755),
        ("07777", 0o100600, 0o107777),
        ("u=rwX,go=rX", 0o100600, 0o100644),
        ("u=rwX,go=rX", 0o040700, 0o040755),
        ("+x", 0o100640, 0o100751),
        ("a-w,u+s", 0o100666, 0o104444),
        ("o=,g+w-r", 0o100647, 0o100620),
        ("+t", 0o040755, 0o041755),
    ],
)
def test_modes(mode: str, before: int, after: int) -> None:
    """--chmod takes what chmod(1) takes."""
    assert oct(parse_mode(mode)(before)) == oct(after)


@pytest.mark.parametrize("mode", ["888", "17777", "u", "u=q", "rwx", "u=r;g=r"])
def test_no_modes(mode: str) -> None:
    """What chmod(1) would not take is refused."""
    with pytest.raises(UsageError, match="no mode"):
        parse_mode(mode)


WORDS = st.sampled_from(
    (
        *("FROM", "COPY", "ADD", "ENV", "scratch", "AS", "a=b", "<<E", "E", "--from=x", "[", '"'),
        *("'", "\\\n", "\n", " ", "#", "$A", "${", "}", "\t", "/", "HEALTHCHECK", "ONBUILD", "`"),
        "\r",
    )
)


@given(st.lists(WORDS, max_size=30).map("".join))
def test_any_text_ends(text: str) -> None:
    """Every text is a Dockerfile, or an error that says what is wrong with it."""
    try:
        read = parse(text)
    except UsageError as error:
        assert str(error)
        assert "\n" not in str(error)
    else:
        assert read.stages


@given(
    st.lists(
        st.tuples(st.sampled_from(["ENV a=1", "USER x", "WORKDIR /y", "CMD z"]), st.integers(0, 3)),
        min_size=1,
        max_size=6,
    )
)
def test_comments_and_empty_lines_have_no_say(parts: list[tuple[str, int]]) -> None:
    """With comments, empty lines and line breaks between them instructions stay what they are."""
    plain = "FROM scratch\n" + "\n".join(text for text, _ in parts)
    noisy = "FROM scratch\n"
    for text, noise in parts:
        noisy += "\n# noise\n" * noise + text.replace(" ", " \\\n # noise\n\n" * noise or " ", 1)
        noisy += "\n"
    read = [(name, rest.strip()) for _, name, rest in statements(noisy)]
    assert read == [(name, rest) for _, name, rest in statements(plain)]


@pytest.mark.parametrize(
    ("syntax", "is_dockers"),
    [
        ("docker/dockerfile:1", True),
        ("docker.io/docker/dockerfile-upstream:master-labs", True),
        (f"registry.example.org/docker/dockerfile@sha256:{64 * 'a'}", True),
        ("example.org/another/language:1", False),
    ],
)
def test_another_language(tmp_path: Path, syntax: str, *, is_dockers: bool) -> None:
    """What `# syntax=` says to be of another language than Docker's is not for lreg to build."""
    text = "FROM scratch\nCOPY x /\n" if is_dockers else "INCLUDE another\n"
    file = tmp_path / "Dockerfile"
    file.write_text(f"# syntax = {syntax}\n{text}")
    needs = DockerfileSource(file, tmp_path).needs([Platform.here()])
    assert (needs == "") is is_dockers
    assert is_dockers or syntax in needs
