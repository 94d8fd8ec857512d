"""Looks at what the witness's doings left on the office's server; as root, standard library only.

Reads one JSON object on stdin (`do`, and what that needs) and prints one: `ok`, `evidence`.
"""

import datetime
import filecmp
import itertools
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import Any

Ask = dict[str, Any]
Answer = dict[str, Any]


def log(since: float) -> str:
    """What the mail programs wrote since then."""
    words = ["journalctl", "--quiet", "--no-pager", "-o", "cat", f"--since=@{int(since)}"]
    words += [f"--identifier=postfix/{part}" for part in ("cleanup", "smtp", "qmgr", "smtpd", "local", "bounce")]
    return subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, timeout=20).stdout


def relayed(ask: Ask) -> Answer:
    """Whether the message with this token went out to the provider; waits for it."""
    until = time.monotonic() + ask["patience"]
    since = time.time() - 120
    lines: list[str] = []
    while time.monotonic() < until:
        text = log(since)
        queued = re.search(rf"^(\w+): message-id=<{re.escape(ask['token'])}@", text, re.M)
        lines = [line for line in text.splitlines() if queued and line.startswith(f"{queued[1]}:")]
        if any("status=sent" in line for line in lines):
            return {"ok": True, "evidence": lines[-1] if "status=sent" in lines[-1] else "\n".join(lines)}
        if any("status=bounced" in line for line in lines):
            break
        time.sleep(0.5)
    for line in lines[:1]:  # it must not arrive a day after the verification
        subprocess.run(["postsuper", "-d", line.partition(":")[0]], capture_output=True, check=False)
    return {"ok": False, "evidence": "\n".join(lines) or "the server never had the message"}


def backups(*words: str) -> tuple[int, list[dict[str, Any]], str]:
    """What the machine's own backup program says, line by line; (exit code, objects, complaints)."""
    done = subprocess.run(["office-backup", *words], capture_output=True, text=True, errors="replace", check=False, timeout=50)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")], done.stderr.strip()


def kept_file(before: float) -> str:
    """A file that the last backup must hold as it is now: somebody's document if there is one, else a setting."""
    settings = ["/etc/office.json", "/etc/hosts", "/etc/hostname"]
    documents = itertools.chain.from_iterable(
        (os.path.join(folder, name) for name in names) for folder, _, names in os.walk("/srv/share")
    )
    for path in itertools.chain(itertools.islice(documents, 2000), settings):
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode) and 0 < status.st_size < 50_000_000 and max(status.st_ctime, status.st_mtime) < before:
            return path
    return settings[-1]


def recent(hours: float, limit_h: float) -> bool:
    """Whether a backup of so many hours ago is the last night's: one from the future is a wrong clock's, nobody knows when."""
    return -1 < hours < limit_h


def restored(ask: Ask) -> Answer:
    """Restore one file of the newest snapshot into a folder of its own and compare it, byte for byte."""
    _, said, wrong = backups("list", "--place", ask["place"])
    snapshots = [one for line in said if line.get("event") == "snapshots" for one in line["snapshots"]]
    if not snapshots:
        causes = "; ".join(line["cause"] for line in said if line.get("cause"))
        return {"ok": False, "none": not causes and not wrong, "evidence": causes or wrong}
    newest = max(snapshots, key=lambda one: str(one["time"]))
    at = datetime.datetime.fromisoformat(re.sub(r"\.\d+", "", newest["time"].replace("Z", "+00:00"))).timestamp()
    hours = (time.time() - at) / 3600
    path = kept_file(at - 60)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        code, said, wrong = backups(
            "restore", "--place", ask["place"], "--snapshot", newest["id"], "--path", path, "--to", folder
        )
        back = os.path.join(folder, os.path.basename(path))
        same = code == 0 and os.path.exists(back) and filecmp.cmp(path, back, shallow=False)
    causes = "; ".join(line["cause"] for line in said if line.get("cause"))
    evidence = f"snapshot {newest['id'][:8]} of {newest['time'][:16]} ({hours:.1f} h ago), {len(snapshots)} kept; {path}: "
    return {
        "ok": same and recent(hours, ask["fresh_h"]),
        "evidence": evidence + ("identical" if same else causes or wrong or "differs"),
    }


