"""From a file to a noun: every problem of the file at once, in sentences of our own."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from provisioner.errors import BadInput
from provisioner.inventory.strict_yaml import Document, Place, Problem, load, quoted

N = TypeVar("N", bound=BaseModel)
REPORT_LIMIT = 100  # lines of one error message


def read(model: type[N], path: Path, file: str, name: str) -> tuple[N | None, Document]:
    """Read one file as one noun; None when it cannot be one. What is wrong is in the document's `problems`.

    `name` is the noun's name: the folder's or the file's, never a line of the file.

    Raises:
        FileNotFoundError: there is no such file.
    """
    return build(model, load(path, file), name)


def build(model: type[N], document: Document, name: str) -> tuple[N | None, Document]:
    """Make the noun from what was read, noting each problem at its line."""
    value = document.value
    if not isinstance(value, dict):
        if not document.problems:
            document.add_problem((), "holds no 'name: value' lines", "the example network's files as a model", line=1)
        return None, document
    if "name" in value:
        document.add_problem(("name",), "the name is the file's or folder's own", "deleting this line")
    try:
        noun = model.model_validate(value | {"name": name})
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            note(detail, model, document)
        noun = None
    return noun, document


def report(problems: Iterable[Problem]) -> BadInput:
    """One error with a line per problem, in the order of the files' lines."""
    listed = [str(problem) for problem in sorted(set(problems))]
    more = [f"… and {len(listed) - REPORT_LIMIT} more"] if len(listed) > REPORT_LIMIT else []
    return BadInput("\n".join(listed[:REPORT_LIMIT] + more))


def note(detail: ErrorDetails, model: type[BaseModel], document: Document) -> None:
    """Turn one complaint of pydantic into a problem, unless its place was complained about already."""
    place: Place = tuple(detail["loc"])
    if place and place[-1] == "[key]":
        place = place[:-1]
    if document.holes and detail["type"] == "missing":
        return
    if any(place[:n] in document.corrupt for n in range(len(place) + 1)):
        return
    what, hint = _sentence(detail, place, model)
    document.add_problem(place, what, hint)


_WANTED: dict[str, tuple[str, str]] = {
    "string_type": ("text", "text, in quotes if need be"),
    "int_type": ("a whole number", "plain digits without quotes or a leading zero"),
    "bool_type": ("true or false", "true or false without quotes"),
    "list_type": ("a list", "one '- …' line per entry"),
    "dict_type": ("a section", "'name: value' lines, indented below it"),
    "model_type": ("a section", "'name: value' lines, indented below it"),
}


def _sentence(detail: ErrorDetails, place: Place, model: type[BaseModel]) -> tuple[str, str]:
    """What is wrong and what to try, for one of pydantic's error types."""
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    match kind:
        case "worded":
            said = context["what"], context["hint"]
        case "missing":
            said = "is missing", f"adding '{place[-1]}: …'"
        case "extra_forbidden":
            known = [word for word in _words(model, place[:-1]) if word != "name" or len(place) > 1]
            near = difflib.get_close_matches(str(place[-1])[:50], known, 1)
            said = "is not a word of this section", f"'{near[0]}'" if near else "one of " + ", ".join(known)
        case "enum" | "literal_error":
            said = f"{_held(value)} is not one of its values", f"{context.get('expected', '')}".replace("'", "")
        case "greater_than_equal":
            said = f"{quoted(value)} is too small", f"at least {context.get('ge')}"
        case "less_than_equal":
            said = f"{quoted(value)} is too large", f"at most {context.get('le')}"
        case "too_short":
            said = "is empty" if not value else f"{len(value)} are too few", f"at least {context.get('min_length')}"
        case "too_long":
            said = f"{len(value)} are too many", f"at most {context.get('max_length')}"
        case _ if kind in _WANTED:
            said = _instead(value, kind == "string_type", _WANTED[kind][0]), _WANTED[kind][1]
        case _:
            said = detail["msg"], ""
    return said


def _instead(value: object, text: bool, wanted: str) -> str:
    if text:
        return "nothing where text is wanted" if value is None else f"{_held(value)} where text is wanted"
    return f"nothing where {wanted} is wanted" if value is None else f"{_held(value)} where {wanted} is wanted"


def _held(value: object) -> str:
    if value is None:
        return "nothing"
    return "a section" if isinstance(value, dict) else "a list" if isinstance(value, list) else quoted(value)


def _words(model: type[BaseModel], place: Place) -> list[str]:
    """The field names known at a place: follows the models through lists and mappings."""
    current: Any = model
    for part in place:
        fields = _fields(current)
        inner = get_args(current)[-1:] or (None,)
        current = inner[0] if fields is None else fields.get(part)
    fields = _fields(current)
    return list(fields) if fields is not None else []


def _fields(annotation: Any) -> dict[Any, Any] | None:
    options = (annotation, *get_args(annotation)) if not _collection(annotation) else (annotation,)
    for option in options:
        if isinstance(option, type) and issubclass(option, BaseModel):
            return {name: field.annotation for name, field in option.model_fields.items()}
    return None


def _collection(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) in (list, dict)


def plain(model: type[N], document: Document) -> N:
    """Make what has no name of its own from what was read.

    Raises:
        BadInput: every problem at once; no value is quoted, it may be a secret.
    """
    try:
        noun = model.model_validate(document.value)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False, include_context=False):
            document.add_problem(tuple(detail["loc"]), "cannot be read")
    if document.problems:
        raise report(document.problems)
    return noun
