"""A RouterOS system: what it is set to lies on its disk at once (there is no other copy to save it to), files, backups, safe
mode.

From help.mikrotik.com: "Configuration Management" (a change is permanent as soon as it is made; safe mode and its 100 actions),
"Backup" (what a backup file holds, that loading one reboots; without a password it is not encrypted), "File" (on systems with
a `flash` folder, what lies beside it is in memory and gone at a reboot), "Scheduler" (3 s after start, interval, run-count).
"""

import copy
import datetime
import ipaddress
import json
import os
import shutil
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from provisioner.lab.devices.stand_ins.routeros.language import ScriptError
from provisioner.lab.devices.stand_ins.routeros.menus import MENUS, Config, Item, Menu, Wrong, checked, seconds
from provisioner.lab.devices.stand_ins.routeros.network import Cables, dynamic

VERSION = "7.16.1"
HISTORY = 100
STARTUP_S = 3.0
MAGIC = b"\x88\xac\xa1\xb1"
LINKS = (
    "/interface ethernet",
    "/interface bridge",
    "/interface vlan",
    "/interface pppoe-client",
    "/interface wireguard",
    "/interface wifi",
)


class Rebooting(BaseException):
    """The system goes down now: whatever runs on it stops."""


class Router:
    """One router. `folder` is its disk; what is not there is gone when its power is."""

    def __init__(
        self, folder: Path, fresh: Config, *, flash: bool = True, cables: Cables | None = None, startup_s: float = STARTUP_S
    ) -> None:
        """`fresh` is what it is set to where nothing lies on its disk yet (`new`)."""
        self.folder, self.flash, self.cables, self.startup_s = folder, flash, cables or Cables(), startup_s
        self.disk = folder / "flash"
        self.lock = threading.RLock()
        self.globals: dict[str, Any] = {}
        self.history: list[dict[str, str]] = []
        self.safe: dict[str, Any] | None = None
        self.jobs: dict[str, Any] = {}
        self.log: list[str] = []
        self.runs: dict[str, int] = {}
        self.turns: dict[str, tuple[tuple[str, str, str], float | None]] = {}
        self.started = time.monotonic()
        self.up = True
        self.on_reboot: Callable[[], None] = lambda: None
        self.config: Config = {}
        self.new = not (self.disk / "config.json").exists()
        if self.new:
            (self.disk / "files").mkdir(parents=True, exist_ok=True)
            self.config = fresh
            self.store()
        self.boot()

    # ---------------------------------------------------------------------------------------- disk

    def boot(self) -> None:
        """Start: what lies on the disk is in force; memory is empty."""
        self.config = {menu: [] for menu in MENUS} | json.loads((self.disk / "config.json").read_text())
        self.globals, self.history, self.safe, self.jobs, self.runs, self.turns = {}, [], None, {}, {}, {}
        self.started, self.up = time.monotonic(), True
        shutil.rmtree(self.folder / "memory", ignore_errors=True)
        (self.folder / "memory").mkdir()
        if self.flash:
            (self.folder / "flash/files/flash").mkdir(parents=True, exist_ok=True)

    def store(self) -> None:
        """Write the configuration to the disk, whole or not at all."""
        beside = self.disk / "config.new"
        with beside.open("w") as file:
            json.dump(self.config, file)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(self.disk / "config.json")

    def place(self, name: str) -> Path:
        """Where a file lies: on the disk, or in memory where the disk is the folder `flash`."""
        parts = [part for part in name.strip("/").split("/") if part not in ("", ".", "..")]
        kept = not self.flash or parts[:1] == ["flash"]
        return (self.disk / "files" if kept else self.folder / "memory").joinpath(*parts)

    def files(self) -> dict[str, Path]:
        """All files and folders, by the names that the router gives them."""
        found = {}
        for root in (self.disk / "files", self.folder / "memory"):
            for path in sorted(root.rglob("*")):
                found[str(path.relative_to(root))] = path
        return dict(sorted(found.items()))

    # ---------------------------------------------------------------------------------------- items

    def single(self, menu: str) -> Item:
        """What a menu is set to that has no items."""
        return self.config[menu][0]

    def value(self, menu: str, item: Item, name: str) -> str:
        """A property, or what it is when nothing is said."""
        if name == "dynamic":
            return item.get("dynamic", "no")
        return item.get(name, MENUS[menu].defaults.get(name, "")) if menu in MENUS else item.get(name, "")

    def items(self, menu: str) -> list[Item]:
        """The items of a menu, those too that are there by themselves."""
        return [*self.config[menu], *dynamic(self, menu)]

    def links(self) -> dict[str, str]:
        """Every interface by its name, and the menu it is of."""
        return {item["name"]: menu for menu in LINKS for item in self.config[menu] if "name" in item}

    def _fits(self, menu: str, name: str, value: str) -> str:
        kind, links = MENUS[menu].props[name], {*self.links(), "all"}
        known: set[str | None] | None = None
        if kind in ("link", "links"):
            known = {*links, ""}
        elif kind.startswith("ref:"):
            known = {"", *(one.get("name") for one in self.config[kind[4:]])}
        elif kind == "pool":
            known = {"static-only", *(one["name"] for one in self.config["/ip pool"])}
        if known is not None and not {part.removeprefix("!") for part in value.split(",")} <= known:
            raise ScriptError(f"input does not match any value of {name}")
        if kind == "gateway":
            address, _, link = value.partition("%")
            if link and link not in links:
                raise ScriptError(f"input does not match any value of {name}")
            if address not in links:
                self._checked("address", address, name)
        elif kind == "start" and value != "startup":
            self._checked("time", value, name)
        return self._checked(kind, value, name)

    def _checked(self, kind: str, value: str, name: str) -> str:
        try:
            return checked(kind, value, name)
        except Wrong as wrong:
            raise ScriptError(str(wrong)) from None

    def _unique(self, menu: str, item: Item, besides: Item | None = None) -> None:
        for names, said in MENUS[menu].unique:
            wanted = [self.value(menu, item, name) for name in names.split()]
            others = [one for one in self.config[menu] if one is not besides]
            if (
                any(wanted)
                and wanted[0]
                and any([self.value(menu, one, name) for name in names.split()] == wanted for one in others)
            ):
                raise ScriptError(said)
        if "name" in item and menu in LINKS and self.links().get(item["name"], menu) != menu:
            raise ScriptError("failure: already have interface with such name")

    def add(self, menu: str, props: dict[str, str], by: str) -> str:
        """A new item; its number.

        Raises:
            ScriptError: the console's words.
        """
        with self.lock:
            about: Menu = MENUS[menu]
            lacks = [name for name in about.required if name not in props]
            if lacks:
                raise ScriptError(f"missing value(s) of argument(s) {' '.join(lacks)}")
            item = {name: self._fits(menu, name, value) for name, value in props.items()}
            item = self._completed(menu, item)
            self._unique(menu, item)
            number = max((int(one[".id"][1:], 16) for there in self.config.values() for one in there), default=0) + 1
            self.config[menu].append({".id": f"*{number:X}", **item})
            self.changed(f"{menu.rsplit(maxsplit=1)[-1]} added", by)
            return f"*{number:X}"

    def _completed(self, menu: str, item: Item) -> Item:
        """What the system works out by itself and keeps."""
        if menu == "/ip address" and "network" not in item:
            item["network"] = str(ipaddress.IPv4Interface(item["address"]).network[0])
        if menu == "/ipv6 address" and "from-pool" in item:
            item["address"] = item.get("address", "::").removesuffix("/64")
        if "name" in MENUS[menu].props and MENUS[menu].props["name"] == "name" and "name" not in item:
            word = menu.rsplit(maxsplit=1)[-1].removesuffix("s")
            taken = {one.get("name") for there in self.config.values() for one in there}
            item["name"] = next(name for number in range(1, 9999) if (name := f"{word}{number}") not in taken)
        if menu == "/interface wireguard":
            item = {"listen-port": "13231", "mtu": "1420", **item}
        if menu == "/system scheduler":
            now = datetime.datetime.now()
            if item.get("start-time") != "startup":
                item = {"start-date": now.strftime("%Y-%m-%d"), "start-time": now.strftime("%H:%M:%S"), **item}
            item = {"interval": "0s", "policy": "ftp,reboot,read,write,policy,test,password,sniff,sensitive,romon", **item}
        if menu == "/system script":
            item = {"policy": "ftp,reboot,read,write,policy,test,password,sniff,sensitive,romon", **item}
        return item

    def set(self, menu: str, item: Item, props: dict[str, str | None], by: str) -> None:
        """Change an item; None takes a property away.

        Raises:
            ScriptError: the console's words.
        """
        with self.lock:
            if item.get("dynamic") == "yes":
                raise ScriptError("failure: can not change dynamic item")
            wanted = dict(item)
            for name, value in props.items():
                if value is None:
                    wanted.pop(name, None)
                else:
                    wanted[name] = self._fits(menu, name, value)
            self._unique(menu, wanted, besides=item)
            former = item.get("name")
            item.clear()
            item.update(wanted)
            if former and item.get("name") != former:
                self._renamed(menu, former, item["name"])
            self.changed(f"{menu.rsplit(maxsplit=1)[-1]} changed", by)

    def remove(self, menu: str, item: Item, by: str) -> None:
        """Take an item away; who named it is left with its number.

        Raises:
            ScriptError: the console's words.
        """
        with self.lock:
            for flag, said in (("dynamic", "dynamic object"), ("default", "default item"), ("builtin", "builtin item")):
                if item.get(flag) == "yes":
                    raise ScriptError(f"failure: can not remove {said}")
            if MENUS[menu].fixed or "default-name" in item:
                raise ScriptError("failure: can not remove this item")
            self.config[menu].remove(item)
            if "name" in item:
                self._renamed(menu, item["name"], item[".id"])
            self.changed(f"{menu.rsplit(maxsplit=1)[-1]} removed", by)

    def _renamed(self, menu: str, former: str, now: str) -> None:
        """Items name each other by number, so they follow a new name."""
        mean = {f"ref:{menu}", "pool" if menu == "/ip pool" else "", *(("link", "links", "gateway") if menu in LINKS else ())}
        for other, there in self.config.items():
            for name in [name for name, kind in MENUS[other].props.items() if kind in mean]:
                for one in (one for one in there if name in one):
                    one[name] = ",".join(now if part == former else part for part in one[name].split(","))

    # ---------------------------------------------------------------------------------------- history, safe mode

    def changed(self, action: str, by: str) -> None:
        """Note a change, and have it on the disk. Beyond what the history holds, safe mode is over without a word."""
        self.store()
        self.history.append({"action": action, "by": by})
        if self.safe is not None:
            self.safe["count"] += 1
            if self.safe["count"] > HISTORY:
                self.safe = None
        del self.history[:-HISTORY]

    def take_safe(self, owner: object) -> None:
        """Enter safe mode."""
        self.safe = {"owner": owner, "count": 0, "before": copy.deepcopy(self.config)}

    def unroll(self, owner: object) -> None:
        """What was changed in the safe mode of a session is undone."""
        with self.lock:
            if self.safe is not None and self.safe["owner"] is owner:
                self.config = self.safe["before"]
                self.safe = None
                self.store()

    # ---------------------------------------------------------------------------------------- backup, start

    def save_backup(self, name: str) -> None:
        """`/system backup save` without a password."""
        path = self.place(name if name.endswith(".backup") else f"{name}.backup")
        if not path.parent.is_dir():
            raise ScriptError("failure: no such folder")
        path.write_bytes(MAGIC + zlib.compress(json.dumps(self.config).encode()))

    def load_backup(self, name: str) -> None:
        """`/system backup load`: the configuration of then, and a reboot.

        Raises:
            ScriptError: there is none, or it is none.
            Rebooting: it is in force at the next start.
        """
        path = self.place(name if name.endswith(".backup") else f"{name}.backup")
        try:
            held = path.read_bytes()
            if not held.startswith(MAGIC):
                raise ValueError
            config = json.loads(zlib.decompress(held[len(MAGIC) :]))
        except FileNotFoundError:
            raise ScriptError("failure: backup file not found") from None
        except (ValueError, zlib.error):
            raise ScriptError("failure: wrong file format") from None
        with self.lock:
            self.config = config
            self.store()
        self.reboot()

    def reboot(self) -> None:
        """Go down and start again."""
        self.up = False
        self.on_reboot()
        raise Rebooting

    # ---------------------------------------------------------------------------------------- scheduler

    def due(self) -> Iterator[Item]:
        """What the scheduler has to run now, each time once."""
        now = time.time()
        for item in list(self.config["/system scheduler"]):
            said = (item.get("interval", ""), item.get("start-date", ""), item.get("start-time", ""))
            if item[".id"] not in self.turns or self.turns[item[".id"]][0] != said:
                self.turns[item[".id"]] = (said, self._next(item, now))
            turn = self.turns[item[".id"]][1]
            if turn is None or now < turn:
                continue
            self.turns[item[".id"]] = (said, self._next(item, now) if seconds(said[0] or "0s") else None)
            if self.value("/system scheduler", item, "disabled") != "yes":
                self.runs[item[".id"]] = self.runs.get(item[".id"], 0) + 1
                yield item

    def _next(self, item: Item, now: float) -> float | None:
        """When an item runs next; None where its time is over."""
        interval = seconds(item.get("interval", "0s"))
        if item.get("start-time") == "startup":
            # "If the interval is set to value other than 0 scheduler will not run at startup"
            up_s = time.monotonic() - self.started
            return now + interval if interval else (now - up_s + self.startup_s if up_s < self.startup_s else None)
        try:
            text = f"{item.get('start-date')} {item.get('start-time')}"
            start = datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S").timestamp()
        except ValueError:
            return None
        if start > now:
            return start
        return start + (int((now - start) / interval) + 1) * interval if interval else None

    def script_of(self, item: Item) -> str:
        """What an entry of the scheduler runs: a script by its name, or its own text."""
        text = item.get("on-event", "")
        return next((one.get("source", "") for one in self.config["/system script"] if one["name"] == text), text)
