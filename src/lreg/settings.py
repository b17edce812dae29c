"""How a setting is declared: once, on the field of the dataclass that holds its value."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from lreg.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lreg.kinds import Kind

T = TypeVar("T")

PREFIX = "LREG_"
# What TOML's values are called there, with what tells them apart.
_FORMS: dict[type, str] = {
    str: 'a string, in quotes: "…"',
    bool: "a boolean: true or false",
    int: "an integer",
    float: "a float",
    list: "an array",
    dict: "a table",
}


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One setting.

    Attributes:
        name: as in `lreg.toml`, and with `--` before it as a flag.
        kind: how its text becomes a value and back.
        many: whether it is a list.
        default: what the value is where nothing is set: text, or what makes it; None: nothing.
        default_doc: the default in words.
        doc: one line, for `--help` and the reference.
        required: whether it must be set; then there is no default.
    """

    name: str
    kind: Kind[T]
    many: bool
    default: str | Callable[[], object] | None
    default_doc: str
    doc: str
    required: bool = False

    @property
    def attribute(self) -> str:
        """The name of its field."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.attribute.upper()

    def initial(self) -> object:
        """Return the value where nothing is set."""
        if isinstance(self.default, str):
            return self.parse(self.default, Path.cwd())
        return self.default() if self.default else None

    def read(self, raw: object, folder: Path) -> object:
        """Return the value of what TOML holds; a list may be one string with commas as well.

        Args:
            raw: what TOML made of it.
            folder: what a relative path is relative to.

        Raises:
            UsageError: it is not such a value; the message does not name the setting.
        """
        form, is_list = self.kind.form, self.many and isinstance(raw, list)
        for item in cast("list[object]", raw) if is_list else [raw]:
            if type(item) is not form:
                found = _FORMS.get(type(item), "a date or time")
                what = f"each {self.kind.name} of a list" if self.many else f"a {self.kind.name}"
                raise UsageError(f"{item!r} is {found}; {what} is {_FORMS[form]}")
        return self.parse(raw, folder)

    def parse(self, raw: object, folder: Path) -> object:
        """Return the value of what the environment or a flag holds, or TOML in the right form.

        Args:
            raw: text, a boolean, an integer, or a list of those.
            folder: what a relative path is relative to.

        Raises:
            UsageError: it is not such a value; the message does not name the setting.
        """
        if not self.many:
            return self.kind.parse(_text(raw), folder)
        items = raw.split(",") if isinstance(raw, str) else cast("list[object]", raw)
        if not items:
            raise UsageError(f"the list is empty: it needs a {self.kind.name}, or leave it out")
        return tuple(self.kind.parse(_text(item).strip(), folder) for item in items)

    def show(self, value: Any) -> str:
        """Return the value as a person writes it in TOML, without secrets; "" for nothing."""
        if value is None or value == ():
            return ""
        if self.many:
            return "[" + ", ".join(self.kind.toml(item) for item in value) + "]"
        return self.kind.toml(value)


def _text(raw: object) -> str:
    return str(raw).lower() if isinstance(raw, bool) else str(raw)


def setting(
    kind: Kind[T],
    doc: str,
    default: str | Callable[[], object] | None = None,
    *,
    default_doc: str = "",
    many: bool = False,
) -> Any:
    """Return the field of a dataclass that declares a setting, as `Setting` says."""
    words = default_doc or (default if isinstance(default, str) else "not set")
    # The field's name is not known here: settings_of() fills it in.
    made = Setting("", kind, many, default, words, doc)
    return field(default_factory=made.initial, repr=kind.public is None, metadata={"setting": made})


def required(kind: Kind[T], doc: str) -> Any:
    """Return the field of a dataclass that declares a setting without a default."""
    return field(metadata={"setting": Setting("", kind, False, None, "required", doc, True)})


def settings_of(declaration: Any) -> tuple[Setting[Any], ...]:
    """Return the settings that the fields of a dataclass declare, in their order."""
    return tuple(
        replace(each.metadata["setting"], name=each.name.replace("_", "-"))
        for each in fields(declaration)
        if "setting" in each.metadata
    )


def unknown(key: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that nothing has; it says which of the known is nearest."""
    import difflib  # noqa: PLC0415 -- for a mistake only

    near = difflib.get_close_matches(key, list(known), n=1, cutoff=0)
    return UsageError(f"there is no setting {key!r}; the nearest is {near[0]!r}")


@contextmanager
def said_of(place: str) -> Iterator[None]:
    """Put the place before the message of a UsageError."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None


def read_table(declaration: Any, raw: object, folder: Path, name: str) -> dict[str, Any]:
    """Return the values that a table of `lreg.toml` sets, by attribute.

    Args:
        declaration: the dataclass whose fields declare its keys.
        raw: the table.
        folder: what a relative path is relative to.
        name: how the table is called in messages.

    Raises:
        UsageError: an unknown key, a bad value, a key that is missing; says where.
    """
    if not isinstance(raw, dict):
        raise UsageError(f"{name}: {raw!r} is not a table")
    known = {each.name: each for each in settings_of(declaration)}
    values: dict[str, Any] = {}
    for key, given in raw.items():
        if key not in known:
            raise UsageError(f"{name}: {unknown(key, known)}")
        with said_of(f"{name}.{key}"):
            values[known[key].attribute] = known[key].read(given, folder)
    for each in known.values():
        if each.required and each.attribute not in values:
            raise UsageError(f"{name}: {each.name} is missing")
    return values
