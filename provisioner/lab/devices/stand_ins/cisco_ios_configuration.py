"""The configuration of the stand-in for Cisco IOS: which lines it takes, what they replace, and what they let through."""

import re
from ipaddress import IPv4Address, IPv4Network

# What may stand below which line; a line that is not here is none that it knows.
_TOP = (
    r"hostname \S+", r"ip domain name \S+", r"ip host \S+ [\d.]+", r"ip name-server [\d.]+", r"ip dns server",
    r"ip dhcp excluded-address [\d.]+( [\d.]+)?", r"ipv6 unicast-routing", r"ip route [\d.]+ [\d.]+ \S+", r"ntp server \S+",
    r"logging host \S+( transport udp port \d+)?", r"ip nat inside source list \S+ interface \S+ overload",
    r"ip nat inside source static (tcp|udp) [\d.]+ \d+ interface \S+ \d+", r"alias exec \S+ .+", r"zone security \S+",
    r"snmp-server \S.*", r"username \S+ .+", r"enable secret .+", r"service .+", r"version \S+",
)  # fmt: skip
_BELOW: dict[str, tuple[str, ...]] = {
    r"interface (GigabitEthernet|Dialer|Vlan)[\d/.]+": (
        r"description .+", r"ip address dhcp", r"ip address [\d.]+ [\d.]+", r"ip nat (inside|outside)",
        r"encapsulation dot1Q \d+",
        r"zone-member security \S+", r"ip access-group \S+ in", r"ipv6 address .+", r"ipv6 enable", r"ipv6 dhcp client pd \S+",
        r"shutdown", r"duplex \S+", r"speed \S+",
    ),
    r"ip dhcp pool \S+": (
        r"network [\d.]+ [\d.]+", r"host [\d.]+ [\d.]+", r"client-identifier [0-9a-f.]+", r"client-name \S+", r"domain-name \S+",
        r"default-router [\d.]+", r"dns-server [\d. ]+", r"option \d+ ip [\d.]+", r"lease \d+( \d+)?",
    ),
    r"ip access-list extended \S+": (r"(\d+ )?(permit|deny) (ip|tcp|udp|icmp) .+",),
    r"ipv6 access-list \S+": (r"(sequence \d+ )?(permit|deny) (ipv6|tcp|udp|icmp) .+",),
    r"class-map type inspect match-(any|all) \S+": (r"match protocol (tcp|udp|icmp)", r"match access-group name \S+"),
    r"policy-map type inspect \S+": (r"class type inspect \S+", r"class class-default", r" (inspect|pass|drop)"),
    r"zone-pair security \S+ source \S+ destination \S+": (r"service-policy type inspect \S+",),
    r"line (con|vty) .+": (r"login local", r"transport input \S+"),
    r"banner login \^C": (r".*",),
}  # fmt: skip
_SINGLE = (
    r"(hostname|ip domain name|description|ip address|zone-member|network|host|client-identifier|client-name|domain-name|lease"
    r"|alias exec \S+)\b"
)


class Wrong(Exception):
    """What it answers to a line that it does not take."""


INVALID = "% Invalid input detected at '^' marker."


