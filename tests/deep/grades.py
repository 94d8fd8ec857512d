"""How hard the pack's machines are, said by programs nobody here wrote: lynis, OpenSCAP and ssh-audit, each by its own output.

`make grade` grades a blank machine, then the applied office's server and desktop after a restart, and writes the table of
docs/hardening.md. OpenSCAP is asked as on a machine of its own (`linux-base` is there, as with every kernel), not as in a
container. Its score is also taken without the rules that no container can show, or that this content asks in another Debian's
way: a tailoring file leaves out exactly those, for the blank machine too. Debian packages no content for Debian 13: that for 12
is asked.
"""

import base64
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # called by path, as the Makefile does

from provisioner.inventory.target import state_home
from provisioner.lab.remove import remove_tree
from tests import applied
from tests.stage import Stage, make

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/hardening.md"
# Why a rule is not followed: `office`: an office is served better without; `container`: the lab cannot show it; `content`:
# the grader asks it in another release's way; `disk`: it is decided when the disk is laid out, before us.
UNSHOWN = ("container", "content")
POLICIES = {"trixie": "Hardened Debian 13 (version 1)", "bookworm": "Hardened Debian 12 (version 3)"}
HOSTS = ("server", "desktop")
_RULE = "xccdf_org.ssgproject.content_rule_"
_PROFILE = "xccdf_org.ssgproject.content_profile_anssi_bp28_intermediary"
_TAILORING = f"""<?xml version="1.0" encoding="UTF-8"?>
<Tailoring xmlns="http://checklists.nist.gov/xccdf/1.2" id="xccdf_org.provisioner_tailoring_shown">
<version time="2026-01-01T00:00:00">1</version>
<Profile id="xccdf_org.provisioner_profile_shown" extends="{_PROFILE}"><title>What can be shown here</title>
%s</Profile>
</Tailoring>
"""
# Runs on the host as root: installs the graders, grades, prints one JSON object. `oscap` wants a list of names that Debian 13's
# package lacks; an empty one will do. The content's test of which Debian this is takes this one too.
_GRADE = r"""
export http_proxy="$1" DEBIAN_FRONTEND=noninteractive LC_ALL=C
cd /root
{ apt-get update -q && apt-get install -y -q --no-install-recommends lynis openscap-common openscap-scanner linux-base \
    ssg-debian ssg-debderived; } >/root/install.txt 2>&1 || { tail -n 5 /root/install.txt >&2; exit 1; }
lynis audit system --no-colors --quick >/dev/null 2>&1 || true
dictionary=/usr/share/openscap/cpe/openscap-cpe-dict.xml
mkdir -p "${dictionary%/*}"
[ -e $dictionary ] || echo '<cpe-list xmlns="http://cpe.mitre.org/dictionary/2.0"/>' >$dictionary
. /etc/os-release
content=$(ls /usr/share/xml/scap/ssg/content/ssg-debian*-ds.xml | sort -V | tail -n 1)
sed -E "s/>\^1[0-9]\.\[0-9\]\+\\$</>^$VERSION_ID.[0-9]+$</" "$content" >content.xml
for how in whole shown; do
  if [ $how = whole ]; then set -- --profile PROFILE
  else set -- --tailoring-file tailoring.xml --profile xccdf_org.provisioner_profile_shown; fi
  oscap xccdf eval "$@" --results $how.xml content.xml >$how.txt 2>&1
  [ $? != 1 ] || { tail -n 3 $how.txt >&2; exit 1; }
done
python3 - "$content" <<'PYTHON'
import json, re, subprocess, sys
found = {"content": sys.argv[1].rpartition("/")[2], "log": open("/var/log/lynis.log", errors="replace").read()}
for how in ("whole", "shown"):
    text = open(f"/root/{how}.xml").read()
    found[how] = float(re.search(r'<score system="urn:xccdf:scoring:default"[^>]*>([0-9.]+)<', text)[1])
    found[how + "_rules"] = re.findall(r'<rule-result idref="[^"]*content_rule_([^"]*)".*?<result>(\w+)</result>', text, re.S)
asked = ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", "lynis", "openscap-scanner", "ssg-debian"]
found["versions"] = subprocess.run(asked, capture_output=True, text=True).stdout.splitlines()
print(json.dumps(found))
PYTHON
""".replace("PROFILE", _PROFILE)


