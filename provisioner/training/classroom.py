"""A class: some trainees of one course on one machine, each with an office of their own, begun side by side.

What fails for one is said, and the class goes on.
"""

import concurrent.futures
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner import lab, training
from provisioner.errors import BadInput, ProvisionerError
from provisioner.inventory.courses import Course
from provisioner.training import Say, Trainee, checkpoint
from provisioner.training.trainee import every

AT_ONCE = 4  # a start waits for its machines to boot for most of its time
MOST = 24


@dataclass(frozen=True)
class Seen:
    """A trainee as the trainer sees them: their office's machines with `up`, `off` or `starting`, the step they are at.

    `step` is empty where every step holds; `lost` is what their hints cost so far.
    """

    trainee: Trainee
    hosts: Mapping[str, str]
    step: str
    done: int
    lost: int

    @property
    def waits(self) -> tuple[str, ...]:
        """The machines that are not up."""
        return tuple(host for host, state in self.hosts.items() if state != "up")


def names(count: int, given: Sequence[str]) -> list[str]:
    """What the trainees are called: as given, else by number.

    Raises:
        BadInput: two with one name, or more than one machine is asked to carry.
    """
    twice = [name for name, times in Counter(given).items() if times > 1]
    if twice:
        raise BadInput(f"two trainees are called {twice[0]}", hint="another --name for one of them")
    if given and count and count != len(given):
        raise BadInput(f"{count} trainees, but {len(given)} names", hint="--trainees alone, or a --name for each")
    found = list(given) or [f"trainee-{number}" for number in range(1, (count or 1) + 1)]
    if len(found) > MOST:
        raise BadInput(f"a class of {len(found)} is more than one machine carries", hint=f"--trainees {MOST}")
    return found


def begin(root: Path, course: Course, wanted: Sequence[str], language: str, *, say: Say) -> dict[str, str]:
    """Start the course for those who are not in it yet; why it did not begin, for each for whom it did not."""
    there = {who.name for who in every() if who.course == course.name}
    new = [name for name in wanted if name not in there]
    if not new:
        return {}
    checkpoint.ensure(root, course, say=say)  # once, before all ask for it

    def one(name: str) -> str:
        try:
            training.start(root, course, name, language, say=lambda _: None)
        except (ProvisionerError, OSError) as problem:  # a full disk too: the others go on
            say(f"{name} has no office: {problem}")
            return str(problem)
        say(f"{name} may begin.")
        return ""

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        said = dict(zip(new, pool.map(one, new), strict=True))
    return {name: problem for name, problem in said.items() if problem}


def end(course: str, *, say: Say) -> list[str]:
    """Take away all that every trainee of a course has, ungraded; says whose it was."""
    there = [who for who in every() if who.course == course]

    def one(who: Trainee) -> str:
        training.leave(who)
        say(f"the office of {who.name} is gone.")
        return who.name

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, there))


def look(course: Course) -> list[Seen]:
    """Everybody in a course, who asks for help first, in the order in which they asked."""
    found = []
    for who in (who for who in every() if who.course == course.name):
        up = lab.find(who.target)
        step = next((name for name in course.steps if not who.holds.get(name)), "")
        cost = sum(training.lost(who, course, name) for name in course.steps)
        found.append(Seen(who, {host: state for host, state, _ in up.hosts} if up else {}, step, sum(who.holds.values()), cost))
    return sorted(found, key=lambda seen: (not seen.trainee.asks, seen.trainee.asked, seen.trainee.name))
