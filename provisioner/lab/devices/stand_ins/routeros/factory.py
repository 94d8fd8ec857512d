"""What a RouterOS router has when it comes: its hardware, its services, and the default configuration of a home router.

From help.mikrotik.com: "Default configurations" (CPE and home routers: a bridge of all ports but the first, DHCP on both sides,
a firewall of
its own, each item with the comment `defconf`), "Services" (their ports), "Log" (the actions and rules that are there).
"""

from provisioner.lab.devices.stand_ins.routeros.menus import MENUS, Config
from provisioner.lab.devices.stand_ins.routeros.system import Router


def fresh(ports: int, radios: int, name: str = "MikroTik") -> Config:
    """What a router has that nobody has configured: its hardware, its services, one account."""
    config: Config = {menu: [] for menu in MENUS}
    number = iter(range(1, 1000))

    def item(menu: str, **props: str) -> None:
        config[menu].append({".id": f"*{next(number):X}", **{key.replace("_", "-"): value for key, value in props.items()}})

    for port in range(1, ports + 1):
        item("/interface ethernet", name=f"ether{port}", default_name=f"ether{port}", mac_address=f"48:A9:8A:00:00:{port:02X}")
    for radio in range(1, radios + 1):
        item("/interface wifi", name=f"wifi{radio}", default_name=f"wifi{radio}", disabled="yes")
    for menu, one in MENUS.items():
        if one.single:
            item(menu)
    config["/system identity"][0]["name"] = name
    for service, port in (
        ("telnet", 23),
        ("ftp", 21),
        ("www", 80),
        ("ssh", 22),
        ("api", 8728),
        ("winbox", 8291),
        ("api-ssl", 8729),
    ):
        item("/ip service", name=service, port=str(port))
    for builtin in ("all", "none", "dynamic", "static"):
        item("/interface list", name=builtin, builtin="yes")
    for action in ("memory", "disk", "echo", "remote"):
        item("/system logging action", name=action, target=action, default="yes")
    for topic in ("info", "error", "warning", "critical"):
        item("/system logging", topics=topic, action="echo" if topic == "critical" else "memory", default="yes")
    item("/ipv6 nd", interface="all", default="yes")
    item("/user", name="admin", group="full")
    return config


def default_configuration(router: Router, address: str, ports: int) -> None:
    """What its first start makes of it."""
    by, mark = "admin", {"comment": "defconf"}
    router.add("/interface bridge", {"name": "bridge", **mark}, by)
    for port in range(2, ports + 1):
        router.add("/interface bridge port", {"bridge": "bridge", "interface": f"ether{port}", **mark}, by)
    router.add("/interface list", {"name": "WAN", **mark}, by)
    router.add("/interface list", {"name": "LAN", **mark}, by)
    router.add("/interface list member", {"list": "LAN", "interface": "bridge", **mark}, by)
    router.add("/interface list member", {"list": "WAN", "interface": "ether1", **mark}, by)
    router.add("/ip address", {"address": address, "interface": "bridge", **mark}, by)
    router.add("/ip dhcp-client", {"interface": "ether1", **mark}, by)
    first = address.rpartition(".")[0]
    router.add("/ip pool", {"name": "default-dhcp", "ranges": f"{first}.10-{first}.254"}, by)
    router.add("/ip dhcp-server", {"name": "defconf", "interface": "bridge", "address-pool": "default-dhcp"}, by)
    router.set("/ip dns", router.single("/ip dns"), {"allow-remote-requests": "yes"}, by)
    router.add("/ip dns static", {"name": "router.lan", "address": address.partition("/")[0], **mark}, by)
    for rule in (
        {"chain": "input", "action": "accept", "connection-state": "established,related,untracked"},
        {"chain": "input", "action": "drop", "connection-state": "invalid"},
        {"chain": "input", "action": "accept", "protocol": "icmp"},
        {"chain": "input", "action": "drop", "in-interface-list": "!LAN"},
        {"chain": "forward", "action": "accept", "connection-state": "established,related,untracked"},
        {"chain": "forward", "action": "drop", "connection-state": "invalid"},
        {"chain": "forward", "action": "drop", "connection-state": "new", "connection-nat-state": "!dstnat",
         "in-interface-list": "WAN"},
    ):  # fmt: skip
        router.add("/ip firewall filter", {**rule, **mark}, by)
    router.add("/ip firewall nat", {"chain": "srcnat", "action": "masquerade", "out-interface-list": "WAN", **mark}, by)
    router.history.clear()
