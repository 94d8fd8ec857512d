"""The OpenWrt stand-in does what OpenWrt's documents say, and none of it is done to this laptop."""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.lab.devices.stand_ins import Box
from provisioner.lab.devices.stand_ins.openwrt.commands import COMMANDS
from provisioner.lab.devices.stand_ins.openwrt.machine import Machine
from provisioner.lab.devices.stand_ins.openwrt.processes import Input, Streams
from provisioner.lab.devices.stand_ins.openwrt.shell import Shell
from provisioner.router.platforms import openwrt_guard
from tests.router.boxes import soon

Say = Callable[..., tuple[int, str]]


def machine(folder: Path) -> Machine:
    """One that starts."""
    one = Machine(Box(folder, "openwrt", "127.0.0.1", 22, "root", "x", answers=("192.168.1.10",)), "192.168.1.1", COMMANDS)
    one.boot()
    return one


def said(router: Machine, text: str, stdin: bytes = b"", name: str = "sh") -> tuple[int, str]:
    """What a script says and complains of, and its exit code."""
    out = bytearray()
    shell = Shell(router, router.new_process([name]), [name])
    shell.variables["HOME"] = "/root"
    return shell.run(text, Streams(Input(stdin), out.extend, out.extend)), out.decode("utf-8", "surrogateescape")


@pytest.fixture
def router(tmp_path: Path) -> Machine:
    """One as it comes."""
    return machine(tmp_path)


# ruff: noqa: E501 - lines of a shell's, each a case
SNIPPETS = [
    "x='a  b'; echo $x; echo \"$x\"; echo '$x' \"\\$x\" \\$x",
    "x=; echo \"${x:-none}\" \"${x-none}\" \"${y-none}\" \"${x:+more}\" ${#x}; y=12.34; echo ${y%.*} ${y#*.} ${y%%[0-9]} ${y##*3}",
    "f() { echo \"$#:$1:$2\"; return 3; }; f 'a b' c; echo $?; set -- 1 '2 3'; for i; do echo \"<$i>\"; done; shift; echo \"$*\"",
    "if false; then echo a; elif true; then echo b; else echo c; fi; ! false && echo d || echo e",
    "i=0; while [ $i -lt 3 ]; do i=$((i + 1)); [ $i = 2 ] && continue; echo $i; done; until false; do break; done; echo $?",
    "case \"a.b\" in x|y) echo 1;; a.*) echo 2;; *) echo 3;; esac; case '*' in '*') echo 4;; esac; case x in [a-w]) echo 5;; esac",
    "echo $((1 + 2 * 3 - (4 - 1) / 2)) $((7 % 4)) $((3 > 2))",
    "(x=1; echo $x; exit 4); echo $? ${x:-unset}; { echo a; echo b; } | while read -r line; do echo \"[$line]\"; done",
    "x=$(printf 'a\\nb\\n\\n'); echo \"$x\"; echo \"$(false)\" $?; x=$(false); echo $?",
    "echo a; exit 5; echo b",
    "no-such-word; echo $?",
    "printf '%s-%s\\n' 1 2 3; printf '100%%\\n'; echo -n a; echo b # c",
    "read -r a b; echo \"$b|$a\"; read -r c; echo \"$c $?\"",
    "[ -n \"\" ]; echo $?; [ a != b ] && [ 2 -ge 2 ]; echo $?; [ ! -e /no ] && echo none; test -d / && echo folder",
    "false || { echo x; }; x=1 y=2; echo $x$y; x=3 true; echo $x; eval 'echo $y'",
    "echo out; echo err >&2; { echo gone; } > /dev/null 2>&1; f() { local v=1; v=2; }; v=9; f; echo $v",
]  # fmt: skip


@pytest.mark.parametrize("text", SNIPPETS)
def test_its_shell_says_what_a_shell_says(router: Machine, text: str) -> None:
    """The same as dash, for what only prints."""
    dash = shutil.which("dash")
    assert dash
    real = subprocess.run([dash, "-c", text, "sh"], input=b"one two three\nlast", capture_output=True, timeout=10, check=False)
    expected = (real.stdout + real.stderr).decode().replace("sh: 1: ", "sh: ")

    code, heard = said(router, text, b"one two three\nlast")
    assert (code, sorted(heard.splitlines())) == (real.returncode, sorted(expected.splitlines()))


