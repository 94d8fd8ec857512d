"""What a person sees while a play runs: a bar that knows its length from last time, the task at work, what each host did."""

import contextlib
import time
from collections.abc import Iterator

from provisioner.cli.common import Console, shown
from provisioner.laptop.clock import span
from provisioner.runs import Event


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
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.fields[title]}", markup=False), BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}", markup=False), TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            # rich draws 10 times a second by itself: 15 ms of CPU each second, 3 % of what a quiet play costs [M]
            console=self.console.err, transient=True, refresh_per_second=4,
        )  # fmt: skip
        self._bar = self._progress.add_task("", total=self.total, title=self.title, count="")
        with self._progress:
            yield self

    def __call__(self, event: Event) -> None:
        """One event."""
        if event.what == "task_started":
            self.done += 1
            self._task = event.task
            if self._live:
                total = max(self.total or 0, self.done) if self.total else None
                count = f"{self.done}/{total}" if total else f"{self.done}"
                self._progress.update(
                    self._bar, completed=self.done, total=total, count=count, description=shown(event.task)[:90]
                )
            else:
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


def seconds(value: float) -> str:
    """`8 s`, `2 min 5 s`."""
    whole = round(value)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"
