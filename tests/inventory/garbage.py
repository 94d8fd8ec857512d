"""Garbage dossiers by the thousand, through the verbs that read one; a program of its own, so that its limits are its own.

`python -m tests.inventory.garbage SEED EXAMPLES`: each example is put in a dossier's place and read by `office show`, every
fifth by `inventory check` too. Ends with 0 and one JSON object: how many were read, refused, what the worst cost.
"""

import contextlib
import io
import json
import random
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from provisioner.cli.__main__ import main
from provisioner.inventory.dossier import Office
from tests import network

CPU_S, PEAK_MB = 2, 300  # at most, each
# What Python tells its audit hooks of a program started, a connection made, a file written (sys.addaudithook).
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.spawn", "os.startfile")
TOUCHES = ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "os.remove", "os.rename", "os.mkdir")

WORDS = json.loads(Path(__file__).with_suffix(".json").read_text())
SCALARS = [*WORDS["values"], "é" * 300, "x" * 70_000]
LINES = WORDS["lines"]


def replaced(text: str, chance: random.Random) -> str:
    """Some pieces cut out, doubled, swapped, overwritten, put on a line of their own."""
    for _ in range(chance.randint(1, 5)):
        lines = text.split("\n")
        at = chance.randrange(len(lines))
        line, other = lines[at], chance.randrange(len(lines))
        name, colon, _ = line.partition(":")
        match chance.randrange(9):
            case 0:
                lines[at] = ""
            case 1:
                lines[at:at] = [line] * chance.choice([1, 2, 500])
            case 2:
                lines[at], lines[other] = lines[other], line
            case 3 | 4 if colon:
                lines[at] = f"{name}: {chance.choice(SCALARS)}"
            case 5:
                lines[at] = " " * chance.randrange(9) + line.lstrip()
            case 6:
                lines[at:at] = [" " * (len(line) - len(line.lstrip())) + chance.choice(LINES)]
            case 7:
                begin = chance.randrange(len(line) + 1)
                lines[at] = line[:begin] + chance.choice(SCALARS) + line[begin + chance.randrange(3) :]
            case _:
                lines[at] = line.replace(":", chance.choice([" :", ":\t", ":: ", "=", ""]), 1)
        text = "\n".join(lines)
    return text


def grown(value: Any, chance: random.Random, rate: float, depth: int = 0) -> Any:
    """The dossier's values with some turned into another kind, left out, added, nested."""

    def other(key: str) -> str:
        return chance.choice([key, key, f"{key}x", "<<", "a\u202e"])

    odd = chance.random() < rate
    if odd and depth:
        nested: Any = chance.choice(
            [None, True, -1, 10**17, "", [], {}, [[]], {"": ""}, "x" * 5000, [1] * 2000, {"a": {"b": "c"}}]
        )
        for _ in range(chance.choice([0, 0, 0, 1, 15, 200])):
            nested = {"a": nested} if chance.random() < 0.5 else [nested]
        return nested
    if isinstance(value, dict):
        kept = {
            chance.choice([k, k, k, k, f"{k}x", "<<", "a\u202e"]) if odd else k: v
            for k, v in value.items()
            if chance.random() > 0.02
        }
        if chance.random() < rate:
            kept[chance.choice(["x", "", "name", "0", "é", "a.b", "hosts", "password"])] = chance.choice(SCALARS)
        return {k: grown(v, chance, rate, depth + 1) for k, v in kept.items()}
    if isinstance(value, list):
        return [grown(v, chance, rate, depth + 1) for v in value]
    return chance.choice(SCALARS) if odd else value


def written(value: Any, chance: random.Random, rate: float) -> str:
    """YAML of many kinds: flow, quoted at random, tagged, anchored, referred to."""
    mark = chance.choice(["&a ", "!!str ", "!!map ", "!x ", "&b "]) if chance.random() < rate else ""
    if chance.random() < rate / 2:
        return mark + chance.choice(["*a", "*b", "!!python/name:os.system ''"])
    if isinstance(value, dict):
        return mark + "{" + ", ".join(f"{written(k, chance, rate)}: {written(v, chance, rate)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return mark + "[" + ", ".join(written(v, chance, rate) for v in value) + "]"
    text = str(value)
    if isinstance(value, int | date):
        return mark + text.lower()
    return mark + (text if chance.random() < rate else json.dumps(text, ensure_ascii=chance.random() < 0.5))


anything: st.SearchStrategy[Any] = st.recursive(
    st.text(max_size=20) | st.sampled_from(SCALARS) | st.booleans() | st.none() | st.integers() | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(list(Office.model_fields)) | st.text(max_size=9), inner)
    ),
    max_leaves=15,
)


