"""An existing RouterOS 7 router in the dossier's words, by its export. Pure.

Forms: help.mikrotik.com (Bridge, VLAN, PPPoE, IP Addressing, DHCP, DNS, NAT, WiFi, WireGuard, Log, NTP). What is neither
understood here nor said word for word by the office's own rendering is told: in the menus that are the office's it would go with
the next push, all else stays on the router.
"""

import re
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

from provisioner.inventory.fields import Domain, Mac, PortName, TunnelKey, mac_form
from provisioner.inventory.network import LineUser, PortNumber, Server
from provisioner.router.platforms import Files
from provisioner.router.platforms import routeros_changes as changes
from provisioner.router.platforms.routeros import LEASE, LOG, OWNED, TOPICS
from provisioner.router.platforms.routeros_part import WHERE, Part, Profile, addresses, alone, interface, without_comment
from provisioner.router.platforms.routeros_syntax import Item, parsed
from provisioner.router.reading import Air, Fixed, Inward, Line, Network, Reading, fits, staying

TIME_SERVERS = 8


def statements(files: Files) -> list[str]:
    """All that a configuration says, in the form of what is told, to be compared with it."""
    items = [changes.plain(item) for file in files.values() for item in parsed(file.content)]
    return [
        said
        for item in items
        for said in (without_comment(item), *(alone(item, key, value) for key, value in item.props.items()))
    ]  # fmt: skip


def read(export: str) -> Reading:
    """What an export says.

    Raises:
        Unparsable: it is none.
    """
    return _Router([Part(changes.plain(item) if item.menu in OWNED else item) for item in parsed(export)]).reading()


