"""A Debian router's configuration: its files as they lie on the disk, and what of them is in force; standard library only."""

import base64
import contextlib
import grp
import os
import re
import subprocess
import time
from typing import Any

Data = dict[str, Any]

BASE = "/var/lib/provisioner/router"
NETWORK = "/etc/systemd/network"
SETTLE_S = 8  # what a link that was reconfigured may take to be as it was


def sync(folder: str) -> None:
    """Make sure that a folder's entries lie on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def put(path: str, content: bytes, mode: int = 0o600, group: str = "root") -> None:
    """Write a file whole or not at all, and make sure that it lies on the disk."""
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    part = f"{folder}/.{os.path.basename(path)}.part"
    try:
        with open(part, "wb") as file:
            os.fchmod(file.fileno(), mode)
            with contextlib.suppress(KeyError):  # a group that comes with a package which is not there yet
                os.fchown(file.fileno(), 0, grp.getgrnam(group).gr_gid)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)  # on a full disk it would take the room of the way back
        raise
    sync(folder)


def remove(path: str) -> None:
    """Take a file away, and make sure that it is gone from the disk."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        sync(os.path.dirname(path))


def look(path: str) -> Data | None:
    """A file as it is: `content` (base64), `mode`, `group`; None where there is none."""
    try:
        with open(path, "rb") as file:
            status, content = os.fstat(file.fileno()), file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = "root"
    return {"content": base64.b64encode(content).decode(), "mode": f"{status.st_mode & 0o7777:04o}", "group": group}


def write(path: str, wanted: Data | None) -> bool:
    """Make a file as wanted; whether it was another."""
    if look(path) == wanted:
        return False
    if wanted is None:
        remove(path)
    else:
        put(path, base64.b64decode(wanted["content"]), int(wanted["mode"], 8), wanted["group"])
    return True


def call(*words: str, stdin: str = "") -> str:
    """Run a program; empty when it succeeded, else what it said."""
    plain = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=20, check=False, env=plain)
    except FileNotFoundError:
        return f"{words[0]} is not installed"
    except subprocess.TimeoutExpired:
        return f"{' '.join(words)} did not end within 20 s"
    return "" if done.returncode == 0 else (done.stderr or done.stdout).strip()[-2000:] or f"{words[0]} failed"


def installed(unit: str) -> bool:
    """Whether the machine has a unit."""
    done = subprocess.run(["systemctl", "cat", unit], capture_output=True, check=False)
    return done.returncode == 0


def ours(files: dict[str, Data | None]) -> list[str]:
    """What stands in the way of these files being ours alone: links in their places, links that another program manages."""
    found = [
        f"{path} is a link or no plain file: take it away first" for path in files if os.path.islink(path) or os.path.isdir(path)
    ]
    listed = subprocess.run(["networkctl", "list", "--no-legend"], capture_output=True, text=True, check=False).stdout
    unmanaged = {line.split()[1] for line in listed.splitlines() if line.split()[-1:] == ["unmanaged"]}
    for path, one in files.items():
        text = base64.b64decode(one["content"]).decode(errors="replace") if one and path.endswith(".network") else ""
        for link in re.findall(r"^\[Match\]\nName=(\S+)$", text, re.M):
            if link in unmanaged and "inet " in says("ip", "-4", "-o", "address", "show", "dev", link):
                found.append(
                    f"{link} has its address from something else than systemd-networkd (ifupdown, NetworkManager):"
                    " it would not come back by itself; give it to systemd-networkd first"
                )
    return found


def says(*words: str) -> str:
    """What a program prints, or nothing."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    return done.stdout if done.returncode == 0 else ""


def firewall() -> str:
    """Our table of the kernel's rules as text that makes it again; empty when there is none."""
    return says("nft", "-s", "list", "table", "inet", "office")


def valid(files: dict[str, Data | None]) -> list[str]:
    """What the programs themselves refuse in the files, each asked before anything is in force."""
    found = []
    for path, wanted in files.items():
        if wanted is None:
            continue
        trial = f"{BASE}/trial{os.path.basename(path)}"
        put(trial, base64.b64decode(wanted["content"]))
        refused = ""
        if path == "/etc/office/firewall.nft":
            refused = call("nft", "-c", "-f", trial)
        elif path.startswith("/etc/dnsmasq.d/"):
            refused = call("dnsmasq", "--test", f"--conf-file={trial}")
        remove(trial)
        if refused:
            found.append(f"{path}: {refused.replace(trial, path)}")
    return found


