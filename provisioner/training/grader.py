"""The grader: what of a course holds on a trainee's office now, and what was broken beyond its faults.

It knows nothing that a technician could not see: every answer comes from a verb of the product. What was not well from the
beginning and is not mended is counted once, at its step; what was well and is not any more counts against the trainee.
"""

import base64
import concurrent.futures
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from provisioner.errors import ProvisionerError
from provisioner.inventory import open_inventory
from provisioner.inventory.courses import Check, Course
from provisioner.inventory.strict_yaml import load
from provisioner.language import N_
from provisioner.training import checkpoint, lost, verbs
from provisioner.training.trainee import Trainee

BROKEN_POINTS = 5  # for each thing that was well and is not any more
WELL = ("ok", "warning", "not_applicable")

# Each line in a shell of its own, as many as asked for; its exit code and what it printed, a line each.
LINES = """for line; do
  said=$(timeout 15 sh -c "$line" 2>/dev/null)
  printf '%s %s\\n' "$?" "$(printf %s "$said" | base64 -w0)"
done"""

Seen = tuple[str, dict[str, Any]]  # an English sentence and its values, to be translated


@dataclass(frozen=True)
class Judged:
    """One step: whether it holds, what was seen where it does not, what it is worth after its hints."""

    step: str
    holds: bool
    waits: str = ""  # the step it comes after, which does not hold
    seen: tuple[Seen, ...] = ()
    points: int = 0
    of: int = 0


@dataclass(frozen=True)
class Verdict:
    """A whole course, at its end."""

    steps: tuple[Judged, ...]
    broken: tuple[Seen, ...]
    mended: tuple[str, ...]
    planted: tuple[str, ...]

    @property
    def points(self) -> int:
        """What was earned, never below nothing."""
        return max(0, sum(one.points for one in self.steps) - BROKEN_POINTS * len(self.broken))

    @property
    def of(self) -> int:
        """What there was to earn."""
        return sum(one.of for one in self.steps)

    @property
    def passed(self) -> bool:
        """Every step holds and nothing was broken."""
        return all(one.holds for one in self.steps) and not self.broken


