"""Evidence: whatever our own programs say of what they saw, a French reader reads in French."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import provisioner
from provisioner.language import evidence, translator

ROOT = Path(provisioner.__file__).parent
SAY = [path for room in ("hosts/programs", "verify", "check/subjects") for path in sorted((ROOT / room).rglob("*.py"))]
SAME = re.compile(
    r"7: ?7?|PDF: 7|MKCALENDAR https://77: 7|PUT: 7|SRV|-|7 s|7 7|7 7 7|NTP: 7|provisioner .*|.{0,2}"
)  # the same in both languages


def pieces(node: ast.AST) -> Iterator[str]:
    """Every text that an expression may become, 7 in place of what is not known here; words chosen within one, each alone."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
        for part in node.values:
            if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.IfExp | ast.BoolOp):
                yield from pieces(part.value)
    elif isinstance(node, ast.IfExp):
        yield from (*pieces(node.body), *pieces(node.orelse))
    elif isinstance(node, ast.BoolOp):
        for one in node.values:
            yield from pieces(one)
    elif isinstance(node, ast.BinOp):
        yield from (*pieces(node.left), *pieces(node.right))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):  # a text's own: strip, join
        yield from pieces(node.func.value)


def said() -> Iterator[tuple[str, str]]:
    """Where, and each part of what may become evidence."""
    for path in SAY:
        for node in ast.walk(ast.parse(path.read_text())):
            found: list[ast.AST] = []
            if isinstance(node, ast.Dict):
                found = [
                    v
                    for k, v in zip(node.keys, node.values, strict=True)
                    if isinstance(k, ast.Constant) and k.value == "evidence"
                ]
            elif isinstance(node, ast.Assign | ast.AugAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found = [node.value] if any(isinstance(t, ast.Name) and t.id in ("evidence", "seen") for t in targets) else []
            elif isinstance(node, ast.keyword) and node.arg == "evidence":
                found = [node.value]
            elif (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "judged" and len(node.args) > 4
            ):
                found = [node.args[4]]
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "judged"
                and len(node.args) > 3
            ):
                found = [node.args[3]]
            for one in found:
                for piece in pieces(one):
                    yield from ((f"{path.name}:{getattr(node, 'lineno', 0)}", part) for part in re.split(r"\n|; ", piece) if part)


def test_every_sentence_of_our_own_has_its_french() -> None:
    """No English phrase of ours reaches a French record, whichever check or program says it."""
    french = translator("fr")
    known = list(said())
    lacking = [(where, part) for where, part in known if not SAME.fullmatch(part) and evidence.told(french, part) == part]

    assert len(known) > 40
    assert lacking == []


@pytest.mark.parametrize(
    ("english", "french"),
    [
        ("SSH, 192.168.1.20, the pinned key", "SSH, 192.168.1.20, clé attendue"),
        ("not adopted", "pas encore prise en charge"),
        ("TCP answers: 22 631; undeclared: none; silent: none; firewall: not loaded",
         "réponses TCP\u00a0: 22 631; non déclarés\u00a0: aucun; muets\u00a0: aucun; pare-feu\u00a0: non chargé"),
        ("locked: yes; locked after a wrong password: no",
         "verrouillé\u00a0: oui; verrouillé après un mauvais mot de passe\u00a0: non"),
        ("snapshot 12ab34cd of 2026-11-23T02:00 (7.5 h ago), 3 kept; /srv/share/a.odt: identical",
         "sauvegarde 12ab34cd du 2026-11-23T02:00 (il y a 7.5 h), 3 gardées; /srv/share/a.odt\u00a0: identique"),
        ("postfix/smtp[1]: AB12: to=<a@b.example>, status=sent", "postfix/smtp[1]: AB12: to=<a@b.example>, status=sent"),
        ("{x} {{ 7*7 }}: yes", "{x} {{ 7*7 }}\u00a0: oui"),
    ],
)  # fmt: skip
def test_evidence_is_told_and_the_machines_own_words_are_kept(english: str, french: str) -> None:
    """What we say is translated, its values too where they are ours; what a program of Debian's said is quoted."""
    assert evidence.told(translator("fr"), english) == french
    assert evidence.told(translator("en"), english).replace("’", "'") == english