@dataclass
class Grade:
    """What lynis and OpenSCAP said of one host; `lost` and `failed` are the rules it does not follow, by their own names."""

    host: str
    lynis: int
    whole: float
    shown: float
    lost: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    content: str = ""
    versions: list[str] = field(default_factory=list)


def reasons() -> dict[str, dict[str, dict[str, str]]]:
    """The rules not followed, by grader and name: `why`, and `because`."""
    found: dict[str, dict[str, dict[str, str]]] = yaml.safe_load((HERE / "grades.yml").read_text())
    return found


def host(stage: Stage, name: str) -> Grade:
    """Grade one host of a lab."""
    unshown = [rule for rule, reason in reasons()["openscap"].items() if reason["why"] in UNSHOWN]
    left_out = "".join(f'<select idref="{_RULE}{rule}" selected="false"/>\n' for rule in unshown)
    proxy = stage.json("lab", "list").data["labs"]
    address = next(lab["proxy"] for lab in proxy if lab["inventory"] == str(stage.inventory))
    for path, text in (("tailoring.xml", _TAILORING % left_out), ("grade.sh", _GRADE)):
        put(stage, name, f"/root/{path}", text)
    said = stage.json("ssh", stage.office, name, "--lab", "--", f"sudo bash /root/grade.sh {address}", timeout_s=1500)
    assert said.code == 0, said.out[-2000:] + said.err[-2000:]
    assert said.data["exit"] == 0, said.data["stderr"]
    return read(name, json.loads(said.data["stdout"]))


def put(stage: Stage, name: str, path: str, text: str) -> None:
    """A file of root's on a host, in pieces a command line can hold."""
    coded = base64.b64encode(text.encode()).decode()
    stage.on(name, f"sudo rm -f {path} {path}.64")
    for start in range(0, len(coded), 60_000):
        stage.on(name, f"echo {coded[start : start + 60_000]} | sudo tee -a {path}.64 >/dev/null")
    stage.on(name, f"sudo sh -c 'base64 -d {path}.64 > {path}'")


def read(name: str, said: dict[str, Any]) -> Grade:
    """A host's grade from what the graders printed there."""
    index = re.search(r"Hardening index : \[(\d+)\]", said["log"])
    assert index, "lynis did not finish"
    results = [result for _, result in said["whole_rules"]]
    return Grade(
        name,
        int(index[1]),
        said["whole"],
        said["shown"],
        lost=points_lost(said["log"]),
        failed=sorted(rule for rule, result in said["whole_rules"] if result == "fail"),
        counts={word: results.count(word) for word in sorted(set(results) - {"notselected"})},
        content=said["content"],
        versions=said["versions"],
    )


def points_lost(log: str) -> list[str]:
    """Each test of lynis that took away points, with what it was about where one test asks of several things."""
    test = about = ""
    found = set()
    for line in log.splitlines():
        if started := re.search(r"Performing test ID (\S+)", line):
            test, about = started[1], ""
        elif asked := re.search(r"sysctl key (\S+) |Checking (\w+) in /tmp|File system: +(/\S+)", line):
            about = next(word for word in asked.groups() if word)
        points = re.search(r"points \((\d+) of (\d+)\)", line)
        if points and int(points[1]) < int(points[2]):
            found.add(f"{test}:{about}" if about else test)
    return sorted(found)


def ssh_audit(stage: Stage, suite: str, address: str) -> subprocess.CompletedProcess[str]:
    """What ssh-audit's policy for the suite says of a host's sshd; 0 when it passes."""
    words = [sys.executable, "-m", "ssh_audit", "--no-colors", "--policy", POLICIES[suite], address]
    said = stage.plugged(*words)
    return subprocess.CompletedProcess(words, said.code, said.out, said.err)


