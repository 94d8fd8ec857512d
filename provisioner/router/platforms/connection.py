"""A terminal session on a router of a vendor's, by netmiko: the only importer of it.

netmiko takes any host key unless it is told otherwise, and then calls a wrong one a time-out [M]. So the socket is ours, the name
that it is told is the one that the key is pinned under (HostKeyAlias, never the address), the only keys known are the office's,
nothing else of this laptop's (agent, keys, ssh configuration) is offered, and a wrong key is called what it is. A password goes
after the key was accepted, never beside a key of the technician's.
"""

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from provisioner.errors import HostKeyChanged, ProvisionerError, Unreachable, Unreadable
from provisioner.hosts import access, first_contact
from provisioner.hosts.pins import pinned
from provisioner.router.guard import Rejected
from provisioner.router.platforms import Way

if TYPE_CHECKING:
    from netmiko import BaseConnection

T = TypeVar("T")
LIMIT = 4 << 20  # characters of an answer
LOGIN_S = 20.0  # a router's processor takes seconds for a handshake
PREPARE_S = 12.0  # netmiko sees no session that ended: it waits for this long
ANSWER_S = 60.0  # a slow one prints a whole configuration in less
CANNOT_READ = "look at the router itself: what it says is not what was asked"


_QUESTIONS = {r"\[yes/no\]:\s*$": "no", r"\[confirm\]\s*$": ""}


class Refused(ProvisionerError):
    """A router's answer to a line is an error: `line`, and what it `said`."""

    exit_code = 4

    def __init__(self, host: str, line: str, said: str) -> None:
        self.line, self.said = line, said
        super().__init__(f"{host} refuses {line!r}: {said}")


