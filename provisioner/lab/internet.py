"""An Internet that several labs share: a namespace that routes between their lines, there from the first that joins to the last.

Only the outer addresses of gateways have routes in it (TEST-NET-3), as on the real one: LANs do not meet, and two labs are
no neighbours on one wire. What stands at the lab's own end of its line (its providers, the way to the package cache) is met
by that lab alone, at the addresses that every lab has it at: providers of two offices have each an authority and an account
of their own, and a snapshot fits on any Internet.

Who is on it is read off the labs' own folders, under a lock: no second record that could say otherwise after a kill.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network

from provisioner.errors import BadInput
from provisioner.lab import base, network
from provisioner.lab.network import NAMESPACES, Line, Network
from provisioner.lab.state import LINE, folder_of, line_of, locked
from provisioner.laptop.processes import run

_LINKS = IPv4Network("192.0.2.0/24")  # TEST-NET-1 (RFC 5737): the two ends of each line, no gateway has a route there
_NUMBERS = range(2, 255)


@dataclass(frozen=True, slots=True)
class Internet:
    """The Internet of this name, of whoever has these labs.

    Raises:
        BadInput: it cannot be called so.
    """

    name: str

    def __post_init__(self) -> None:
        """Keep names to what is easily said again."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", self.name):
            raise BadInput(f"{self.name!r} is no name for an Internet", hint="small letters, digits and hyphens")

    @property
    def id(self) -> str:
        """Ten hex digits that tell it from those of other users and other folders of labs, as a lab's id does."""
        return hashlib.sha256(f"{base.lab_home()}\0{self.name}\0internet".encode()).hexdigest()[:10]

    @property
    def namespace(self) -> str:
        """The name of its namespace."""
        return f"pv-{self.id}-internet"

    @property
    def stands(self) -> bool:
        """Whether it is there: after the laptop's reboot it is not."""
        return (NAMESPACES / self.namespace).exists()

    @property
    def lines(self) -> dict[str, Line]:
        """The lines that go to it, by the id of their lab; of labs that are only coming up too."""
        found = {path.parent.name: line_of(path.parent.name) for path in base.lab_home().glob(f"*/{LINE}")}
        return {lab_id: line for lab_id, line in found.items() if line and line.internet == self.name}

    def join(self, lab_id: str) -> Line:
        """Give a lab its number here and write it down in its folder, before anything is made.

        Raises:
            BadInput: no number is left.
        """
        with locked(self.id):
            taken = {line.number for line in self.lines.values()}
            free = next((number for number in _NUMBERS if number not in taken), None)
            if free is None:
                raise BadInput(f"{len(taken)} labs are on the Internet {self.name}, there is room for no other")
            line, record = Line(self.name, free), folder_of(lab_id) / LINE
            new = record.with_suffix(".new")
            new.write_text(json.dumps(asdict(line)), encoding="utf-8")
            new.replace(record)
        return line

    def connect(self, plan: Network, line: Line) -> None:
        """Lay the line from a lab that has joined and whose namespaces are there; the first makes the Internet.

        Raises:
            HostFailed: iproute2 refused; the message says what.
        """
        near, far = _LINKS[1], _LINKS[line.number]
        with locked(self.id):
            if not self.stands:
                network.ip(None, f"netns add {self.namespace}")
            network.ip(
                self.namespace,
                "link set lo up",
                f"link add {_port(line)} type veth peer name line netns {plan.internet}",
                f"address add {near} peer {far} dev {_port(line)}",
                f"link set {_port(line)} up",
                f"route add {line.outside} via {far}",
            )
            network.ip(
                plan.internet,
                f"address add {far} peer {near} dev line",
                "link set line up",
                f"route add {network.SHARED} via {near}",
                f"route add {line.outside} dev {network.INTERNET_LINK}",
            )
            for namespace in (self.namespace, plan.internet):
                inside = ["nsenter", f"--net={NAMESPACES / namespace}", "--", "sh", "-c"]
                run([*inside, "echo 1 > /proc/sys/net/ipv4/ip_forward"])

    def leave(self, lab_id: str) -> None:
        """Take a lab's line away, whatever of it there is; the last one takes the Internet along."""
        with locked(self.id):
            lines = self.lines
            mine = lines.pop(lab_id, None)
            if mine and self.stands:  # a technician's link to this lab's hub: what makes it in user space ends with it
                run(["ip", "-netns", self.namespace, "link", "delete", f"pr-{lab_id}"], check=False)
            if not lines:
                network.remove([self.namespace])
            elif mine and self.stands:
                # by name and now: with its namespace it would go only later, and its number is free in a moment
                run(["ip", "-netns", self.namespace, "link", "delete", _port(mine)], check=False)
            (folder_of(lab_id) / LINE).unlink(missing_ok=True)  # last: a killed `leave` is made again by the next `down`


def _port(line: Line) -> str:
    return f"line{line.number}"