class Configuration:
    """Lines with the lines below them."""

    def __init__(self, text: str) -> None:
        self.lines: dict[str, list[str]] = {}
        head = ""
        for line in text.splitlines():
            if line.startswith((" ", "###", "^C")) and head:
                self.lines[head].append(line.removeprefix(" "))
            elif line.strip() and not line.startswith("!") and line != "end":
                head = line
                self.lines.setdefault(head, [])

    def text(self) -> str:
        """As `show running-config` prints it, without its head and end."""
        parts = []
        for head, below in self.lines.items():
            space = "" if head.startswith("banner") else " "
            parts.append(f"{head}\n" + "".join(f"{space}{line}\n" for line in below) + ("!\n" if below else ""))
        return "".join(parts)

    @property
    def hostname(self) -> str:
        """What it is called."""
        return next((line.split()[1] for line in self.lines if line.startswith("hostname ")), "Router")

    def enter(self, mode: str, line: str) -> str:
        """Take a line in a mode (the head of a section, or ""); the mode from then on.

        Raises:
            Wrong: it takes none such.
        """
        no, said = line.startswith("no "), line.strip().removeprefix("no ")
        if mode and (line.startswith("  ") or any(re.fullmatch(form, said) for form in self._forms(mode))):
            self._below(mode, said if not line.startswith("  ") else f" {said}", no=no)
            return mode
        if mode and no and any(re.match(form.split()[0], said) for form in self._forms(mode)):
            self._below(mode, said, no=True)
            return mode
        if mode.startswith("policy-map") and re.fullmatch("inspect|pass|drop", said):
            self._below(mode, f" {said}", no=no)
            return mode
        if no:
            return self._take_away(said)
        for form in _BELOW:
            if re.fullmatch(form, said):
                self._open(said)
                return said
        if not any(re.fullmatch(form, said) for form in _TOP):
            raise Wrong(INVALID)
        self._one(self.lines, said)
        return ""

    def _forms(self, mode: str) -> tuple[str, ...]:
        return next(forms for form, forms in _BELOW.items() if re.fullmatch(form, mode))

    def _open(self, head: str) -> None:
        if head.startswith("zone-pair"):
            for zone in re.findall(r"(?:source|destination) (\S+)", head):
                if zone != "self" and f"zone security {zone}" not in self.lines:
                    raise Wrong(f"% Zone {zone} does not exist")
        self.lines.setdefault(head, [])

    def _below(self, mode: str, said: str, *, no: bool) -> None:
        below = self.lines[mode]
        if no:
            if said == "shutdown" or said in below:
                below[:] = [line for line in below if line != said]
                return
            raise Wrong(INVALID if not re.match(_SINGLE, said) else f"% {said} not found")
        for form, what in (
            (r"service-policy type inspect (\S+)", "policy-map type inspect"),
            (r"zone-member security (\S+)", "zone security"),
        ):
            found = re.fullmatch(form, said)
            if found and f"{what} {found[1]}" not in self.lines:
                raise Wrong(f"% {what} {found[1]} does not exist")
        found = re.fullmatch(r"class type inspect (\S+)", said)
        if found and not any(re.fullmatch(rf"class-map type inspect match-\w+ {found[1]}", head) for head in self.lines):
            raise Wrong(f"% class-map {found[1]} does not exist")
        single = re.match(_SINGLE, said)
        if single and mode.startswith(("interface", "ip dhcp")):
            below[:] = [line for line in below if not re.match(rf"(no )?{re.escape(single[0])}\b", line)]
        if said not in below or said.startswith((" ", "class ")):
            below.append(re.sub(r"^\d+ (?=permit|deny)", "", said))

    def _one(self, lines: dict[str, list[str]], said: str) -> None:
        if single := re.match(_SINGLE, said):
            for head in [head for head in lines if re.match(rf"{re.escape(single[0])}\b", head)]:
                del lines[head]
        lines.setdefault(said, [])

    def _take_away(self, said: str) -> str:
        used = re.fullmatch(r"(policy-map|class-map) type inspect (?:match-\w+ )?(\S+)", said)
        if used:
            word = f"service-policy type inspect {used[2]}" if used[1] == "policy-map" else f"class type inspect {used[2]}"
            if any(word in below for below in self.lines.values()):
                raise Wrong(f"% {used[1]} {used[2]} is being used")
        zone = re.fullmatch(r"zone security (\S+)", said)
        if zone and any(f"zone-member security {zone[1]}" in below or f" {zone[1]}" in head
                        for head, below in self.lines.items() if head.startswith(("interface", "zone-pair"))):  # fmt: skip
            raise Wrong(f"% zone {zone[1]} is being used")
        if said.startswith("interface ") and "." not in said:
            raise Wrong("% Removal of physical interfaces is not permitted")
        if said not in self.lines:
            raise Wrong(INVALID)
        del self.lines[said]
        return ""

    # ---- what of it can be noticed from outside

    def port_of(self, address: str) -> list[str]:
        """The lines of the interface that has an address."""
        return next((below for below in self.lines.values() if any(f"ip address {address} " in line for line in below)), [])

    def passes(self, name: str, port: int) -> bool:
        """Whether a list lets TCP to one of its own ports in."""
        for line in self.lines.get(f"ip access-list extended {name}", []):
            what, kind, *rest = line.split()
            if kind in ("ip", "tcp") and ("eq" not in rest or rest[-1] in (str(port), "22")):
                return what == "permit"
        return False

    def reaches(self, address: str, answers: tuple[str, ...]) -> bool:
        """Whether a ping finds its way, and somebody is there."""
        inside = [IPv4Network("/".join(found[1].split()), strict=False) for below in self.lines.values() for line in below
                  if (found := re.fullmatch(r"ip address ([\d.]+ [\d.]+)", line)) and "shutdown" not in below]  # fmt: skip
        if not re.fullmatch(r"[\d.]+", address):
            return address in answers
        if any(IPv4Address(address) in network for network in inside):
            return address in answers
        ways = [line.split()[4] for line in self.lines if line.startswith("ip route 0.0.0.0 0.0.0.0 ")]
        given = any("ip address dhcp" in below and "shutdown" not in below for below in self.lines.values())
        return address in answers and (given or any(way in answers for way in ways))