class _Router:
    """One export, menu by menu."""

    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts
        self.found = Reading()
        self.vlans = {part.get("name"): (part.get("interface"), part) for part in self.of("/interface vlan")}
        self.bridges = {part.get("name"): part for part in self.of("/interface bridge")}
        self.ports = [part for part in self.of("/interface bridge port") if not part.off]
        self.radios = {_radio(part): part for part in self.of("/interface wifi")}
        self.tunnels = {part.get("name"): part for part in self.of("/interface wireguard")}
        self.line: Part | None = None
        self.link = ""

    def of(self, menu: str) -> list[Part]:
        """The lines of a menu."""
        return [part for part in self.parts if part.menu == menu]

    def reading(self) -> Reading:
        """All of it."""
        for part in self.parts:
            if part.menu in OWNED and part.off and part.item.verb == "add":
                self.found.left.append(part.line(why="it is switched off there"))
        self.ports = [part for part in self.ports if not part.used]
        self._line()
        for part in self.of("/ip address"):
            self._network(part)
        self._tunnel()
        self._given()
        self._inward()
        self._wireless()
        self._time_and_messages()
        for part in self.parts:
            self.found.left += part.left()
        return self.found

    # ------------------------------------------------------------------------------------- the line

    def _line(self) -> None:
        lists: dict[str, list[str]] = {}
        for part in self.of("/interface list member"):
            lists.setdefault(part.get("list"), []).append(part.get("interface"))
        hidden = set[str]()
        for part in self.of("/ip firewall nat"):
            if part.get("action") == "masquerade" and not part.off:
                self.hides = part
                hidden |= {part.get("out-interface"), *lists.get(part.get("out-interface-list"), [])}
        self.outside = {f"list {name}" for name, links in lists.items() if hidden & set(links)}
        ways = [(part.get("name"), part) for part in self.of("/interface pppoe-client") if not part.off]
        ways += [(part.get("interface"), part) for part in self.of("/ip dhcp-client") if not part.off]
        ways += [(link, part) for part in self.of("/ip route") if (link := self._static(part))]
        ways.sort(key=lambda way: way[0] not in hidden)
        self.found.left += [part.line(why="the dossier has one line") for _, part in ways[1:]]
        for part in self.of("/ip dns"):
            part.take_if("allow-remote-requests", "yes")
        if not ways:
            return
        self.link, self.line = ways[0]
        wan = {"/interface pppoe-client": self._pppoe, "/ip dhcp-client": self._dhcp, "/ip route": self._gateway}[
            self.line.menu
        ]()
        if wan is None:
            self.found.left.append(self.line.line(why="a line whose user no dossier takes"))
            return
        port = self.line.get("interface") if wan["type"] == "pppoe" else self.link
        if port in self.vlans:
            port, part = self.vlans[port]
            part.take("name", "interface", "vlan-id")
            wan["vlan"] = int(part.get("vlan-id", "1"))
        self.found.wan_port = port if fits(PortName, port) else ""
        for part in self.of("/ip dns"):
            if dns := addresses(part.words("servers")):
                wan["dns"] = dns
                part.take("servers")
        wan["ipv6"] = False
        for part in self.of("/ipv6 dhcp-client"):
            if part.get("interface") == self.link and not part.off and "prefix" in part.words("request"):
                wan["ipv6"] = True
                part.take("interface", "pool-name", "add-default-route", "use-peer-dns")
                part.take_if("request", "prefix")
        self.found.wan = wan

    def _static(self, part: Part) -> str:
        """The link of a route of all."""
        gateway, _, link = part.get("gateway").partition("%")
        if part.get("dst-address", "0.0.0.0/0") != "0.0.0.0/0" or part.off or not addresses([gateway]):
            return ""
        near = (one for one in self.of("/ip address") if not one.off and (own := interface(one.get("address")))
                and IPv4Address(gateway) in own.network)  # fmt: skip
        return link or next((one.get("interface") for one in near), "")

    def _pppoe(self) -> dict[str, Any] | None:
        line = self.line
        assert line
        if not fits(LineUser, line.get("user")):
            return None
        if line.get("password"):
            self.found.secrets["wan.password"] = line.get("password")
        line.take("name", "interface", "user", "password", "use-peer-dns")
        line.take_if("add-default-route", "yes")
        return {"type": "pppoe", "user": line.get("user")}

    def _dhcp(self) -> dict[str, Any] | None:
        assert self.line
        self.line.take("interface", "use-peer-dns", "use-peer-ntp")
        return {"type": "dhcp"}

    def _gateway(self) -> dict[str, Any] | None:
        assert self.line
        gateway = self.line.get("gateway").partition("%")[0]
        for part in self.of("/ip address"):
            if part.get("interface") == self.link and not part.off and (own := interface(part.get("address"))):
                part.take("address", "interface", "network")
                self.line.take("dst-address", "gateway")
                return {"type": "static", "address": str(own), "gateway": gateway}
        return None

    # --------------------------------------------------------------------------------------- inside

    def _network(self, part: Part) -> None:
        link, own = part.get("interface"), interface(part.get("address"))
        if part.used or not own or link in (self.link, *self.tunnels):
            return
        if any(one.link == link for one in self.found.networks):
            self.found.left.append(part.line(why="a second address on the same link"))
            return
        ports, vlan = self._ports(link)
        part.take("address", "interface", "network")
        text = Item(part.menu, "add", {"address": str(own), "interface": link}).text
        self.found.networks.append(
            Network(own, link, [port for port in ports if fits(PortName, port)], Line(WHERE, text), vlan=vlan)
        )

    def _ports(self, link: str) -> tuple[list[str], int | None]:
        """A link's ports, or the VLAN that it has on those of another."""
        if link in self.bridges:
            self.bridges[link].take("name", "vlan-filtering")
            return self._members(link, "1"), None
        if link not in self.vlans:
            return [link], None
        parent, part = self.vlans[link]
        part.take("name", "interface", "vlan-id")
        number = part.get("vlan-id", "1")
        untagged = self._members(parent, number) if parent in self.bridges else []
        for one in self.of("/interface bridge vlan"):
            if one.get("bridge") == parent and one.words("vlan-ids") == [number]:
                tagged = set(one.words("tagged")) - {parent}
                one.take("bridge", "vlan-ids", "untagged", *(() if untagged and tagged else ("tagged",)))
        return untagged, None if untagged else int(number)

    def _members(self, bridge: str, number: str) -> list[str]:
        """The ports of a bridge whose frames without a tag are of one VLAN; radios are none."""
        found = []
        for part in self.ports:
            if part.get("bridge") == bridge and part.get("pvid", "1") == number:
                part.take("bridge", "interface", "pvid")
                part.take_if("frame-types", "admit-only-untagged-and-priority-tagged")
                found += [part.get("interface")] if part.get("interface") not in self.radios else []
        return found

    def _given(self) -> None:
        pools = {part.get("name"): part for part in self.of("/ip pool")}
        for part in self.of("/ip dhcp-server"):
            network = next((one for one in self.found.networks if one.link == part.get("interface")), None)
            pool = pools.get(part.get("address-pool"))
            if not network or not pool or part.used:
                continue
            ranges = sorted(_ranges(pool.words("ranges"), network), key=lambda one: int(one[1]) - int(one[0]))
            if not ranges:
                continue
            network.first, network.last = ranges[-1]
            pool.take("name", *(("ranges",) if len(pool.words("ranges")) == 1 else ()))
            part.take("name", "address-pool", "interface", "lease-time")
            if (lease := part.get("lease-time", LEASE)) != LEASE:
                text = Item(part.menu, "add", {"name": part.get("name"), "lease-time": lease}).text
                self.found.left.append(Line(WHERE, text, why=f"a lease of {lease[:20]}; the office's are of {LEASE}"))
        for part in self.of("/ip dhcp-server network"):
            network = next((one for one in self.found.networks if str(one.address.network) == part.get("address")), None)
            if network:
                part.take("address")
                for word in ("gateway", "dns-server", "ntp-server"):
                    part.take_if(word, str(network.address.ip))
                if fits(Domain, part.get("domain")) and not self.found.domain:
                    self.found.domain = part.get("domain")
                    part.take("domain")
        for part in self.of("/ip dhcp-server lease"):
            mac, address = mac_form(part.get("mac-address")), addresses(part.words("address"))
            if not part.used and address and fits(Mac, mac) and not part.get("block-access"):
                said = Line(WHERE, without_comment(part.item))
                part.take("address", "mac-address", "server")
                self.found.fixed.append(Fixed(mac, IPv4Address(address[0]), part.called, said))

    # -------------------------------------------------------------------------------------- inwards

    def _inward(self) -> None:
        """Ports that lead in for everybody; one with a condition more is told, not widened."""
        for part in self.of("/ip firewall nat"):
            props, wan = part.item.props, self.found.wan.get("address", "").partition("/")[0]
            if part.used:
                continue
            if part.get("action") == "masquerade" and part.get("chain") == "srcnat":
                if props.keys() <= {"action", "chain", "comment", "out-interface", "out-interface-list", "ipsec-policy"}:
                    part.take("action", "chain", "out-interface", "out-interface-list")
                    part.take_if("ipsec-policy", "out,none")
                continue
            address, outside = addresses(part.words("to-addresses")), part.get("dst-port")
            inside = part.get("to-ports", outside)
            links = [part.get("in-interface"), "list " + part.get("in-interface-list")]
            by_link = any(link in (self.link, *self.outside) for link in links if link)
            by_own = part.get("dst-address-type") == "local" or (bool(wan) and part.get("dst-address") == wan)
            plain = props.keys() <= _FORWARD and (part.get("action"), part.get("chain")) == ("dst-nat", "dstnat")
            if not (plain and (by_link or by_own) and address and len(address) == 1 and part.get("protocol") in ("tcp", "udp")):
                continue
            if fits(PortNumber, outside) and fits(PortNumber, inside):
                said = Line(WHERE, part.item.text)
                name = part.called.removeprefix("forward ")
                self.found.inward.append(
                    Inward(part.get("protocol"), int(outside), IPv4Address(address[0]), int(inside), name, said)
                )
                part.take(*_FORWARD)

    # --------------------------------------------------------------------------------------- tunnel

    def _tunnel(self) -> None:
        why = "the dossier has one tunnel, which calls out"
        for name, part in self.tunnels.items():
            peers = [one for one in self.of("/interface wireguard peers") if one.get("interface") == name and not one.off]
            own = [one for one in self.of("/ip address") if one.get("interface") == name and not one.used]
            made = self._one_tunnel(peers, own) if not self.found.tunnel and not part.used else None
            if not made:
                self.found.left += [one.line(why=why) for one in (part, *peers, *own) if not one.used]
                continue
            self.found.tunnel = made
            if part.get("private-key"):
                self.found.secrets["tunnel.key"] = part.get("private-key")
            part.take("name", "private-key")
            own[0].take("address", "interface", "network")
            peers[0].take("name", "interface", "public-key", "endpoint-address", "endpoint-port", "allowed-address")
            peers[0].take_if("persistent-keepalive", "25s")
            for route in self.of("/ip route"):
                if route.get("gateway") == name and route.get("dst-address") in made["allowed"]:
                    route.take("dst-address", "gateway")

    def _one_tunnel(self, peers: list[Part], own: list[Part]) -> dict[str, Any] | None:
        if len(peers) != 1 or len(own) != 1 or not (address := interface(own[0].get("address"))):
            return None
        peer = peers[0]
        allowed = [interface(one) for one in peer.words("allowed-address")]
        endpoint, port = peer.get("endpoint-address"), peer.get("endpoint-port", "51820")
        if not (fits(TunnelKey, peer.get("public-key")) and fits(Domain, endpoint) and fits(PortNumber, port)):
            return None
        if not allowed or None in allowed:
            return None
        made = {"address": str(address), "peer_key": peer.get("public-key"), "endpoint": endpoint}
        return {**made, **({"port": int(port)} if port != "51820" else {}), "allowed": [str(one) for one in allowed]}

    # ---------------------------------------------------------------------------------------- Wi-Fi

    def _wireless(self) -> None:
        on = {name: part for name, part in self.radios.items() if not part.off}
        counted = Counter(part.get("master-interface") or name for name, part in on.items())
        radio = max(counted, key=lambda name: counted[name], default="")
        self.found.radio = radio if fits(PortName, radio) else ""
        for name, part in self.radios.items():
            if part.off and part.item.props.keys() - {"comment", "disabled"}:
                self.found.left.append(part.line(why="it is switched off there"))
            elif not part.off and (part.get("master-interface") or name) != radio:
                self.found.left.append(part.line(why="a second radio; the dossier has one"))
            elif not part.off:
                self._air(name, part)

    def _profile(self, of: Part | Profile, group: str) -> Profile:
        return Profile(self.of(f"/interface wifi {group}"), of, group)

    def _air(self, name: str, part: Part) -> None:
        configuration = self._profile(part, "configuration")
        security, path = self._profile(configuration, "security"), self._profile(configuration, "datapath")
        kinds = set(security.get("authentication-types").split(",")) - {""}
        mode = _MODES.get(frozenset(kinds - {"wpa-psk"}), "")
        if not mode or not security.get("passphrase") or configuration.get("mode") not in ("", "ap"):
            self.found.left.append(part.line(why="a Wi-Fi without a common key"))
            return
        link = self._into(name, path)
        text = Item(part.menu, part.item.verb, {"ssid": configuration.get("ssid")}, part.item.where).text
        self.found.air.append(Air(configuration.get("ssid"), mode, security.get("passphrase"), link, Line(WHERE, text)))
        part.take("name", "master-interface", "configuration", "security", "datapath")
        configuration.take("name", "ssid", "mode", "security", "datapath")
        security.take("name", "passphrase", *(() if "wpa-psk" in kinds else ("authentication-types",)))
        security.take_if("management-protection", {"wpa3": "required", "wpa2": "disabled"}.get(mode, "allowed"))
        security.take_if("wps", "disable")
        path.take("name", "bridge", "vlan-id")
        path.take_if("client-isolation", "yes" if link not in self.bridges else "no")

    def _into(self, name: str, path: Profile) -> str:
        """The link that a Wi-Fi leads into, as a network's."""
        port = next((one for one in self.ports if one.get("interface") == name), None)
        bridge, number = (port.get("bridge"), port.get("pvid", "1")) if port else (path.get("bridge"), path.get("vlan-id") or "1")
        if port:
            port.take("bridge", "interface", "pvid")
            port.take_if("frame-types", "admit-only-untagged-and-priority-tagged")
        if number == "1":
            return bridge
        return next(
            (link for link, (parent, vlan) in self.vlans.items() if (parent, vlan.get("vlan-id")) == (bridge, number)), ""
        )

    # ---------------------------------------------------------------------------- time and messages

    def _time_and_messages(self) -> None:
        for part in self.of("/system ntp client servers"):
            if not part.used and fits(Server, part.get("address")) and len(self.found.time_servers) < TIME_SERVERS:
                self.found.time_servers.append(part.get("address"))
                part.take("address")
        for part in self.of("/system logging action"):
            to = addresses(part.words("remote"))
            remote = part.get("target") == "remote" or (part.item.verb == "set" and part.item.where == "remote")
            if self.found.syslog or not remote or not to or not fits(PortNumber, part.get("remote-port", "514")):
                continue
            name = part.get("name") or part.item.where
            rules = [one for one in self.of("/system logging") if one.get("action") == name and not one.off]
            if not rules:
                continue
            if not set(TOPICS) <= {one.get("topics") for one in rules}:
                self.found.left.append(part.line(why="the dossier has all messages sent, not some"))
                continue
            self.found.syslog = (to[0], int(part.get("remote-port", "514")), "udp", Line(WHERE, part.item.text))
            if name != LOG:
                self.found.left.append(staying(WHERE, part.line().text))
            part.take("name", "target", "remote", "remote-port")
            for one in rules:
                if name == LOG and one.get("topics") in TOPICS:
                    one.take("action", "topics")


_FORWARD = {"action", "chain", "comment", "disabled", "protocol", "dst-port", "to-addresses", "to-ports", "in-interface",
            "in-interface-list", "dst-address", "dst-address-type"}  # fmt: skip
_MODES = {
    frozenset({"wpa3-psk"}): "wpa3",
    frozenset({"wpa2-psk", "wpa3-psk"}): "wpa3-wpa2",
    frozenset({"wpa2-psk"}): "wpa2",
}


def _radio(part: Part) -> str:
    """What an interface of Wi-Fi is called."""
    default = re.search(r"default-name=([^\s\]]+)", part.item.where)
    return part.get("name") or (default[1] if default else part.item.where)


def _ranges(words: list[str], network: Network) -> Iterator[tuple[IPv4Address, IPv4Address]]:
    for word in words:
        first, _, last = word.partition("-")
        said = addresses([first, last or first])
        if said and all(IPv4Address(one) in network.address.network for one in said):
            yield IPv4Address(said[0]), IPv4Address(said[1])
