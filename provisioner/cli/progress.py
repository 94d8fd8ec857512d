"""What a person sees while a play runs: a bar that knows its length from last time, the task at work, what each host did."""

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from provisioner.cli.common import Console, shown
from provisioner.language import N_, translator
from provisioner.language.terminal import spoken, told
from provisioner.laptop.clock import span
from provisioner.runs import Event

if TYPE_CHECKING:
    from rich.text import Text

LEAST = 16  # columns of a task's name that still say something


class Watch:
    """Shows events on stderr: one moving bar on a terminal, plain lines elsewhere (a log, a pipe, CI)."""

    def __init__(self, console: Console, title: str, total: int | None) -> None:
        self.console, self.title, self.total = console, title, total
        self.done = 0
        self.changed: dict[str, int] = {}
        self._live = console.err.is_terminal and not console.as_json
        self._task = ""
        self._began = time.monotonic()

    @contextlib.contextmanager
    def showing(self) -> Iterator["Watch"]:
        """Draw while the block runs."""
        if not self._live:
            yield self
            return
        from rich.live import Live

        # rich draws 4 times a second by itself here: 10 times cost 15 ms of CPU each second, 3 % of what a quiet play costs [M]
        with Live(get_renderable=self._drawn, console=self.console.err, transient=True, refresh_per_second=4):
            yield self

    def _drawn(self) -> "Text":
        """The line as it stands, or two where one has no room for the task's name."""
        from rich.text import Text

        total = max(self.total, self.done) if self.total else 0
        count = f"{self.done}/{total}" if total else str(self.done)
        passed = int(time.monotonic() - self._began)
        elapsed = f"{passed // 3600}:{passed // 60 % 60:02}:{passed % 60:02}"
        return Text.assemble(*line(told(self.title), count, self.done / total if total else 0.0, elapsed, told(self._task),
                                   self.console.err.width, " ⠋⠙⠹⠸⠼⠴⠦⠧⠇"[1 + passed % 9]), no_wrap=True, end="")  # fmt: skip

    def __call__(self, event: Event) -> None:
        """One event."""
        if event.what == "task_started":
            self.done += 1
            self._task = event.task
            if not self._live:
                of = f"/{max(self.total, self.done)}" if self.total else ""
                self.console.say(f"[{self.done}{of}] {event.task}")
        elif event.what == "host_reached":
            self.console.say(f"  {event.host} answers at {event.detail['address']}")
        elif event.what == "clock_differs":
            self.console.say(f"! {event.host}: its clock is {span(event.detail['ahead_s'])} this laptop's")
        elif event.what == "host_changed":
            self.changed[event.host] = self.changed.get(event.host, 0) + 1
        elif event.what in ("host_failed", "host_unreachable"):
            problem = str(event.detail.get("problem", "")).strip().splitlines() or [""]
            where = f" at “{event.task}”" if event.task else ""
            verb = "failed" if event.what == "host_failed" else "is unreachable"
            self.console.err.print(shown(f"✗ {event.host} {verb}{where}: {problem[0]}"), style="red", soft_wrap=True)


def line(
    title: str, count: str, part: float, elapsed: str, task: str, width: int, spinner: str = "⠋"
) -> list[tuple[str, str]]:  # fmt: skip
    """What a running play shows on `width` columns: name, bar, count and time always, the task's name as far as there is room.

    Args:
        part: how much is done, 0 to 1.
    """
    from rich.cells import cell_len, set_cell_size

    def cut(text: str, room: int) -> str:
        return text if cell_len(text) <= room else set_cell_size(text, max(0, room - 1)).rstrip() + "…"

    title, task = shown(title), " ".join(shown(task).split())
    bar = 24 if width >= 100 else 12 if width >= 70 else 8
    fixed = bar + len(count) + len(elapsed) + 4  # with the blanks between them and the task
    room = width - 1 - cell_len(title) - 3 - fixed  # the last column stays free: some terminals wrap there
    broken = room < LEAST
    if broken:
        title, room = cut(title, width - 3), width - 1 - 2 - fixed
    full = round(bar * min(1.0, part))
    return [
        (f"{spinner} ", "green"), (title, ""), ("\n  " if broken else " ", ""), ("━" * full, "cyan"), ("╌" * (bar - full), "dim"),
        (f" {count} ", ""), (elapsed, "yellow"), (" ", ""), (cut(task, max(0, room)), ""),
    ]  # fmt: skip


def took(value: float) -> str:
    """What follows the end of a run: ` in 2 min 5 s`."""
    return translator(spoken())(N_(" in {took}"), took=seconds(value))


def seconds(value: float) -> str:
    """`8 s`, `2 min 5 s`."""
    whole = round(value)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"
