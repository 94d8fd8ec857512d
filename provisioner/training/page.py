"""The class page: who is where, who asks for help; the trainer resets an office, plants a fault, and sees how to look inside.

What takes its time goes on behind the page, one thing a trainee; whatever fails is said there, and the class goes on.
"""

import concurrent.futures
import hmac
import secrets
import shlex
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from provisioner import training
from provisioner.endpoint import Endpoint, environment, language, middleware
from provisioner.errors import ProvisionerError
from provisioner.inventory.courses import Course, text
from provisioner.language import N_, translator
from provisioner.laptop.text import visible
from provisioner.training import Trainee, classroom

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

TEMPLATES = Path(__file__).parent / "templates"
REFRESH_S = 10
LONGEST = 4000  # bytes of a form
ZONE = "Europe/Paris"
UNDER_WAY = {"reset": N_("is being reset"), "plant": N_("a fault is being planted"), "answered": N_("help is being noted")}


class Work:
    """What is under way for each trainee, and why the last thing failed."""

    def __init__(self) -> None:
        self.pool = concurrent.futures.ThreadPoolExecutor(classroom.AT_ONCE)
        self.lock = threading.Lock()
        self.under_way: dict[str, str] = {}
        self.problems: dict[str, str] = {}

    def begin(self, name: str, what: str, do: Callable[[], object]) -> bool:
        """Begin it, unless something is under way for them already."""
        with self.lock:
            if name in self.under_way:
                return False
            self.under_way[name] = what
            self.problems.pop(name, None)
        self.pool.submit(self._do, name, do)
        return True

    def _do(self, name: str, do: Callable[[], object]) -> None:
        try:
            do()
        except Exception as problem:  # nobody else would hear of it
            self.problems[name] = str(problem)
        finally:
            del self.under_way[name]


def application(course: Course, where: Endpoint, problems: Mapping[str, str]) -> "Starlette":
    """The page, as an ASGI application; `problems` says for whom the course did not begin, and why."""
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse
    from starlette.routing import Route

    work, token = Work(), secrets.token_urlsafe(24)

    def show(request: "Request") -> "Response":
        seen = classroom.look(course)
        absent = {name: why for name, why in problems.items() if name not in {one.trainee.name for one in seen}}
        still = "still" in request.query_params
        return HTMLResponse(page(course, seen, work, absent, token, language(request), still=still))

    async def act(request: "Request") -> "Response":
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > LONGEST:
                return PlainTextResponse("too long\n", 413)
        said = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        if not hmac.compare_digest(said.get("token", "").encode(), token.encode()):
            return PlainTextResponse("this form is of another page: load it again\n", 403)
        try:
            if said.get("do", "") not in UNDER_WAY:
                return PlainTextResponse("this page asks for no such thing\n", 404)
            who = training.find(course.name, said.get("trainee", ""))
            work.begin(who.name, said.get("do", ""), _deed(who, course, said))
        except ProvisionerError as problem:
            return PlainTextResponse(f"{problem}\n{problem.hint}\n", 404)
        return RedirectResponse("/", 303)

    return Starlette(routes=[Route("/", show), Route("/act", act, methods=["POST"])], middleware=middleware(where))


def _deed(who: Trainee, course: Course, said: Mapping[str, str]) -> Callable[[], object]:
    if said.get("do") == "plant":
        return lambda: training.plant(who, course, said.get("fault", ""))
    if said.get("do") == "answered":
        return lambda: training.ask(who, "")
    return lambda: training.reset(who, course, say=lambda _: None)


def page(
    course: Course, seen: "list[classroom.Seen]", work: Work, absent: Mapping[str, str], token: str, spoken: str, *, still: bool
) -> str:
    """The page in one language; pure but for the texts of the course."""
    say = translator(spoken)
    titles = {
        name: title for name, (title, _) in (text(Path(seen[0].trainee.root), course.name, spoken).steps if seen else {}).items()
    }
    return environment(TEMPLATES).get_template("class.html").render(
        _=say, ngettext=say.ngettext, say=say, language=spoken, refresh=0 if still else REFRESH_S, still=still, zone=ZONE,
        title=getattr(course.title, spoken), course=course, seen=seen, titles=titles, token=token, absent=absent,
        under_way={name: UNDER_WAY.get(what, UNDER_WAY["reset"]) for name, what in work.under_way.items()},
        problems={name: visible(problem) for name, problem in work.problems.items()},
        inside={one.trainee.name: inside(one.trainee, one.hosts) for one in seen},
    )  # fmt: skip


def inside(who: Trainee, hosts: Mapping[str, str]) -> list[str]:
    """The commands that look into a trainee's office, ready to paste."""
    start = f"provisioner --inventory {shlex.quote(str(who.inventory))}"
    return [f"{start} ssh {who.office} {host} --lab" for host, state in hosts.items() if state == "up"]
