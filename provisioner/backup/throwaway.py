"""A lab that a client's data may be put back in, because it goes: whatever ends us, somebody outlives us to throw it away.

It is a lab of an inventory of its own in the state folder: dossier without desktops, packs, resellers; no vault, no pins.
The client's data lies on its disks alone, in a folder of root's, and goes with them: a process of its own session waits for our
end, a kill included, and then takes the lab down and forgets it. After a power cut the next proof does so first.
"""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

from provisioner import lab
from provisioner.errors import Busy, HostFailed
from provisioner.hosts.programs import source
from provisioner.inventory import open_inventory
from provisioner.inventory.models import Kind
from provisioner.inventory.target import Target, state_home

Say = Callable[[str], None]
WITHIN_S = 3600
READ_S = 6 * 3600  # a large night over a slow line
MIB = 1 << 20
_VERB = (sys.executable, "-m", "provisioner.cli")
# Standard input ends when whoever started us does; the lock that it shares with us goes with this process.
_JANITOR = 'folder=$1; shift; cat >/dev/null; "$@" >"$folder.log" 2>&1 && rm -rf --one-file-system -- "$folder" "$folder.log"'
_BOOT = "import os, json\nl = b''\nwhile not l.endswith(b'\\n'): l += os.read(0, 1)\nexec(json.loads(l))"


@dataclass(frozen=True)
class Answer:
    """What a verb ended with: its exit code, its one object (empty where it printed none), what it said beside."""

    code: int
    data: dict[str, Any]
    said: str

    @property
    def why(self) -> str:
        """Its last word."""
        lines = [line.strip() for line in self.said.splitlines() if line.strip()]
        return str(self.data.get("error") or (lines[-1] if lines else f"it ended with {self.code}"))[:400]


def call(target: Target, verb: list[str], *more: str) -> Answer:
    """One of our verbs on an office, as a technician calls it: a lab's is plugged into its own LAN, and no other."""
    words = [
        *_VERB,
        "--inventory",
        str(target.inventory),
        "--json",
        *verb,
        target.office,
        *(["--lab"] if target.lab else []),
        *more,
    ]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, timeout=WITHIN_S)
    try:
        data = json.loads(done.stdout)
    except ValueError:
        data = {}
    return Answer(done.returncode, data if isinstance(data, dict) else {}, done.stderr)


def into(target: Target, host: str, command: list[str]) -> list[str]:
    """The words that run a command on a host, its standard streams ours."""
    way = ["ssh", target.office, host, *(["--lab"] if target.lab else []), "--"]
    return [*_VERB, "--inventory", str(target.inventory), *way, *command]


@dataclass
class Throwaway:
    """The lab: `server` is where nights are put back."""

    target: Target
    server: str

    def ask(self, verb: str, request: dict[str, Any], way: list[str] | None = None) -> dict[str, Any]:
        """What `hosts/programs/backup_proof.py` says there; with `way`, its standard streams are that command's.

        Raises:
            HostFailed: why not.
        """
        program = ["sudo", "-n", "python3", "-c", _BOOT]
        given = f"{json.dumps(source('backup_proof'))}\n{json.dumps({'verb': verb, **request})}\n".encode()
        reading, writing = os.pipe()
        pipe = subprocess.PIPE
        with subprocess.Popen(into(self.target, self.server, program), stdin=reading, stdout=pipe, stderr=pipe) as there:
            os.close(reading)
            assert there.stdout
            assert there.stderr
            with os.fdopen(writing, "wb") as first:
                first.write(given)
                first.flush()
                giver = (
                    subprocess.Popen(way, stdin=there.stdout, stdout=first.fileno(), stderr=subprocess.DEVNULL) if way else None
                )
            there.stdout.close()
            try:
                return self._answer(there.stderr)
            finally:
                for process in filter(None, (giver, there)):
                    process.terminate()
                    process.wait()

    def _answer(self, stderr: IO[bytes]) -> dict[str, Any]:
        last = stderr.read(MIB).decode(errors="replace").strip().splitlines()
        for line in reversed(last):
            with contextlib.suppress(ValueError):
                found = json.loads(line)
                if isinstance(found, dict) and found.get("event") == "failed":
                    raise HostFailed(str(found.get("cause", ""))[:600])
                if isinstance(found, dict) and "event" in found:
                    return found
        raise HostFailed(f"the lab's server gave no answer: {(last or ['nothing'])[-1][:300]}")

    def do(self, verb: list[str], *more: str) -> Answer:
        """One of our verbs on it.

        Raises:
            HostFailed: it failed.
        """
        done = call(self.target, verb, *more)
        if done.code:
            raise HostFailed(f"{' '.join(verb)} in the throw-away lab: {done.why}")
        return done


@contextlib.contextmanager
def throwaway(target: Target, server: str, disk_mib: int, say: Say) -> Iterator[Throwaway]:
    """The lab, adopted and installed; it is gone when the block ends, and when we are killed.

    Raises:
        Busy: another proof of this office runs, or its lab is just being thrown away.
        HostFailed: it could not be installed, or not be removed.
    """
    folder = state_home() / "proofs" / f"{target.office}-{target.id}"
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    mine = Target(folder, target.office, lab=True)
    with folder.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                f"another proof of {target.office} runs, or its lab is just being thrown away", hint="wait for it to end"
            ) from None
        if folder.exists():
            say("Throwing away what an interrupted proof left.")
            lab.down(mine)
            lab.forget(mine)
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        words = [*_VERB, "--inventory", str(folder), "lab", "down", target.office, "--forget"]
        with subprocess.Popen(
            ["sh", "-c", _JANITOR, "janitor", str(folder), *words], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, pass_fds=(lock.fileno(),),
        ) as janitor:  # fmt: skip
            try:
                _copy(target, folder)
                office = open_inventory(folder).office(target.office)
                lab.up(office, mine, disk_mib=disk_mib, say=say)
                here = Throwaway(mine, server)
                say("Installing the throw-away lab.")
                here.do(["adopt"], "--yes")
                here.do(["apply"], "--yes")
                yield here
            finally:
                say("Throwing the lab away.")
                assert janitor.stdin
                janitor.stdin.close()
                janitor.wait(WITHIN_S)
    if folder.exists():
        hint = f"provisioner --inventory {folder} lab down {target.office} --forget"
        raise HostFailed(f"the proof's lab could not be thrown away: {folder}.log says why", hint=hint)


def _copy(target: Target, folder: Path) -> None:
    """What makes the lab that office, and nothing that is secret: packs, members, and dossiers without desktops."""
    for room in ("packs", "resellers"):
        shutil.copytree(target.inventory / room, folder / room)
    inventory = open_inventory(target.inventory)
    kept = {one.to for one in inventory.office(target.office).forwards.values()}
    for dossier in sorted((target.inventory / "offices").glob("*/dossier.yml")):
        there = folder / "offices" / dossier.parent.name
        there.mkdir(parents=True)
        if dossier.parent.name == target.office:
            said = yaml.safe_load(dossier.read_text(encoding="utf-8"))
            said["hosts"] = {
                name: host for name, host in said["hosts"].items() if host.get("kind") != Kind.DESKTOP.value or name in kept
            }
            (there / "dossier.yml").write_text(yaml.safe_dump(said, allow_unicode=True, sort_keys=False), encoding="utf-8")
            if (pages := dossier.parent / "website").is_dir():
                shutil.copytree(pages, there / "website")
        else:
            shutil.copy(dossier, there / "dossier.yml")
