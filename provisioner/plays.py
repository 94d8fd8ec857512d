"""Plays a playbook on a selection of hosts and yields events: the only room that imports ansible_runner.

What Ansible writes while it plays lies in a folder in memory (0700, tmpfs) that goes when the play ends; after a SIGKILL
the next command sweeps it, and first deals with the orphaned ansible-playbook: it is found by the run's name in its
environment, asked to stop before its next task, and waited for, so that no dpkg is torn.
"""

import contextlib
import json
import os
import queue
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from provisioner.explain import FELL_SILENT, cause, spoiled
from provisioner.hosts import access
from provisioner.inventory.ansible import ENVIRONMENT, Handover, playbooks
from provisioner.inventory.target import Target, runtime_home, state_home
from provisioner.laptop.processes import Process, born
from provisioner.runs import Event

__all__ = ["playbooks"]

RUN_VARIABLE = "PROVISIONER_RUN"
TOOL_VARIABLE = "PROVISIONER_TOOL"  # the process that plays, and when it started
# What a technician's own environment may ask of Ansible; all else there, such as ANSIBLE_HOST_KEY_CHECKING=false, would undo
# what is set in ansible.cfg and in our words for ssh.
HEARD = ("ANSIBLE_VERBOSITY", "ANSIBLE_LOG_PATH")
SECRET = "********"  # noqa: S105 - what stands where a secret stood


def purposes() -> dict[str, str]:
    """What each role does, in the sentence its own specification begins with."""
    import yaml

    found = {}
    for path in sorted((playbooks() / "roles").glob("*/meta/argument_specs.yml")):
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))
        found[path.parents[1].name] = str(spec["argument_specs"]["main"]["short_description"])
    return found


class Play:
    """One playbook on some hosts of an office. Iterate over it for its events; `stop()` ends it in good order."""

    def __init__(
        self,
        target: Target,
        playbook: str,
        handover: Handover,
        *,
        run_id: str,
        check: bool,
        limit: Sequence[str],
        control: Path,
        secrets: Sequence[str] = (),
    ) -> None:
        self.target, self.playbook, self.handover = target, playbook, handover
        self.run_id, self.check, self.limit, self.control = run_id, check, list(limit), control
        self.folder = runtime_home() / f"play-{target.id}-{run_id}"
        part = self.folder.with_name(f"new-{self.folder.name}")  # it is never there without saying whose it is
        (part / "gate").mkdir(mode=0o700, parents=True)
        part.chmod(0o700)
        (part / "gate/tool").write_text(_tool())
        part.rename(self.folder)
        self.gate = self.folder / "gate"
        self._abort = threading.Event()
        # longest first: one secret may hold another
        self._secrets = sorted({json.dumps(s)[1:-1] for s in secrets if len(s) >= 4}, key=len, reverse=True)

    def stop(self) -> None:
        """End before the next task; what runs now runs to its end."""
        with contextlib.suppress(OSError):
            (self.gate / "stop").touch()

    def let_begin(self, until_s: float) -> None:
        """Until when tasks may begin, in seconds since this laptop's start; from then on the play waits for another word."""
        with contextlib.suppress(OSError):
            part = self.gate / "until.part"
            part.write_text(f"{until_s:.3f}")
            part.rename(self.gate / "until")

    def abort(self) -> None:
        """End now."""
        self.stop()
        self._abort.set()

    def __iter__(self) -> Iterator[Event]:
        """The play's events as they come; the last one is `play_ended` with Ansible's `status` and `rc`."""
        import ansible_runner

        for name in [name for name in os.environ if name.startswith("ANSIBLE_") and name not in HEARD]:
            del os.environ[name]  # the runner would hand it on
        handover = self.folder / "handover.json"
        self.handover.write(handover)
        raw: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        result: list[Any] = []

        def hand_over(event: dict[str, Any]) -> bool:
            raw.put(event)
            return False  # runner need not keep it as a file

        def work() -> None:
            try:
                result.append(
                    ansible_runner.run(
                        private_data_dir=str(self.folder),
                        playbook=str(playbooks() / self.playbook),
                        inventory=str(self.target.folder / "dossier.yml"),
                        cmdline=" ".join(
                            ["--limit", ",".join(self.limit), *(["--check", "--diff"] if self.check else ["--diff"])]
                        ),
                        envvars=self._environment(handover),
                        ident=self.run_id,
                        quiet=True,
                        suppress_env_files=True,
                        # Only hands the event over: a slow or raising handler makes ansible-runner drop the play.
                        event_handler=hand_over,
                        cancel_callback=self._abort.is_set,
                    )
                )
            except BaseException as error:
                result.append(error)
            finally:
                raw.put(None)

        worker = threading.Thread(target=work, name="ansible-runner", daemon=True)
        worker.start()
        try:
            while (event := raw.get()) is not None:
                yield from self._translate(event)
            worker.join()
            if isinstance(result[0], BaseException):
                raise result[0]
            yield Event("play_ended", detail={"status": result[0].status, "rc": result[0].rc, "said": self._said(result[0])})
        finally:
            if worker.is_alive():  # the reader gave up: an exception, or GeneratorExit
                self.abort()
                worker.join(timeout=30)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _environment(self, handover: Path) -> dict[str, str]:
        return {
            "ANSIBLE_CONFIG": str(playbooks() / "ansible.cfg"),
            "ANSIBLE_CALLBACK_PLUGINS": str(playbooks() / "plugins/callback"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.control).replace("%", "%%"),
            "ANSIBLE_HOME": str(state_home() / "ansible"),
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
            "LC_ALL": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
            "PROVISIONER_GATE": str(self.gate),
            ENVIRONMENT: str(handover),
            RUN_VARIABLE: f"{self.target.id}/{self.run_id}",
            TOOL_VARIABLE: _tool(),
        }

    def _said(self, result: Any) -> str:
        """Ansible's own last words, for a play that ended before any host was asked."""
        if result.status == "successful":
            return ""
        with contextlib.suppress(OSError, AttributeError):
            text = Path(result.stdout.name).read_text(errors="replace")
            errors = [line for line in text.splitlines() if "ERROR" in line or "error" in line.lower()]
            return self._hide("\n".join((errors or text.splitlines())[-5:]))
        return ""

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, SECRET)
        return text

    def _translate(self, event: Mapping[str, Any]) -> Iterator[Event]:
        """Ansible's event as ours: what was asked, of whom, what came of it; nothing else is kept of `res`."""
        kind, data = event["event"], event.get("event_data", {})
        if kind in ("playbook_on_task_start", "playbook_on_handler_task_start"):
            yield Event("task_started", task=_title(data))
        elif kind in _OUTCOMES:
            yield self._outcome(kind, data)
        elif kind == "playbook_on_stats":
            names = {"ok": "ok", "changed": "changed", "failures": "failed", "dark": "unreachable",
                     "skipped": "skipped", "rescued": "rescued", "ignored": "ignored"}  # fmt: skip
            hosts = {h for key in names for h in data.get(key, {})}
            counted = {h: {ours: data.get(key, {}).get(h, 0) for key, ours in names.items()} for h in sorted(hosts)}
            yield Event("play_counted", detail={"hosts": counted})

    def _outcome(self, kind: str, data: Mapping[str, Any]) -> Event:
        result = data.get("res") or {}
        what = _OUTCOMES[kind]
        detail: dict[str, Any] = {}
        if notes := result.get("notes"):  # of our own modules
            detail["notes"] = [str(note) for note in notes]
        if kind == "runner_on_ok" and result.get("changed"):
            what = "host_changed"
            if diff := diff_text(result):
                detail["diff"] = diff
        elif kind in ("runner_on_failed", "runner_on_unreachable"):
            if data.get("ignore_errors"):
                what = "host_ignored"
            detail["problem"] = problem_text(result, silent=kind == "runner_on_unreachable")
            if names := spoiled(str(result)):
                detail["spoiled"] = names
        if self._secrets and detail:
            detail = json.loads(self._hide(json.dumps(detail)))
        return Event(what, host=data.get("host", ""), task=_title(data), detail=detail)


