"""What a host says is data: bounded, of the shape that was asked for, and shown without what moves a terminal."""

import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from provisioner.backup import lines
from provisioner.hosts import answers
from provisioner.laptop.text import visible
from provisioner.verify.checks import told
from provisioner.verify.checks.updates import periodic

PLUGINS = Path(__file__).parents[2] / "playbooks/plugins"


def plugin(path: str) -> ModuleType:
    """One of Ansible's plugins of ours."""
    spec = importlib.util.spec_from_file_location(f"plugin_{Path(path).stem}", PLUGINS / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_program_that_says_too_much_is_ended_at_once(stream: str) -> None:
    """It would never stop: it is killed once it said more than an answer holds, and nothing of it is kept."""
    began = time.monotonic()
    with pytest.raises(answers.TooMuch, match="more than 1 MB"):
        answers.call(python(f"import sys\nwhile True: sys.{stream}.write('x' * 65536)"), timeout_s=30, limit_bytes=1 << 20)
    assert time.monotonic() - began < 20


def test_a_program_that_drips_is_ended_in_time() -> None:
    """A byte now and then is no answer either."""
    with pytest.raises(subprocess.TimeoutExpired):
        answers.call(python("import time\nwhile True: print('.', flush=True); time.sleep(0.1)"), timeout_s=1.5)


def test_what_it_is_given_and_what_it_says_come_whole() -> None:
    """More than a pipe holds, both ways, with its exit code."""
    text = "é" * 300_000
    done = answers.call(python("import sys; sys.stdout.write(sys.stdin.read()); sys.exit(7)"), stdin=text, timeout_s=30)
    assert (done.stdout, done.returncode) == (text, 7)


def test_of_a_path_ansible_hears_whether_it_is_to_be_written() -> None:
    """A playbook of a course may copy files: of `stat` what that needs comes in, by its type, and nothing else."""
    known = plugin("connection/bounded_ssh.py").known
    said = {"exists": True, "isdir": "yes", "islnk": False, "checksum": "ab", "lnk_source": "/x", "_ansible_no_log": False}
    assert known({"stat": said}) == {"stat": {"exists": True, "islnk": False, "checksum": "ab"}}
    assert known({"stat": ["exists"]}) == {}


def test_of_a_modules_answer_only_known_words_come_in() -> None:
    """Facts, hosts, groups, marks of Ansible's own, wrong types: dropped; what is read of it stays as it is."""
    known = plugin("connection/bounded_ssh.py").known
    claim = {
        "changed": True, "msg": "ok", "rc": 0, "stdout": "debian-13", "written": ["/etc/x", 5, {"a": 1}],
        "diff": [{"before": "a", "after": {"_ansible_x": 1, "b": [{"__ansible_type": "T"}]}, "before_header": 5}, 7],
        "ansible_facts": {"this_host": {}}, "add_host": {}, "add_group": "x", "_ansible_no_log": False, "ansible_stats": {},
        "failed": "no", "unreachable": True, "results": [], "stdout_lines": ["x"], "warnings": ["w"], "exception": {},
    }  # fmt: skip
    assert known(claim) == {
        "changed": True, "msg": "ok", "rc": 0, "stdout": "debian-13", "written": ["/etc/x"],
        "diff": [{"before": "a", "after": {"b": [{}]}}],
    }  # fmt: skip
    assert known({"changed": 1, "rc": True, "msg": None}) == {}


NIGHTS = '{{"event": "snapshots", "place": "disk", "snapshots": [{{"id": "{}", "time": "{}", "hostname": "s", "bytes": 1}}]}}'
DONE = '{"event": "place_done", "place": "disk", "snapshot": "abcd", "bytes": -1, "added": 0, "files": 0, "seconds": 1}'


@pytest.mark.parametrize(
    "line",
    [
        NIGHTS.format("../x", "2026-01-01T00:00:00Z"), NIGHTS.format("abcd", "yesterday"),
        NIGHTS.format("abcd", "2026-01-01"), DONE,
        '{"event": "place_failed", "place": "../../x", "cause": "y"}', '{"event": "failed", "cause": 5}', "5", "[]", "null",
    ],
)  # fmt: skip
def test_a_line_of_the_backups_of_another_shape_is_none(line: str) -> None:
    """Ids, moments, sizes and places are what they must be, or the line is refused."""
    with pytest.raises(ValueError, match=r".+"):
        lines.read(line)


def test_a_line_that_nobody_waits_for_is_passed_over() -> None:
    """A newer server may say more."""
    assert lines.read('{"event": "something_new", "x": {}}') is None


@pytest.mark.parametrize("answer", [5, [], None, {"ok": 1}, {"ok": "yes"}, {"evidence": ["x"]}, {"step": {"took_s": "long"}}])
def test_a_check_takes_no_other_types(answer: Any) -> None:
    """`ok` is a boolean, also in a step; a text that is true is not."""
    with pytest.raises(Exception, match="server says"):
        told("server", answer)


def test_a_word_that_is_missing_is_the_hosts_failure() -> None:
    """Not a traceback of ours."""
    with pytest.raises(Exception, match="server does not say evidence"):
        told("server", {"ok": True})["evidence"]


def test_what_moves_a_terminal_becomes_visible() -> None:
    """Escapes, bells, marks of direction; letters of any alphabet and line ends stay."""
    assert visible("a\x1b[2J\x07\u202eb\nÉ ימין\t") == "a\\u001b[2J\\u0007\\u202eb\nÉ ימין\t"


ON = {"Enable": "1", "Update-Package-Lists": "1", "Unattended-Upgrade": "1"}


@pytest.mark.parametrize(
    ("shown", "by_itself"),
    [
        (ON, True),
        ({word: ON[word] for word in ON if word != "Enable"}, True),  # on by itself
        (ON | {"Enable": "0"}, False),
        (ON | {"Update-Package-Lists": "0"}, False),
        (ON | {"Unattended-Upgrade": "0"}, False),
        ({}, False),
    ],
)
def test_updates_come_by_themselves_by_apts_own_word(shown: dict[str, str], by_itself: bool) -> None:
    """One switch that is off is enough for none to come."""
    said = "".join(f'APT::Periodic::{word} "{value}"; ' for word, value in shown.items())
    assert periodic(f'APT::Periodic ""; {said}') is by_itself


def test_settings_are_read_as_each_program_shows_them(tmp_path: Path) -> None:
    """sshd, postconf, systemctl, apt-config, testparm; and the files that may have set them, comments left out."""
    units = plugin("modules/units.py")
    for out, name, value in (
        ("passwordauthentication no\n", "PasswordAuthentication", "no"),
        ("mynetworks = 127.0.0.0/8 [::1]/128\n", "mynetworks", "127.0.0.0/8 [::1]/128"),
        ("DropInPaths=\nId=x\n", "DropInPaths", ""),
        ('APT::Periodic::Enable "0";\nAPT::Periodic::Enable "1";\n', "APT::Periodic::Enable", "1"),
        ("\tserver role = active directory domain controller\n", "server role", "active directory domain controller"),
    ):
        assert units.shown(out, {name: ""}) == {name: value}
    assert units.shown("permitrootloginx yes\n", {"permitrootlogin": ""}) == {}
    (tmp_path / "a").write_text("# PasswordAuthentication yes\n")
    (tmp_path / "b").write_text("Match all\n  PasswordAuthentication yes\n")
    (tmp_path / "c").write_text('APT { Periodic { Enable "0"; } }\nEnable "0";\n')
    assert units.winner("passwordauthentication", [f"{tmp_path}/*"]) == f"{tmp_path}/b"
    assert units.winner("APT::Periodic::Enable", [f"{tmp_path}/*"]) == f"{tmp_path}/c"


def test_a_program_may_read_what_we_were_given() -> None:
    """`provisioner --json ssh OFFICE HOST -- CMD < FILE`: the file reaches the command, as it does without --json."""
    code = "from provisioner.hosts import answers; print(answers.call(['cat'], stdin=None, timeout_s=9).stdout)"
    done = subprocess.run([sys.executable, "-c", code], input="a file", capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "a file"
    assert answers.call(["cat"], stdin="ours\n" * 100_000, timeout_s=9).stdout == "ours\n" * 100_000
    assert answers.call(["cat"], timeout_s=9).stdout == ""