@dataclass
class Grader:
    """Asks each verb once, whatever asks for it."""

    trainee: Trainee
    course: Course
    checks: Sequence[Check] = field(default_factory=list)

    def step(self, name: str, before: Mapping[str, Judged]) -> Judged:
        """Judge one step, those before it are judged."""
        step = self.course.steps[name]
        waits = next((other for other in step.after if not before[other].holds), "")
        if waits:
            return Judged(name, False, waits=waits, of=step.points)
        seen = tuple(one for check in step.checks if (one := self.problem(check)))
        points = 0 if seen else max(0, step.points - lost(self.trainee, self.course, name))
        return Judged(name, not seen, seen=seen, points=points, of=step.points)

    def problem(self, check: Check) -> Seen | None:
        """What is seen where a check does not hold; None where it does."""
        judge: Callable[[Check], Seen | None] = getattr(self, f"_{check.word}")
        return judge(check)

    # ------------------------------------------------------------------------------- the words of a check

    def _adopted(self, check: Check) -> Seen | None:
        from provisioner.hosts.pins import pinned

        known = pinned(self.trainee.target)
        missing = [host for host in self._hosts(check.adopted) if host not in known]
        return (N_("not adopted yet: {hosts}"), {"hosts": ", ".join(missing)}) if missing else None

    def _plan(self, check: Check) -> Seen | None:
        counts, hosts = self.planned.data.get("hosts", {}), self._hosts(check.plan)
        if any(host not in counts or counts[host]["failed"] or counts[host]["unreachable"] for host in hosts) or not hosts:
            return N_("a plan does not reach every machine"), {}
        due = [host for host in hosts if counts[host]["changed"]]
        return (N_("an apply would still change: {hosts}"), {"hosts": ", ".join(due)}) if due else None

    def _check(self, check: Check) -> Seen | None:
        findings = [one for office in self.checked.data.get("offices", ()) for one in office["findings"]]
        return self._found(findings, check.check)

    def _verify(self, check: Check) -> Seen | None:
        return self._found(self.verified.data.get("findings", []), check.verify)

    def _found(self, findings: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Seen | None:
        for name in names:
            mine = [one for one in findings if one["check"] == name]
            bad = next((one for one in mine if one["level"] not in WELL), None)
            if bad:
                return str(bad["sentence"]), dict(bad["values"])
            if not any(one["level"] in ("ok", "warning") for one in mine):
                return N_("nobody can tell yet: {check}"), {"check": name}
        return None

    def _record(self, check: Check) -> Seen | None:
        checked = self._call("record", "check")
        if checked.code or not checked.data.get("records"):
            return N_("there is no record, or it was altered"), {}
        said = self._call("record", "show").data
        if check.record == "without_reserves" and said.get("reserves"):
            return N_("the record has reserves"), {}
        if said.get("made", "") < self.trainee.began:
            return N_("the record is older than the course"), {}
        return None

    def _dossier(self, check: Check) -> Seen | None:
        target = self.trainee.target
        path = target.folder / "dossier.yml"
        if not path.is_file():
            return N_("the office {office} has no dossier yet"), {"office": target.office}
        try:
            open_inventory(target.inventory).office(target.office)
        except ProvisionerError as problem:
            return N_("the dossier is not right yet: {problem}"), {"problem": str(problem).splitlines()[0]}
        value = load(path, f"offices/{target.office}/dossier.yml").value
        for place, wanted in check.dossier.items():
            if _at(value, place) != (None if wanted is None else str(wanted)):
                return N_("the dossier does not say it yet: {place}"), {"place": place}
        return None

    def _shut_out(self, check: Check) -> Seen | None:
        hosts = self.accessed.data.get("hosts", {})
        login = str(check.shut_out)
        answers = all(host in hosts and not hosts[host].get("problem") for host in self._hosts(["all"]))
        inside = [host for host, one in hosts.items() if one["who"].get(login, {}).get("open")]
        if not answers:
            return N_("not every machine says who may log in"), {}
        if inside:
            return N_("somebody who should not still gets in: {hosts}"), {"hosts": ", ".join(inside)}
        return None

    def _command(self, check: Check) -> Seen | None:
        assert check.command
        code, said = self.commands.get((check.command.host, check.command.run), (255, ""))
        if code or said.strip() != check.command.says.strip():
            return N_("on {host} it is not yet as it should be"), {"host": check.command.host}
        return None

    # ----------------------------------------------------------------------------------- each verb once

    def _call(self, *words: str, look: bool = False) -> verbs.Told:
        return verbs.call(self.trainee.inventory, *words, self.trainee.office, "--lab", *(["--look"] if look else []))

    def ask(self, checks: Sequence[Check], more: Iterable[str] = ()) -> "Grader":
        """Call every verb that these checks need side by side: each waits for hosts for most of its time."""
        if not (self.trainee.target.folder / "dossier.yml").exists():
            return self
        words = {check.word for check in checks} | set(more)
        asked = {"plan": "planned", "check": "checked", "verify": "verified", "shut_out": "accessed", "command": "commands"}
        with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
            list(pool.map(lambda word: getattr(self, asked[word]), words & asked.keys()))
        return self

    @cached_property
    def commands(self) -> dict[tuple[str, str], tuple[int, str]]:
        """By host and line its exit code and what it printed; one call a host, and nothing of a host that does not answer."""
        wanted: dict[str, list[str]] = {}
        for check in self.checks:
            if check.command and check.command.run not in wanted.setdefault(check.command.host, []):
                wanted[check.command.host].append(check.command.run)
        with concurrent.futures.ThreadPoolExecutor(max(1, len(wanted))) as pool:
            return dict(answer for answers in pool.map(lambda of: list(self._lines(*of)), wanted.items()) for answer in answers)

    def _lines(self, host: str, lines: Sequence[str]) -> Iterator[tuple[tuple[str, str], tuple[int, str]]]:
        line = shlex.join(["sudo", "sh", "-c", LINES, "sh", *lines])
        told = verbs.call(self.trainee.inventory, "ssh", self.trainee.office, host, "--lab", "--", line)
        answers = [said.split(" ") for said in str(told.data.get("stdout", "")).splitlines()]
        if told.code or len(answers) != len(lines):
            return
        for run, said in zip(lines, answers, strict=True):
            try:
                yield (host, run), (int(said[0]), base64.b64decode(said[1]).decode("utf-8", "replace"))
            except (ValueError, IndexError):  # what a host says is data
                continue

    @cached_property
    def accessed(self) -> verbs.Told:
        """Who may log in where, as the hosts say it."""
        return self._call("access", "list", look=True)

    @cached_property
    def planned(self) -> verbs.Told:
        """The plan of the office."""
        return self._call("plan")

    @cached_property
    def checked(self) -> verbs.Told:
        """The check of the office."""
        return self._call("check")

    @cached_property
    def verified(self) -> verbs.Told:
        """A verify of every check that the course asks for; no record rests on it."""
        asked = sorted({name for check in self.checks for name in check.verify})
        return verbs.call(
            self.trainee.inventory, "verify", self.trainee.office, "--lab", *(word for name in asked for word in ("--only", name))
        )

    def _hosts(self, names: Sequence[str]) -> list[str]:
        if "all" not in names:
            return list(names)
        try:
            return list(open_inventory(self.trainee.inventory).office(self.trainee.office).hosts)
        except ProvisionerError:
            return []


def judge(trainee: Trainee, course: Course, only: str = "") -> list[Judged]:
    """Every step, in an order in which each comes after those it waits for; `only` leaves one, and those."""
    wanted = _before(course, only) if only else list(course.steps)
    grader = Grader(trainee, course, [check for name in wanted for check in course.steps[name].checks])
    # what waits for a step that did not hold before is asked for only once that holds
    soon = [name for name in wanted if all(trainee.holds.get(other) for other in course.steps[name].after)]
    return _steps(grader.ask([check for name in soon for check in course.steps[name].checks]), wanted)


def _steps(grader: Grader, wanted: Sequence[str]) -> list[Judged]:
    found: dict[str, Judged] = {}
    while len(found) < len(wanted):
        for name in wanted:
            if name not in found and all(other in found for other in grader.course.steps[name].after):
                found[name] = grader.step(name, found)
    return [found[name] for name in wanted]


def grade(trainee: Trainee, course: Course) -> Verdict:
    """The course at its end: all steps, the faults that are mended, and what was broken beyond them."""
    grader = Grader(trainee, course, [*(check for step in course.steps.values() for check in step.checks), *course.keeps])
    grader.ask(grader.checks, ("check", "plan") if trainee.checkpoint else ())
    steps = _steps(grader, list(course.steps))
    holds = {one.step for one in steps if one.holds}
    mended = {fault for name in holds for fault in course.steps[name].mends}
    broken = [one for check in course.keeps if (one := grader.problem(check))]
    if trainee.checkpoint:
        began = checkpoint.began(trainee.checkpoint)
        now = {"check": checkpoint.bad(grader.checked.data), "plan": checkpoint.due(grader.planned.data)}
        if any(check.shut_out for step in course.steps.values() for check in step.checks):
            now["plan"] = []  # whom a lab alone shut out the inventory still has: an apply would let them in again
        broken += [
            (N_("was well and is not any more: {what}"), {"what": what})
            for word in ("check", "plan")
            for what in now[word]
            if what not in began[word] and not (word == "plan" and _asked(course, what, holds))
        ]
    return Verdict(tuple(steps), tuple(broken), tuple(sorted(mended)), tuple(trainee.planted))


def _asked(course: Course, what: str, holds: set[str]) -> bool:
    """Whether a step that does not hold yet asks for a plan of this host: then it is counted there."""
    host = what.partition(":")[0]
    return any(
        host in check.plan or "all" in check.plan
        for name, step in course.steps.items()
        if name not in holds
        for check in step.checks
    )


def _before(course: Course, name: str) -> list[str]:
    found: list[str] = []
    todo = [name]
    while todo:
        here = todo.pop()
        if here not in found:
            found.append(here)
            todo += course.steps[here].after
    return [step for step in course.steps if step in found]


def _at(value: Any, place: str) -> str | None:
    """What a dossier says at a dotted place, as text; None where nothing is. A section is `there`."""
    for part in place.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None or isinstance(value, str):
        return value
    return "there" if isinstance(value, dict | list) else str(value)