_OUTCOMES = {
    "runner_on_ok": "host_ok",
    "runner_on_failed": "host_failed",
    "runner_on_unreachable": "host_unreachable",
    "runner_on_skipped": "host_skipped",
}


def _title(data: Mapping[str, Any]) -> str:
    role, task = data.get("role", ""), data.get("task", "")
    return f"{role}: {task}" if role else str(task)


def problem_text(result: Mapping[str, Any], *, silent: bool = False) -> str:
    """Why a task failed: the cause where it is known, its message, what its program said, and which items of a loop failed.

    `silent`: the host answers no more; what ssh says then sounds like a mirror that is down. At which item of a loop it did
    says nothing.
    """
    lines: list[str] = []
    # from ansible-core 2.20 on an item that failed is not marked so, but has an exception
    bad = [
        item
        for item in result.get("results") or []
        if isinstance(item, Mapping) and (item.get("failed") or item.get("unreachable") or "exception" in item)
    ]
    if silent and bad:
        return problem_text(bad[-1], silent=True)
    for item in bad:
        label = item.get("_ansible_item_label", item.get("item", ""))
        lines.append(f"{label if isinstance(label, str | int) else ''}: {problem_text(item)}".removeprefix(": "))
    if not lines:
        words = [str(result.get(key) or "").strip() for key in ("msg", "stderr", "module_stderr", "stdout")]
        if words[0] == "non-zero return code" and any(words[1:]):  # of a command that said why
            words = words[1:]
        said = "\n".join(words)
        refused = re.search("Permission denied|Host key verification failed|unix_listener", said)
        known = cause(said) if not silent else "" if refused else FELL_SILENT
        for text in [known, *words]:
            if text and text not in "\n".join(lines):
                lines.append(text[-2000:])
    # a host without a problem would not be shown at all
    mute = "what it said is hidden, because it handles secrets" if "censored" in result else "it failed without a word"
    return "\n".join(lines[:5]) or mute


