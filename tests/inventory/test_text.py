"""Client text is data: it comes back byte for byte, whatever it spells."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.errors import BadInput
from provisioner.inventory import open_inventory, rendering
from provisioner.inventory.dossier import Office
from provisioner.inventory.files import build, report
from provisioner.inventory.rules import judge
from provisioner.inventory.strict_yaml import parse
from tests import network

HOSTILE = [
    "{{ lookup('pipe','id') }}",
    "{% raw %}",
    "a; rm -rf /",
    "$(id) `id` ${HOME}",
    "../../etc/passwd",
    "'\"\\",
    "one\ntwo\r\nthree\n",
    "\ttab ",
    " leading and trailing ",
    "\u202eright to left\u202c \u200f",
    "nul is the only one refused: \x01\x1b[31m\x7f\x85\u2028\ufeff\ufffe",
    "é e\u0301 ß ﬁ 漢字 😀",
    "no",
    "010",
    "12:30:45",
    "true",
    "null",
    "~",
    "2026-01-31",
    "1e3",
    "0x10",
    "- a",
    "? a",
    "a: b",
    "# not a comment",
    "a # b",
    "&anchor",
    "*alias",
    "!tag",
    "!unsafe x",
    "%YAML 1.1",
    "@x",
    "|",
    ">-",
    "---",
    "[1, 2]",
    "{a: b}",
    "<<",
    "$ANSIBLE_VAULT;1.1;AES256",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_round_trip(text: str, tmp_path: Path) -> None:
    """A name of the client that spells code or YAML reaches the model byte for byte."""
    root = network.with_office(tmp_path / "net")
    dossier = root / "offices" / "demo" / "dossier.yml"
    value = parse(dossier.read_bytes()).value
    value["organisation"]["name"] = value["organisation"]["legal_form"] = text
    value["organisation"]["address"]["street"] = value["people"]["zoe"]["name"] = text
    value["website"]["motto"] = value["website"]["title"] = value["groups"]["compta"] = text
    value["hosts"]["desktop"]["serial"] = value["organisation"]["contacts"][0]["role"] = text
    dossier.write_text(rendering.render(value, {}, []), encoding="utf-8")

    office = open_inventory(root).office("demo")

    assert office.website and office.organisation.contacts[0].role == office.hosts["desktop"].serial == text
    assert {office.organisation.name, office.website.title, office.website.motto, office.groups["compta"]} == {text}
    assert office.people["zoe"].name == office.organisation.address.street == office.organisation.legal_form == text


encodable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values: st.SearchStrategy[Any] = st.recursive(
    encodable | st.booleans() | st.none() | st.integers(-(10**17), 10**17) | st.dates(date(1000, 1, 1)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(encodable, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(encodable, values, max_size=5))
def test_what_is_written_reads_back(data: dict[str, Any]) -> None:
    """Whatever is written into a new file is read back as the same value and type."""
    document = parse(rendering.render(data, {}, []).encode())

    assert document.problems == []
    assert (document.value or {}) == data


def judged(content: bytes) -> None:
    """Read a dossier the way `office` does, without files."""
    office, document = build(Office, parse(content, "dossier.yml"), "shop")
    for misfit in judge(document.value if isinstance(document.value, dict) else {}, None, None):
        document.add_problem(misfit.place, misfit.what, misfit.hint)
    assert office is not None or document.problems, "what is refused is explained"
    if document.problems:
        text = str(report(document.problems))
        assert text.replace("\n", "").isprintable(), "no message hides or reorders what it says"
        assert all(line.startswith(("dossier.yml", "…")) for line in text.split("\n"))


@given(st.binary(max_size=400) | st.text(max_size=400).map(lambda text: text.encode("utf-8", "replace")))
def test_garbage_is_refused_in_words(content: bytes) -> None:
    """Bytes at random get problems with their line, never a traceback."""
    judged(content)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_dossier_is_refused_in_words(data: st.DataObject) -> None:
    """A dossier with a piece cut out, doubled or overwritten is read or refused, never a traceback."""
    content = network.dossier(data.draw(st.integers(0, 9)), 3).encode()
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(begin, min(len(content), begin + 30)))
        piece = data.draw(st.sampled_from([b"", b"\n", b": ", b"  ", b"- ", b"\t", b"[", b'"', b"&a ", b"*a", b"null", b"0"]))
        content = content[:begin] + data.draw(st.sampled_from([piece, piece + content[begin:end] * 2])) + content[end:]
    judged(content)


@given(st.recursive(values, lambda inner: st.dictionaries(st.sampled_from(list(Office.model_fields)), inner, max_size=12)))
def test_wrong_shapes_are_refused_in_words(value: object) -> None:
    """Any value in any section is read or refused, never a traceback."""
    judged(rendering.render(value if isinstance(value, dict) else {"hosts": value}, {}, []).encode())


def test_report_ends_somewhere() -> None:
    """Thousands of problems make a message of a hundred lines."""
    document = parse(b"a: 1\n" * 500)

    error = report(document.problems)

    assert isinstance(error, BadInput)
    assert str(error).split("\n")[-1] == "… and 399 more"