def test_the_guard_is_a_script_for_every_shell(tmp_path: Path) -> None:
    """dash reads it through without an error; it is not run."""
    for name, text in (("guard", openwrt_guard.PROGRAM_TEXT), ("init", openwrt_guard.INIT_TEXT)):
        (tmp_path / name).write_text(text)
        subprocess.run(["dash", "-n", str(tmp_path / name)], check=True, capture_output=True)


def test_a_script_that_deletes_never_touches_the_laptop(router: Machine, tmp_path: Path) -> None:
    """Whatever a script names, files and programs alike are the stand-in's own: nothing here is read, written, run or removed."""
    witness = tmp_path / "witness"
    witness.write_text("here")
    before = sorted(str(path) for path in tmp_path.rglob("*") if "flash" not in path.parts)
    for text in (
        f"rm -rf {tmp_path}; rm -rf /; rm -rf ../../../../..", f"echo gone > {witness}", f"cat {witness}", f"mv {witness} /x",
        f"/usr/bin/env touch {tmp_path}/made", f"/bin/rm {witness}", f"ln -s {tmp_path} /etc/link; rm -rf /etc/link/*",
        f"python3 -c 'open(\"{tmp_path}/made\", \"w\")'", f"sh -c 'rm -f {witness}'", f"cp {witness} /etc/copy", "kill -9 1",
    ):  # fmt: skip
        said(router, text)
    assert witness.read_text() == "here"
    assert sorted(str(path) for path in tmp_path.rglob("*") if "flash" not in path.parts) == before
    assert all(path.parent == tmp_path / "flash" for path in tmp_path.rglob("*") if path.is_file() and path != witness)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("uci get network.lan.ipaddr", "192.168.1.1\n"),
        ("uci get network.nope.x", "uci: Entry not found\n"),
        ("uci -q get network.nope.x; echo $?", "1\n"),
        ("uci show system.@system[0]", "system.@system[0]=system\nsystem.@system[0].hostname='OpenWrt'\n"
         "system.@system[0].timezone='UTC'\nsystem.@system[0].ttylogin='0'\nsystem.@system[0].log_size='64'\n"),
        ("uci set network.lan.ipaddr=10.0.0.1; uci changes; uci revert network; uci get network.lan.ipaddr",
         "network.lan.ipaddr='10.0.0.1'\n192.168.1.1\n"),
        ("uci set network.lan.ipaddr=10.0.0.1; grep -q 10.0.0.1 /etc/config/network || echo staged; uci commit network;"
         " grep 10.0.0.1 /etc/config/network; ls /tmp/.uci", "staged\n\toption ipaddr '10.0.0.1'\n"),
        ("uci add_list network.lan.dns=1.1.1.1; uci add_list network.lan.dns=9.9.9.9; uci changes; uci commit; uci get network.lan.dns;"
         " uci del_list network.lan.dns=1.1.1.1; uci commit; uci show network.lan.dns",
         "network.lan.dns+='1.1.1.1'\nnetwork.lan.dns+='9.9.9.9'\n1.1.1.1 9.9.9.9\nnetwork.lan.dns='9.9.9.9'\n"),
        ("name=$(uci add firewall rule); uci set firewall.$name.name=\"it's\"; uci commit; uci show firewall.@rule[-1]; uci rename"
         " firewall.@rule[-1]=mine; uci commit; uci get firewall.mine", "firewall.@rule[1]=rule\n"
         "firewall.@rule[1].name='it'\\''s'\nrule\n"),
        ("uci delete network.wan6; uci commit; uci get network.wan6", "uci: Entry not found\n"),
        ("uci set network.lan=; uci set lan", "uci: Invalid argument\n"),
        ("printf \"config a 'b'\\n\\toption x 'y\\n\" > /etc/config/broken; uci export broken",
         "uci: Parse error (EOF with unterminated ') at line 3, byte 1\n"),
        ("printf 'config a\\n  option x y # z\\n' | uci import made; uci export made", "package made\n\nconfig a\n\toption x 'y'\n\n"),
        ("uci nope; echo $?", "Usage: uci [<options>] <command> [<arguments>]\n255\n"),
    ],
)  # fmt: skip
def test_uci(router: Machine, line: str, answer: str) -> None:
    """Staged and committed, named and not, quoted and wrong: in uci's words."""
    assert said(router, line)[1] == answer


def rule(**options: str) -> str:
    """A rule of the firewall, and what fw4 says of it."""
    text = "".join(f"\\toption {key} '{value}'\\n" for key, value in options.items())
    return f'printf "\\nconfig rule\\n{text}" >> /etc/config/firewall; fw4 check'


