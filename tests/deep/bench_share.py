"""One no-change play, plugged into a lab: as the tool plays it, or as bare ansible-runner does. Prints the CPU it took.

The bench calls it as `bench_share.py ours|bare INVENTORY OFFICE`. Finding the hosts is outside what is measured, on both
sides; the import of ansible_runner is inside, on both sides.
"""

import json
import os
import resource
import shutil
import sys
from pathlib import Path

from provisioner import apply, runs
from provisioner.hosts.keys import public_key
from provisioner.inventory.target import Target
from provisioner.operation.reaching import reach
from provisioner.operation.recording import Recorder
from provisioner.operation.selection import prepare
from provisioner.plays import Play, playbooks
from provisioner.plays.handover import Handover
from provisioner.runs import journal


def spent() -> float:
    """CPU seconds of this process and of its children that have ended: the laptop's side, no host is a child of ours."""
    both = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def prepared(target: Target) -> Play:
    """The play that `apply` would play."""
    chosen = prepare(target)
    reach(chosen, lambda _: None)
    handover = Handover(
        inventory=str(target.inventory),
        office=target.office,
        lab=True,
        user=chosen.ssh.user,
        addresses=chosen.met,
        options={host: chosen.ssh.options(host) for host in chosen.met},
        technicians={chosen.ssh.user: [public_key(chosen.ssh.key)]},  # without it the play would lock the lab's key out
    )
    chosen.ssh.close()
    return Play(
        target,
        apply.PLAYBOOK,
        handover,
        run_id=chosen.run_id,
        check=False,
        limit=sorted(chosen.met),
        control=chosen.ssh.control,
        secrets=chosen.secrets,
    )


def ours(play: Play) -> runs.Run:
    """Events, journal, what they amount to, and the moving bar of a terminal."""
    from rich import console as rich_console

    from provisioner.cli.common import Console
    from provisioner.cli.progress import Watch

    console = Console(False, None)
    with Path(os.devnull).open("w") as nowhere:
        vars(console)["err"] = rich_console.Console(
            file=nowhere, force_terminal=True, width=120, markup=False, highlight=False, emoji=False
        )
        watch = Watch(console, "apply", 40)
        recorder = Recorder(journal.Journal(play.target.journals / f"bench-{play.run_id}.jsonl"), watch)
        with watch.showing():
            for event in play:
                recorder(event)
    recorder.journal.close()
    return runs.fold(recorder.events)


def bare(play: Play) -> runs.Run:
    """ansible-runner on its own, with its defaults (an event is a file), the same folder in memory, the same options."""
    import ansible_runner

    play.folder.mkdir(mode=0o700)
    handover = play.folder / "handover.json"
    play.handover.write(handover)
    result = ansible_runner.run(
        private_data_dir=str(play.folder),
        playbook=str(playbooks() / play.playbook),
        inventory=str(play.target.folder / "dossier.yml"),
        cmdline=f"--limit {','.join(play.limit)} --diff",
        envvars=play._environment(handover),
        ident=play.run_id,
        quiet=True,
        suppress_env_files=True,
    )
    counted = result.stats or {}
    shutil.rmtree(play.folder)
    run = runs.Run(status=result.status)
    for host, ok in counted.get("ok", {}).items():
        changed = counted.get("changed", {}).get(host, 0)
        failed = counted.get("failures", {}).get(host, 0) + counted.get("dark", {}).get(host, 0)
        run.hosts[host] = runs.HostRun({"ok": ok, "changed": changed, "failed": failed})
    return run


def main() -> None:
    """Play once."""
    way, inventory, office = sys.argv[1:]
    play = prepared(Target(Path(inventory), office, lab=True))
    before = spent()
    run = ours(play) if way == "ours" else bare(play)
    took = spent() - before
    counts = {name: [host.counts[key] for key in ("ok", "changed", "failed")] for name, host in sorted(run.hosts.items())}
    print(json.dumps({"cpu_s": took, "hosts": counts}))


if __name__ == "__main__":
    main()