def links(files: dict[str, Data | None]) -> set[str]:
    """The virtual links that these files make (systemd.netdev(5), Name=)."""
    found = set()
    for path, one in files.items():
        if path.endswith(".netdev") and one:
            text = base64.b64decode(one["content"]).decode(errors="replace")
            found.update(re.findall(r"^\[NetDev\]\nName=(\S+)$", text, re.M))
    return found


def kernel(files: dict[str, Data | None]) -> dict[str, str]:
    """The kernel's present values of all that these files set (sysctl.d(5))."""
    found = {}
    for path, one in files.items():
        if path.startswith("/etc/sysctl.d/") and one:
            for line in base64.b64decode(one["content"]).decode(errors="replace").splitlines():
                name, sign, _ = line.partition("=")
                place = f"/proc/sys/{name.strip().replace('.', '/')}"
                if sign and not line.startswith("#") and os.path.exists(place):
                    with open(place) as file:
                        found[name.strip()] = file.read().strip()
    return found


def in_force(before: dict[str, Data | None], after: dict[str, Data | None], rules: str | None = None) -> list[str]:
    """Have the system go by the files `after` where they differ from `before`; what refused.

    `rules` instead of the file of the firewall: our table as it was, whatever the former file would do to others' tables.
    """
    touched = {path for path in after if before.get(path) != after[path]}
    said = []
    for link in links(before) - links(after):
        call("ip", "link", "delete", link)
    changed = {path for path in touched if path.endswith(".netdev")}
    changed |= {f"{path.removesuffix('.key')}.netdev" for path in touched if path.endswith(".key")}
    for link in links({path: before.get(path) for path in changed}) & links({path: after.get(path) for path in changed}):
        call("ip", "link", "delete", link)  # networkd does not give a link that is there another shape
    for path in touched:
        if path.startswith("/etc/sysctl.d/") and after[path]:
            said.append(call("sysctl", "-q", "-p", path))
    if any(path.startswith(f"{NETWORK}/") for path in touched):
        said.append(call("networkctl", "reload"))
        said += settle(links(after))
    if "/etc/office/firewall.nft" in touched:
        if rules is None and after["/etc/office/firewall.nft"]:
            said.append(call("nft", "-f", "/etc/office/firewall.nft"))
        else:
            said.append(call("nft", "-f", "-", stdin=f"table inet office {{}}\ndelete table inet office\n{rules or ''}"))
    services = {
        "systemd-resolved.service": "/etc/systemd/resolved.conf.d/", "office-names.service": "/etc/dnsmasq.d/",
        "hostapd@office.service": "/etc/hostapd/", "office-line.service": "/etc/ppp/",
        "chrony.service": "/etc/chrony/", "rsyslog.service": "/etc/rsyslog.d/",
    }  # fmt: skip
    for unit, folder in services.items():
        mine = [path for path in after if path.startswith(folder)]
        if touched & set(mine):
            wanted = any(after[path] for path in mine)
            others = unit in ("systemd-resolved.service", "rsyslog.service")  # it goes on without us
            word = "restart" if wanted or others else "stop"
            call("systemctl", "reset-failed", unit)  # several pushes in a row are no service that fails again and again
            if wanted or installed(unit):
                said.append(call("systemctl", word, unit))
    return [line for line in said if line]


def settle(wanted: set[str]) -> list[str]:
    """Wait until the links that are wanted are there, and every link has what its file says (networkd takes the files itself)."""
    until, listed = time.monotonic() + SETTLE_S, ""
    while time.monotonic() < until:
        listed = subprocess.run(["networkctl", "list", "--no-legend"], capture_output=True, text=True, check=False).stdout
        there = all(os.path.exists(f"/sys/class/net/{link}") for link in wanted)
        if there and not re.search(r"\bconfiguring\b|\bpending\b", listed):
            break
        time.sleep(0.2)
    missing = sorted(link for link in wanted if not os.path.exists(f"/sys/class/net/{link}"))
    if missing:
        return [f"systemd-networkd did not make {', '.join(missing)}: does the kernel know this sort of link?"]
    failed = [" ".join(line.split()) for line in listed.splitlines() if re.search(r"\bfailed\b", line)]
    return [f"systemd-networkd: {'; '.join(failed)}"] if failed else []