def diff_text(result: Mapping[str, Any]) -> str:
    """What a task changed as a unified diff; loops and modules that only name a state included."""
    import difflib

    items = [r for r in result.get("results") or [] if isinstance(r, Mapping) and r.get("changed")]
    if items:
        return "\n".join(filter(None, (diff_text(item) for item in items)))
    diffs = result.get("diff") or []
    parts: list[str] = []
    for diff in diffs if isinstance(diffs, list) else [diffs]:
        if "prepared" in diff:
            parts.append(str(diff["prepared"]).strip())
            continue
        before, after = _side(diff.get("before")), _side(diff.get("after"))
        if before != after:
            parts.append(
                "\n".join(
                    difflib.unified_diff(
                        before.splitlines(), after.splitlines(),
                        diff.get("before_header") or "before", diff.get("after_header") or "after", lineterm="", n=2,
                    )
                )
            )  # fmt: skip
    return "\n".join(filter(None, parts))


def _side(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=1, sort_keys=True) if value else ""


# ------------------------------------------------------------------------------------------- orphans


def orphans(target: Target) -> dict[int, str]:
    """Processes of earlier plays on this target whose tool is gone: pid -> run. Only our own are looked at."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if entry.stat().st_uid != os.getuid() or b"ansible-playbook" not in (entry / "cmdline").read_bytes():
                continue
            given = dict(one.split("=", 1) for one in (entry / "environ").read_text(errors="replace").split("\0") if "=" in one)
            office, _, run = given.get(RUN_VARIABLE, "").partition("/")
            if office == target.id and not _at_work(given.get(TOOL_VARIABLE, "")):
                found[int(entry.name)] = run
        except OSError:
            continue
    return found


def _tool() -> str:
    return f"{os.getpid()}/{born(os.getpid())}"


def _at_work(tool: str) -> bool:
    """Whether the tool that started a play still runs: what it plays is no orphan."""
    pid, _, started = tool.partition("/")
    return pid.isdecimal() and born(int(pid)) == started != ""


def sweep(target: Target, *, say: Callable[[str], None], patience_s: float = 900, idle_s: float = 10) -> list[str]:
    """Deal with what killed runs left: their ansible-playbook is stopped before its next task, their folders removed.

    One whose workers died with the tool waits for them for ever, without a child process. One that could not write to the dead
    tool reads no more results (ansible's `results_thread_main` ends at an OSError), and a worker with many of them waits for
    ever to hand them over. After `idle_s` of either it is ended.

    Returns:
        The names of the runs that were still working.
    """
    working = orphans(target)
    for run in sorted(set(working.values())):
        say(f"run {run} was killed but its ansible-playbook still works; waiting for its current task to end")
        with contextlib.suppress(OSError):
            (runtime_home() / f"play-{target.id}-{run}" / "gate/stop").touch()
    runs = sorted(set(working.values()))
    deadline = time.monotonic() + patience_s
    busy = dict.fromkeys(working, time.monotonic())
    used: dict[int, int] = {}
    while working and time.monotonic() < deadline:
        time.sleep(0.3)
        working = orphans(target)
        children = {pid: {child.pid for child in Process(pid, 0, ()).children} for pid in working}
        workers = set().union(*children.values()) & working.keys()
        before, used = used, {pid: Process(pid, 0, ()).used_ticks for pid in workers}
        # a worker that computes takes time; one that waits for its host has a child that does: ssh
        gets_on = {pid for pid in working if pid not in busy or children[pid] - workers or used.get(pid) != before.get(pid)}
        gets_on |= {pid for pid in working if children[pid] & gets_on}
        busy |= dict.fromkeys(gets_on, time.monotonic())
        stuck = [pid for pid in working if pid not in workers and time.monotonic() - busy[pid] > idle_s]
        if stuck:
            say(f"ansible-playbook {', '.join(map(str, stuck))} waits for nothing any more; ending it")
            _end(target, stuck)
            working = orphans(target)
    if working:
        say(f"ending ansible-playbook {', '.join(map(str, working))}")
        _end(target, list(working))
    access.sweep(target)
    for left in runtime_home().glob(f"play-{target.id}-*"):
        try:
            tool = (left / "gate/tool").read_text()
        except OSError:
            tool = ""
        if not _at_work(tool):
            shutil.rmtree(left, ignore_errors=True)
    return runs


def _end(target: Target, pids: Sequence[int]) -> None:
    """Ask orphans to end, and make them when they do not within seconds; a pid that is no orphan any more is let be."""
    for how, wait_s in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        for pid in orphans(target).keys() & set(pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
        until = time.monotonic() + wait_s
        while (left := orphans(target).keys() & set(pids)) and time.monotonic() < until:
            time.sleep(0.1)
        if not left:
            return


def tree_digest() -> str:
    """SHA-256 over the playbooks and roles as they stand: a saved plan names the exact ones it was made with."""
    import hashlib

    total = hashlib.sha256()
    root = playbooks()
    for path in sorted(p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        total.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()


def ansible_version() -> str:
    """The version of ansible-core in use, without importing it."""
    from importlib.metadata import version

    return version("ansible-core")