def online(ask: Ask) -> Answer:
    """Whether the office's website has a release that is served."""
    path = f"/srv/website/{ask['office']}/current/index.html"
    return {"ok": os.path.isfile(path), "evidence": os.path.realpath(path)}


def way_in(ask: Ask) -> Answer:
    """What the office's end of its tunnel says of itself; waits until its `hub` answers, or (the hub itself) until it is up."""
    until = time.monotonic() + ask["patience"]
    while True:
        words = ["/usr/local/libexec/office-remote", "try" if ask["hub"] else "status"]
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, timeout=40)
        if done.returncode:
            old = "office-remote serve" in done.stderr  # its usage
            why = "an older office-remote is there: apply first" if old else done.stderr.strip()[-300:]
            return {"ok": False, "up": False, "evidence": why}
        said = json.loads(done.stdout)
        ages = {peer["name"]: said["now"] - peer["heard"] for peer in said["peers"] if peer["heard"]}
        told = ", ".join(f"{name} ({round(age)} s)" for name, age in sorted(ages.items())) or "nobody"
        up, closed = "yes" if said["up"] else "no", "no" if said["closed"] is None else "yes"
        answered = f"; answers now: {'yes' if said['answered'] else 'no'}" if ask["hub"] else ""
        evidence = f"up: {up}; closed: {closed}{answered}; heard: {told}; {said['problem']}".rstrip("; ")
        good = said["up"] and (not ask["hub"] or said["answered"])
        if good or said["closed"] is not None or time.monotonic() > until:
            return {"ok": good, "up": said["up"], "closed": said["closed"] is not None, "evidence": evidence}
        time.sleep(1)


AGENT = "http://127.0.0.1:8429"  # vmagent's own page, at its loopback alone


def asked(path: str) -> str:
    """What the agent of the office's numbers says."""
    with urllib.request.urlopen(AGENT + path, timeout=5) as answer:  # noqa: S310 - http, and no other's
        return str(answer.read(4 << 20), "utf-8", "replace")


def numbers(ask: Ask) -> Answer:
    """Whether the hub takes what the agent sends, from now on once more; and what each machine said that the agent asks."""
    until, first = time.monotonic() + ask["patience"], -1
    while True:
        heard: dict[str, str] = {}
        good, evidence = False, ""
        try:
            for one in json.loads(asked("/api/v1/targets"))["data"]["activeTargets"]:
                problem = "" if one["health"] == "up" else one["lastError"] or "not asked yet"
                heard[one["labels"]["host"]] = problem
            counted = re.findall(r'^vmagent_remotewrite_requests_total\{.*status_code="(\w+)"\} (\d+)$', asked("/metrics"), re.M)
            answers = {code: int(count) for code, count in counted}
            taken = answers.get("2XX", 0)
            first = taken if first < 0 else first
            good = taken > first
            told = ", ".join(f"{code}: {count}" for code, count in sorted(answers.items())) or "none"
            evidence = f"the hub's answers since the agent started: {told}"
        except (OSError, ValueError, LookupError, TypeError) as error:
            evidence = f"the agent does not answer: {error}"
        if (good and not any(heard.values())) or time.monotonic() > until:
            return {"ok": good, "heard": heard, "evidence": evidence}
        time.sleep(1)


def main() -> None:
    """Do what is asked."""
    ask = json.load(sys.stdin)
    try:
        answer = globals()[ask["do"]](ask)
    except Exception as error:
        answer = {"ok": False, "evidence": f"it could not be tried: {getattr(error, 'strerror', None) or error}"}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
