"""What an FRR router is given, and what of its configuration is the office's."""

from provisioner.hosts.programs import frr_guard
from provisioner.router.platforms import frr

RUNNING = """Building configuration...

Current configuration:
!
frr version 8.4.4
access-list office-guard remark ready
!
ip route 10.9.0.0/16 192.168.1.77
ip route 0.0.0.0/0 203.0.113.9
ipv6 route 2001:db8:9::/48 fd00::1
!
vrf guests
 ip route 10.0.0.0/8 10.1.1.1
exit-vrf
!
router bgp 65000
 neighbor 203.0.113.9 remote-as 65001
exit
!
end
"""


def test_static_routes_alone_are_the_office_s() -> None:
    """Those of another VRF, and all else of FRR's, are nobody's here; in one order however they were entered."""
    assert frr.ours(RUNNING) == (
        "ip route 0.0.0.0/0 203.0.113.9\nip route 10.9.0.0/16 192.168.1.77\nipv6 route 2001:db8:9::/48 fd00::1\n"
    )


def test_both_sides_reckon_the_routes_alike() -> None:
    """What the guard notes of a push's routes is what whoever looks later compares with, however they were entered."""
    lines = [line for line in RUNNING.splitlines() if line.startswith(("ip route", "ipv6 route"))]

    assert frr_guard.routes_digest([*lines, lines[0]]) == frr.digest(frr.ours(RUNNING))
    assert frr_guard.routes_digest(lines[1:]) != frr.digest(frr.ours(RUNNING))
