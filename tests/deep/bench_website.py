"""The bench's numbers of a website that is online: what visitors get while releases come and go, and what a deploy carries."""

import json
import signal
import subprocess
from pathlib import Path

from provisioner import package_cache
from provisioner.lab.network import NAMESPACES, OUTSIDE
from provisioner.lab.state import ready
from provisioner.laptop.processes import as_root
from tests.deep.bench_lab import Place, ran
from tests.deep.bench_tools import Broken, Number, say
from tests.lab.light import bring_up, light, state
from tests.stage import Stage

ROLES = {"server": ("base", "web_server", "website"), "router": ("base", "router")}
DOMAIN = "epicerie.example"
TURNS = 20
WANTED = 10_000
LINES = 200

# What wrk(1) asks and counts: two pages in turn; a page is of one release when its lines all say so.
ASK = f"""
local pages, turn, threads = {{"/", "/about.html"}}, 0, {{}}
failed, mixed, asked = 0, 0, 0
function setup(thread) table.insert(threads, thread) end
function request() turn = turn + 1; return wrk.format("GET", pages[turn % 2 + 1]) end
function response(status, headers, body)
  asked = asked + 1
  if status ~= 200 then failed = failed + 1; return end
  local _, one = body:gsub("<p>one</p>", ""); local _, two = body:gsub("<p>two</p>", "")
  if not ((one == {LINES} and two == 0) or (one == 0 and two == {LINES})) then mixed = mixed + 1 end
end
function done(summary, latency, requests)
  local sum = {{failed = 0, mixed = 0, asked = 0}}
  for _, thread in ipairs(threads) do
    for name in pairs(sum) do sum[name] = sum[name] + thread:get(name) end
  end
  local lost = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("\\nSEEN %d %d %d\\n", sum.asked, sum.failed + lost, sum.mixed))
end
function delay() return 20 end
"""


def _release(folder: Path, word: str) -> str:
    folder.mkdir()
    for name in ("index.html", "about.html"):
        (folder / name).write_text(f"<!doctype html><html lang=en><title>{name}</title>" + f"<p>{word}</p>\n" * LINES)
    return str(folder)


def _visitors(stage: Stage, folder: Path) -> "subprocess.Popen[str]":
    """Eight visitors on the Internet's side of the office's line, where its name leads to the line; they go at a SIGINT."""
    (folder / "ask.lua").write_text(ASK)
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{OUTSIDE.ip} {DOMAIN}\n")
    inside = f'mount --bind "{folder}/hosts" /etc/hosts && exec wrk -t1 -c8 -d3600s -s "{folder}/ask.lua" https://{DOMAIN}/'
    words = ["nsenter", f"--net={NAMESPACES / ready(stage.target).network.internet}", "--"]
    words += ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", inside]
    return subprocess.Popen(as_root(words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def website(place: Place) -> list[Number]:
    """Visitors while the site changes, and the bytes of a small change."""
    folder = place.folder / "website"
    folder.mkdir()
    with package_cache.in_use():
        stage = light(folder, ROLES)
        place.ending.callback(ran, stage, "lab", "down", stage.office)
        bring_up(stage)
        ran(stage, "apply", stage.office, "--lab", "--yes")
    return [*_turns(stage, folder), *_carried(stage)]


def _turns(stage: Stage, folder: Path) -> list[Number]:
    one, two = _release(folder / "one", "one"), _release(folder / "two", "two")
    deploy = ("website", "deploy", stage.office, "--lab", "--from")
    say(f"{TURNS} deploys and rollbacks under visitors")
    ran(stage, *deploy, one)
    ran(stage, *deploy, two)
    visitors = _visitors(stage, folder)
    try:
        for turn in range(TURNS):
            if turn % 2:
                ran(stage, "website", "rollback", stage.office, "--lab")
            else:
                ran(stage, *deploy, one)
    finally:
        visitors.send_signal(signal.SIGINT)
    said = visitors.communicate()[0]
    found = next((line.split()[1:] for line in said.splitlines() if line.startswith("SEEN ")), None)
    if found is None:
        raise Broken(f"wrk: {said[-800:]}")
    asked, failed, mixed = map(int, found)
    what = f"requests that failed of at least {WANTED:,} while the website is deployed or rolled back {TURNS} times"
    return [
        Number(what, "0", f"{failed} of {asked:,}", failed == 0 and asked >= WANTED),
        Number("pages of two releases in one, of the same", "0", f"{mixed} of {asked:,}", mixed == 0 and asked >= WANTED),
    ]


def _carried(stage: Stage) -> list[Number]:
    """A word changed in a piece of news: its page, and the pages that list it."""
    ran(stage, "website", "deploy", stage.office, "--lab")
    before = json.loads(ran(stage, "--json", "website", "build", stage.office, "--lab").out)
    page = sorted((stage.inventory / f"offices/{stage.office}/website/actualites").glob("*.md"))[0]
    page.write_text(page.read_text() + "\nUn mot de plus.\n")
    after = json.loads(ran(stage, "--json", "website", "deploy", stage.office, "--lab").out)
    built = [json.loads(Path(f"{Path(before['folder']).parent}/{name}.json").read_text()) for name in
             (before["release"], after["release"])]  # fmt: skip
    changed = {digest for digest in built[1]["files"].values() if digest not in built[0]["files"].values()}
    audit = [json.loads(path.read_text()) for path in sorted((state(stage) / "runs").glob("*.json"))]
    sent = next(one for one in reversed(audit) if one.get("release") == after["release"])
    names = sorted(name for name, digest in built[1]["files"].items() if digest in changed)
    say(f"changed: {' '.join(names)}")
    what = f"files sent of {len(built[1]['files'])} when a piece of news has a word more, to those that are others"
    return [Number(what, "1x", f"{sent['sent_files']} to {len(changed)} ({sent['sent_bytes'] / 1000:.1f} kB)",
                   sent["sent_files"] <= len(changed))]  # fmt: skip