class Connection:
    """One session, prompt and paging settled. Use as a context manager, or `close` it.

    Args:
        kind: netmiko's device_type.
        error: what in an answer is an error (netmiko's error_pattern): the line was not taken.
        usual: the login where the dossier names none.
        prompt: what a prompt is (a pattern), where it changes while the session lasts; else as it was first.

    Raises:
        HostKeyChanged: the router shows another key than the pinned one; no login was begun.
        Unreachable: no connection, no login or no prompt.
    """

    def __init__(self, way: Way, kind: str, *, error: str, usual: str, prompt: str = "", **more: Any) -> None:
        self.way, self.error = way, re.compile(error, re.MULTILINE)
        self.prompt = prompt or None
        self._named = f"{way.host} ({way.address})"
        try:
            wire = socket.create_connection((way.address, way.port), timeout=access.CONNECT_TIMEOUT_S)
        except OSError as error_:
            raise Unreachable(f"{self._named} does not answer: {error_}", hint=f"is {way.host} switched on?") from error_
        self._user = way.login or usual
        try:
            self.session = self.of_netmiko(lambda: self._open(wire, kind, self._user, more))
        except BaseException:
            wire.close()
            raise

    def of_netmiko(self, call: Callable[[], T]) -> T:
        """What a call of netmiko's own comes to.

        Raises:
            HostKeyChanged, Unreachable: no connection, no login, no answer, in our words.
        """
        began = time.monotonic()
        try:
            return call()
        except BaseException as problem:
            told = self._told(problem, began, self._user)
            if told is None:
                raise
            raise told from problem

    def _open(self, wire: socket.socket, kind: str, user: str, more: dict[str, Any]) -> "BaseConnection":
        from netmiko import ConnectHandler

        way = self.way
        secret: dict[str, Any] = {"password": way.password} if way.password else {"pkey": first_contact.private(way.access.key)}
        return ConnectHandler(
            device_type=kind, host=way.access.target.alias(way.host), sock=wire, username=user, **secret,
            ssh_strict=True, system_host_keys=False, alt_host_keys=True, alt_key_file=str(way.access.target.known_hosts),
            use_keys=not way.password, allow_agent=False, key_file=None, ssh_config_file=None,
            conn_timeout=access.CONNECT_TIMEOUT_S, banner_timeout=access.CONNECT_TIMEOUT_S, auth_timeout=LOGIN_S,
            read_timeout_override=PREPARE_S, session_timeout=LOGIN_S, **more,
        )  # fmt: skip

    def _told(self, problem: BaseException, began: float, user: str) -> ProvisionerError | None:
        """What went wrong while it was opened, in our words; None where it is none of netmiko's."""
        from netmiko.exceptions import NetmikoAuthenticationException

        words = self.way.access.target.words
        chain = list(_chain(problem))
        if any(type(one).__name__ == "BadHostKeyException" or "not found in known_hosts" in str(one) for one in chain):
            return access.changed(self.way.host, self.way.address, words)
        if isinstance(problem, NetmikoAuthenticationException):
            what = "password" if self.way.password else "key"
            hint = f"provisioner secrets set {words} routers.{self.way.host}"
            return Unreachable(f"{self._named} refuses {user}'s {what}", hint=hint)
        if not _of_netmiko(problem):
            return None
        said = " ".join(str(chain[-1]).split())[:200] or type(chain[-1]).__name__
        if time.monotonic() - began >= access.CONNECT_TIMEOUT_S and "banner" in said.lower():
            return Unreachable(f"{self._named} {access.SILENT}", hint=f"is it {self.way.host}, and does its SSH server run?")
        return Unreachable(f"{self._named} gives no session: {said}", hint=f"provisioner router show {words}")

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; what the router makes of a link that is gone already is its own business."""
        client = getattr(self.session, "remote_conn_pre", None)
        if client is not None:
            client.close()  # netmiko's own `disconnect` says `exit` first, and waits for an answer

    def ask(self, line: str, *, timeout_s: float = ANSWER_S, expect: str = "", hidden: str = "") -> str:
        """Enter a line; what the router says until its prompt, or until what `expect` matches.

        Not netmiko's own `send_command`, which waits a minute for an answer from a session that is gone.

        Args:
            hidden: what is said of the line in its stead, where it holds a secret.

        Raises:
            Refused: its answer is an error.
            Unreachable: the connection broke, or no answer came in time.
        """
        end = re.compile(expect or self.prompt or rf"(^|[\r\n]){re.escape(self.session.base_prompt)}[^\n]{{0,40}}[#>$]\s*$")
        try:
            self.session.read_channel()  # what it said unasked
            self.session.write_channel(f"{line}\n")
            said, matched = self._until(end, line, time.monotonic() + timeout_s)
        except Exception as problem:
            raise self._lost(problem, hidden or line) from problem
        if (found := self.error.search(said)) is not None:
            told = next(text for text in said[found.start() :].splitlines() if text.strip())
            raise Refused(self.way.host, hidden or line, told.strip()[:300])
        return said + matched if expect else said

    def _until(self, end: re.Pattern[str], line: str, deadline: float) -> tuple[str, str]:
        """What comes behind the line's echo, and the prompt, or whatever it was, that ended it."""
        said, at = "", 0 if not line else -1
        channel = cast(Any, self.session.remote_conn)
        while True:
            gone = channel.closed or channel.eof_received
            new = self.session.read_channel()
            said += new
            if len(said) > LIMIT:
                raise Unreadable(f"{self._named} says too much where a short answer belongs", hint=CANNOT_READ)
            if at < 0 and line in said:
                at = said.index(line) + len(line)
            if at >= 0 and (found := end.search(said, at)) is not None:
                return said[at : found.start()].lstrip("\r\n"), said[found.start() :]
            if not new and gone:
                raise EOFError("the session is gone")
            if time.monotonic() > deadline:
                raise TimeoutError("no answer in time")
            if not new:
                time.sleep(0.01)

    def answers(self, line: str, sign: str, *, timeout_s: float) -> bool:
        """Whether what a line begins shows a sign (a pattern) in time; it is interrupted then.

        Raises:
            Unreachable: the connection broke.
        """
        try:
            found = bool(re.search(sign, self.ask(line, expect=sign, timeout_s=timeout_s)))
        except (Refused, Unreachable):
            found = False
        try:
            self.session.write_channel("\x03")
            self._until(
                re.compile(rf"{re.escape(self.session.base_prompt)}[^\n]{{0,40}}[#>$]\s*$"), "", time.monotonic() + ANSWER_S
            )
        except Exception as problem:
            raise self._lost(problem, line) from problem
        return found

    def rows(self, line: str, form: str = "") -> list[dict[str, str]]:
        """What a router lists: by the named groups of `form`, line by line, else by the form that ntc-templates has of it.

        Raises:
            Refused, Unreachable: as `ask`.
        """
        said = self.ask(line)
        if form:
            return [found.groupdict() for found in re.finditer(form, said, re.M)]
        from netmiko.utilities import get_structured_data

        rows = get_structured_data(said, platform=self.session.device_type, command=line)
        return [dict(row) for row in rows] if isinstance(rows, list) else []

    def confirm(self, line: str, *, questions: Mapping[str, str] = MappingProxyType(_QUESTIONS)) -> str:
        """Enter a line that the router asks back about, and answer: question (a pattern) -> answer.

        Raises:
            Refused, Unreachable: as `ask`; it asks something else.
        """
        prompt = self.prompt or rf"{re.escape(self.session.base_prompt)}\S*[#>]\s*$"
        said = self.ask(line, expect="|".join([*questions, prompt]))
        for _ in range(4):
            answer = next((text for question, text in questions.items() if re.search(question, said)), None)
            if answer is None:
                break
            said = self.ask(answer, expect="|".join([*questions, prompt]))
        return said

    def configure(self, lines: Sequence[str], *, enter: str, leave: str, prompt: str) -> None:
        """Enter lines in the router's mode for that, one by one, up to the first that is refused.

        Args:
            enter, leave: the lines that begin and end the mode; it is left after a refusal too.
            prompt: what a prompt is in it (a pattern).

        Raises:
            Refused, Unreachable: as `ask`.
        """
        self.ask(enter, expect=prompt)
        try:
            for line in lines:
                self.ask(line, expect=prompt)
        except Refused:
            self.ask(leave)
            raise
        self.ask(leave)

    @contextlib.contextmanager
    def speaking(self, about: str) -> Iterator[None]:
        """What breaks in the block, beside the terminal (its files), is told as `ask` tells it."""
        try:
            yield
        except Exception as problem:
            raise self._lost(problem, about) from problem

    def _lost(self, problem: Exception, line: str) -> Exception:
        if not _of_netmiko(problem):
            return problem
        said = (str(problem).strip().splitlines() or [type(problem).__name__])[0][:200]
        return Unreachable(
            f"{self._named} stopped answering at {line[:60]!r}: {said}", hint="what it does then is its own: look again"
        )