def unexplained(grades: list[Grade]) -> list[str]:
    """What the graders miss and `grades.yml` does not tell of; and what it tells of though no grader misses it any more."""
    known = reasons()
    lynis = {rule for grade in grades for rule in grade.lost}
    openscap = {rule for grade in grades for rule in grade.failed}
    return [
        f"{grader} {word}: {rule}"
        for grader, seen in (("lynis", lynis), ("openscap", openscap))
        for word, rules in (("without a reason", seen - set(known[grader])), ("a reason too many", set(known[grader]) - seen))
        for rule in sorted(rules)
    ]


def blank(folder: Path, suite: str) -> Grade:
    """A machine as the shop sells it."""
    stage = make(folder, hosts=("router", "server"))
    try:
        for words in (("lab", "up", "demo", "--suite", suite), ("adopt", "demo", "--lab", "--yes")):
            said = stage.json(*words)
            assert said.code == 0, said
        return host(stage, "server")
    finally:
        stage.run("lab", "down", "demo")


def office(folder: Path, suite: str) -> tuple[list[Grade], dict[str, bool]]:
    """The applied office's server and desktop after a restart; and whether each sshd passes its policy."""
    with applied.office(folder, applied.ensure(folder / "made", suite), suite) as stage:
        for name in HOSTS:
            stage.restart(name)
        grades = [host(stage, name) for name in HOSTS]
        addresses = {"router": "192.168.1.1", "server": "192.168.1.10", "desktop": "192.168.1.20"}
        return grades, {name: ssh_audit(stage, suite, address).returncode == 0 for name, address in addresses.items()}


def table(stock: Grade, grades: list[Grade], audits: dict[str, bool], suite: str) -> str:
    """The table of docs/hardening.md."""
    server, desktop = grades
    passed = "passes" if all(audits.values()) else f"fails on {', '.join(name for name, good in audits.items() if not good)}"
    rows = [
        "| grader | stock Debian 12 | dev-sec's hardening | stock here | server | desktop | to reach |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        f"| lynis | 59 | 73 | {stock.lynis} | {server.lynis} | {desktop.lynis} | 80 server, 78 desktop |",
        f"| OpenSCAP, ANSSI-BP-028 intermediary, what can be shown here | | | {stock.shown:.1f} | {server.shown:.1f} |"
        f" {desktop.shown:.1f} | 80 |",
        f"| the same, all that it asks | 41.9 | 55.1 | {stock.whole:.1f} | {server.whole:.1f} | {desktop.whole:.1f} | |",
        f"| ssh-audit, “{POLICIES[suite]}” | fails | fails | | {passed} (router too) | | passes |",
    ]
    return "\n".join(rows) + "\n"


def write(text: str, page: Path = PAGE) -> None:
    """Put the table into the page, between its marks."""
    before, rest = page.read_text().split("<!-- grades -->\n", 1)
    _, after = rest.split("<!-- /grades -->\n", 1)
    page.write_text(f"{before}<!-- grades -->\n{text}<!-- /grades -->\n{after}")


def main(words: list[str]) -> int:
    """Grade, print everything, write the table when the office is a Debian 13; 7 when a rule has no reason."""
    suite = words[0] if words else "trixie"
    folder = Path(tempfile.mkdtemp(prefix="grades-", dir=state_home()))
    try:
        for name in ("blank", "office", "office/made"):
            (folder / name).mkdir()
        stock = blank(folder / "blank", suite)
        grades, audits = office(folder / "office", suite)
    finally:
        remove_tree(folder)
    text = table(stock, grades, audits, suite)
    print(json.dumps({"stock": asdict(stock), "hosts": [asdict(grade) for grade in grades], "ssh-audit": audits}, indent=1))
    print(text)
    if suite == "trixie":
        write(text)
    for line in (left := unexplained(grades)):
        print(line, file=sys.stderr)
    return 7 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