def garbage(text: str, value: Any) -> st.SearchStrategy[bytes]:
    """What may stand in a dossier's place: bytes, signs, words, YAML of any shape, and dossiers damaged in many ways."""

    def mutant(chance: random.Random) -> str:
        return written(grown(value, chance, chance.choice([0.0, 0.003, 0.04])), chance, chance.choice([0.0, 0.003]))

    lucky = st.randoms(use_true_random=True)
    words = st.lists(
        st.sampled_from([*WORDS["values"], *LINES, *Office.model_fields, "\n", "\n  ", ": ", ", "]), max_size=40
    ).map("".join)
    texts = st.one_of(
        st.text(st.characters(exclude_categories=())),
        words,
        anything.map(json.dumps),
        lucky.map(lambda chance: replaced(text, chance)),
        lucky.map(lambda chance: replaced(text, chance)),
        lucky.map(mutant),
        lucky.map(lambda chance: replaced(mutant(chance).replace(", ", ",\n "), chance)),
    )
    encoded = st.sampled_from(["utf-8"] * 12 + ["utf-8-sig", "utf-16", "utf-32", "latin-1"])
    return st.binary(max_size=300) | st.builds(lambda found, code: found.encode(code, _errors(code)), texts, encoded)


def _errors(code: str) -> str:
    return "surrogatepass" if code.startswith("utf") and code != "utf-8-sig" else "replace"


class Watch:
    """Calls the verbs and remembers what they must not do."""

    def __init__(self, root: Path) -> None:
        self.dossier = root / "offices/shop/dossier.yml"
        self.seen: list[str] = []
        self.codes: dict[str, int] = {}
        self.worst_s, self.count, self.on = 0.0, 0, False
        sys.addaudithook(self.hear)

    def hear(self, event: str, given: tuple[Any, ...]) -> None:
        """Python tells of everything; writing is an open with a mode or flags that can."""
        writing = event == "open" and any(sign in str(given[1] or "") for sign in "wax+")
        if self.on and (event.startswith((*STARTS, *TOUCHES)) or writing):
            self.seen.append(f"{event} {given!r}"[:300])

    def read(self, content: bytes) -> None:
        """One example."""
        self.dossier.write_bytes(content)
        self.count += 1
        verbs = [["office", "show", "shop"], *([["inventory", "check"]] if self.count % 5 == 0 else [])]
        for words in verbs:
            out, err, begun, self.on = io.StringIO(), io.StringIO(), time.process_time(), True
            try:
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                    main([*words, "--inventory", str(self.dossier.parents[2])])
            except SystemExit as ended:
                code = ended.code
            finally:
                self.on = False
            self.worst_s = max(self.worst_s, time.process_time() - begun)
            self.codes[f"{words[0]} {code}"] = self.codes.get(f"{words[0]} {code}", 0) + 1
            said = out.getvalue() + err.getvalue()
            assert code in ((0, 2) if words[0] == "office" else (0, 7)), (code, said)
            assert "Traceback" not in said
            assert code == 0 or "dossier.yml" in said, said
            assert all(sign.isprintable() or sign in "\n\t" for sign in said), said
        assert self.dossier.read_bytes() == content
        assert not self.seen, self.seen


def peak_mb() -> float:
    """The most memory this process ever had; not ru_maxrss: that one remembers the process we were forked from."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def run(number: int, examples: int, check: Callable[[bytes], None], source: st.SearchStrategy[bytes]) -> None:
    """Let hypothesis make so many examples and try each."""
    every = settings(
        max_examples=examples, database=None, deadline=None, derandomize=False, suppress_health_check=list(HealthCheck)
    )
    seed(number)(every(given(source)(check)))()


def all_of_it(number: int, examples: int) -> None:
    """A network with one office, and so many dossiers for it."""
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="provisioner-test-") as folder:
        root = network.empty(Path(folder) / "net")
        (root / "offices/shop").mkdir()
        from provisioner.inventory.strict_yaml import parse

        text = (network.EXAMPLE / "offices/demo/dossier.yml").read_text()
        watch = Watch(root)
        watch.dossier.write_text(text)
        for words in (["office", "show", "shop"], ["inventory", "check"]):  # what is imported once
            with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
                main([*words, "--inventory", str(root)])
        run(number, examples, watch.read, garbage(text, parse(text.encode()).value))
        data = {"examples": watch.count, "codes": watch.codes, "worst_s": round(watch.worst_s, 3), "peak_mb": round(peak_mb())}
        print(json.dumps(data))


if __name__ == "__main__":
    try:
        all_of_it(int(sys.argv[1]), int(sys.argv[2]))
    except BaseException:
        traceback.print_exc()
        sys.exit(1)