@contextlib.contextmanager
def logged_in(way: Way, *, usual: str) -> Iterator[first_contact.FirstContact]:
    """A connection without a terminal, whose key is the pinned one; so no prompt nor page is waited for.

    Raises:
        HostKeyChanged: the router shows another key than the pinned one; no login was begun.
        Unreachable: no connection, or no login.
    """
    words = way.access.target.words
    with first_contact.FirstContact(way.address, way.host, way.port) as contact:
        if contact.key not in pinned(way.access.target).get(way.host, ()):
            raise access.changed(way.host, way.address, words)
        try:
            contact.login(way.login or usual, password=way.password or None, key=None if way.password else way.access.key)
        except Unreachable as problem:
            raise Unreachable(str(problem), hint=f"provisioner secrets set {words} routers.{way.host}") from problem
        yield contact


def printed(way: Way, line: str, *, usual: str) -> str:
    """What a router prints for one line that is given with the connection.

    Raises:
        HostKeyChanged, Unreachable: as `logged_in`.
    """
    with logged_in(way, usual=usual) as contact:
        return contact.run(line, stdin=None, timeout_s=ANSWER_S)[1]


def _chain(problem: BaseException | None) -> Iterator[BaseException]:
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__


def _of_netmiko(problem: BaseException) -> bool:
    """Whether it is what a broken or silent connection raises, and no mistake of ours."""
    kind = type(problem)
    return isinstance(problem, OSError | EOFError) or kind.__module__.partition(".")[0] in ("netmiko", "paramiko")


def rejected(host: str, problem: Refused) -> Rejected:
    """A line that was refused before anything of a push was in force."""
    return Rejected(f"{host} refuses the new configuration: {problem}", hint="nothing was changed")


__all__ = ["ANSWER_S", "CANNOT_READ", "Connection", "HostKeyChanged", "Refused", "rejected"]