@pytest.mark.parametrize(
    ("options", "code", "answer"),
    [
        ({"src": "nope"}, 0, "[!] Section @rule[1] option 'src' specifies invalid value 'nope'"),
        (
            {"name": "a", "src": "lan", "family": "ipx"},
            0,
            "[!] Section @rule[1] (a) option 'family' specifies invalid value 'ipx'",
        ),
        ({"src": "lan", "dest_port": "70000"}, 0, "[!] Section @rule[1] option 'dest_port' specifies invalid value '70000'"),
        ({"src": "lan", "dest_port": "90-80"}, 0, "[!] Section @rule[1] option 'dest_port' specifies invalid value '90-80'"),
        ({"src": "lan", "src_ip": "300.1.1.1"}, 0, "[!] Section @rule[1] option 'src_ip' specifies invalid value '300.1.1.1'"),
        ({"src": "lan", "target": "let"}, 0, "[!] Section @rule[1] skipped due to invalid options"),
        ({"src": "lan", "colour": "red"}, 0, "[!] Section @rule[1] specifies unknown option 'colour'"),
        ({"src": "lan", "family": "ipv6", "src_ip": "10.0.0.1"}, 0, "referenced IPv4 source IP in IPv6 section, skipping"),
        ({"src": "lan", "proto": "nope", "target": "ACCEPT"}, 1, "Error: Could not resolve protocol name"),
    ],
)
def test_fw4_says_what_it_leaves_out(router: Machine, options: dict[str, str], code: int, answer: str) -> None:
    """A zone, family, port or address that is none is a warning, and the rest goes on; what nft refuses is an error."""
    found, heard = said(router, rule(**options))
    assert (found, answer in heard, "Ruleset passes" in heard) == (code, True, code == 0), heard


def test_a_firewall_that_lets_nobody_in(router: Machine) -> None:
    """By its zones and rules; a ruleset that nft refuses leaves the former one in force."""
    assert router.admits(22)
    said(router, "uci set firewall.@zone[0].input=REJECT; uci commit; /etc/init.d/firewall reload")
    assert not router.admits(22)
    said(router, rule(src="lan", proto="tcp", dest_port="22", target="ACCEPT") + "; fw4 reload")
    assert router.admits(22)
    said(
        router,
        rule(src="lan", proto="nope", target="ACCEPT") + "; uci set firewall.@rule[1].dest_port=23; uci commit; fw4 reload",
    )
    assert router.admits(22)


def test_what_a_power_cut_takes(tmp_path: Path) -> None:
    """What lies in /tmp, and what was written and not synced."""
    first = machine(tmp_path)
    said(first, "echo 1 > /etc/kept; sync; echo 2 > /etc/lost; echo 3 > /etc/kept; echo 4 > /tmp/x; ln -s kept /etc/link")

    assert said(machine(tmp_path), "cat /etc/kept; ls /etc/lost /tmp/x /etc/link 2>&1")[1].startswith("1\nls: ")


def test_procd_starts_it_again_and_rc_d_at_a_start(tmp_path: Path) -> None:
    """A service that is killed runs again, as often as it is; `enable` makes it run at the next start."""
    router = machine(tmp_path)
    script = openwrt_guard.INIT_TEXT.replace(openwrt_guard.PROGRAM, "/etc/prog").replace(
        f"{openwrt_guard.ROOT}/open", "/etc/kept"
    )
    said(router, f"printf '%s' {openwrt_guard.quoted(script)} > /etc/init.d/s; chmod 755 /etc/init.d/s")
    said(router, "printf '#!/bin/sh\\necho $1 >> /etc/ran; while :; do sleep 1; done\\n' > /etc/prog; chmod 755 /etc/prog")
    said(router, "/etc/init.d/s enable; /etc/init.d/s start; /etc/init.d/s start")
    assert soon(lambda: said(router, "cat /etc/ran")[1] == "watch\n", 5)
    router.kill_helpers()
    assert soon(lambda: said(router, "cat /etc/ran")[1] == "watch\nwatch\n", 5)
    said(router, "/etc/init.d/s stop; ls /etc/rc.d | grep -q S11s && echo there")
    time.sleep(1.5)
    assert said(router, "cat /etc/ran; /etc/init.d/s running || echo ended") == (0, "watch\nwatch\nended\n")
    said(router, "printf '#!/bin/sh\\necho $1 >> /etc/ran\\n' > /etc/prog; sync")
    assert said(machine(tmp_path), "cat /etc/ran")[1] == "watch\nwatch\nboot\n"
