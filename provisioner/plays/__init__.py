"""Plays a playbook on a selection of hosts and yields events: the only room that imports ansible_runner.

What Ansible writes while it plays lies in a folder in memory (0700, tmpfs) that goes when the play ends; after a SIGKILL
the next command sweeps it, and first deals with the orphaned ansible-playbook: it is found by the run's name in its
environment, asked to stop before its next task, and waited for, so that no dpkg is torn.
"""

import contextlib
import json
import os
import queue
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from provisioner.explain import corrupt
from provisioner.hosts import programs
from provisioner.inventory.target import Target, runtime_home, state_home
from provisioner.laptop.installed import playbooks
from provisioner.plays.handover import ENVIRONMENT, Handover
from provisioner.plays.orphans import RUN_VARIABLE, TOOL_VARIABLE, tool
from provisioner.plays.results import OUTCOMES, diff_text, problem_text, title
from provisioner.runs import Event

__all__ = ["playbooks"]

# What a technician's own environment may ask of Ansible; all else there, such as ANSIBLE_HOST_KEY_CHECKING=false, would undo
# what is set in ansible.cfg and in our words for ssh.
HEARD = ("ANSIBLE_VERBOSITY", "ANSIBLE_LOG_PATH")
NOTE = "note: "  # how a script of ours begins a line about what it could not do and may be left undone for now
SECRET = "********"  # noqa: S105 - what stands where a secret stood


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
        (part / "gate/tool").write_text(tool())
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

        def selection() -> None:
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

        worker = threading.Thread(target=selection, name="ansible-runner", daemon=True)
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
            TOOL_VARIABLE: tool(),
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
            yield Event("task_started", task=title(data))
        elif kind in OUTCOMES:
            yield self._outcome(kind, data)
        elif kind == "playbook_on_stats":
            names = {"ok": "ok", "changed": "changed", "failures": "failed", "dark": "unreachable",
                     "skipped": "skipped", "rescued": "rescued", "ignored": "ignored"}  # fmt: skip
            hosts = {h for key in names for h in data.get(key, {})}
            counted = {h: {ours: data.get(key, {}).get(h, 0) for key, ours in names.items()} for h in sorted(hosts)}
            yield Event("play_counted", detail={"hosts": counted})

    def _outcome(self, kind: str, data: Mapping[str, Any]) -> Event:
        result = data.get("res") or {}
        what = OUTCOMES[kind]
        detail: dict[str, Any] = {}
        said = str(result.get("stdout") or "").splitlines()  # our own modules say `notes`, our own scripts lines
        if notes := [*(result.get("notes") or ()), *(line.removeprefix(NOTE) for line in said if line.startswith(NOTE))]:
            detail["notes"] = [str(note) for note in notes]
        if kind == "runner_on_ok" and result.get("changed"):
            what = "host_changed"
            if diff := diff_text(result):
                detail["diff"] = diff
        elif kind in ("runner_on_failed", "runner_on_unreachable"):
            if data.get("ignore_errors"):
                what = "host_ignored"
            detail["problem"] = problem_text(result, silent=kind == "runner_on_unreachable")
            if names := corrupt(str(result)):
                detail["corrupt"] = names
        if self._secrets and detail:
            detail = json.loads(self._hide(json.dumps(detail)))
        return Event(what, host=data.get("host", ""), task=title(data), detail=detail)


def tree_digest() -> str:
    """SHA-256 over playbooks, roles and what role base runs of ours: a saved plan names the exact ones it was made with."""
    import hashlib

    total = hashlib.sha256()
    root = playbooks()
    for path in sorted(p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        total.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    total.update(programs.source("refuse").encode())
    return total.hexdigest()


def ansible_version() -> str:
    """The version of ansible-core in use, without importing it."""
    from importlib.metadata import version

    return version("ansible-core")
