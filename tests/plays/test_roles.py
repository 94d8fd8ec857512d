"""Every role is like the others: what playbooks/ROLES.md says, held."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner.inventory import open_inventory

ROOT = Path(__file__).parents[2]
ROLES = sorted(p for p in (ROOT / "playbooks/roles").iterdir() if p.is_dir())
NAMES = [role.name for role in ROLES]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def tasks(role: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in sorted([*role.glob("tasks/*.yml"), *role.glob("handlers/*.yml")]):
        found += load(path) or []
    return found


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_specs_and_defaults_name_the_same_variables(role: Path) -> None:
    """A variable without a spec is not validated, one without a default fails on the client's floor."""
    specs = load(role / "meta/argument_specs.yml")["argument_specs"]
    options = {name for entry in specs.values() for name in entry["options"]}
    defaults = set(load(role / "defaults/main.yml"))
    # composed of the others, for the tasks alone: what a role writes, walked in one loop
    composed = {
        name
        for name in defaults - options
        if name.endswith(("_files", "_load", "_in_force", f"{role.name}_accounts", f"{role.name}_units"))
    }

    assert options == defaults - composed
    assert all(name.startswith(f"{role.name}_") for name in defaults)
    for entry in specs.values():
        for name, option in entry["options"].items():
            assert option.get("type"), name
            assert option.get("description"), name
            assert "default" not in option, f"{name}: `default:` in a spec sets nothing"


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_tasks_are_written_in_the_house_manner(role: Path) -> None:
    """Names are sentences, nothing loops, secrets are hidden, commands say when they changed something."""
    assert not (role / "vars").exists()
    for task in tasks(role):
        assert len(task["name"].split()) >= 2, task["name"]
        # each item is a round trip, and at a silent host each is waited for again (ansible-core 2.18, loop_control.break_when)
        assert not [key for key in task if key == "loop" or key.startswith("with_")], task["name"]
        assert "ansible.builtin.set_fact" not in task, task["name"]
        text = str(task)
        if "ansible.builtin.command" in task or "ansible.builtin.shell" in task:
            assert "changed_when" in task or "creates" in text or "removes" in text, task["name"]
        if "password" in text and "stdin" in text:
            assert task.get("no_log") is True, task["name"]
        if "ansible.builtin.apt" in task:
            assert task["ansible.builtin.apt"]["lock_timeout"] >= 60, task["name"]


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_handlers_are_due_until_they_ran(role: Path) -> None:
    """A run killed between a new file and its handler must not leave an old service running."""
    handlers = [handler["name"] for handler in load(role / "handlers/main.yml")]
    for task in tasks(role):
        if "files" in task and "notify" in task:
            assert task["files"].get("due") == role.name, task["name"]
            notified = [task["notify"]] if isinstance(task["notify"], str) else task["notify"]
            assert notified[-1] == handlers[-1], f"{task['name']}: the last handler says that none is due"
            assert f"due-{role.name}" in (role / "handlers/main.yml").read_text()


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_units_are_named_once_for_all_roles(role: Path) -> None:
    """apply.yml puts them in order in one call; a role does it itself only where a later task of its own stands on them."""
    given = load(role / "defaults/main.yml").get(f"{role.name}_units", {})
    called = [number for number, task in enumerate(load(role / "tasks/main.yml")) if "units" in task]

    assert set(given) <= {"wanted", "unwanted", "packaged", "in_force"}, given
    assert called == [] or called[-1] < len(load(role / "tasks/main.yml")) - 1
    assert not (called and given)


@pytest.mark.parametrize("script", sorted((ROOT / "playbooks").rglob("*.sh")), ids=lambda p: p.name)
def test_scripts_are_sound_shell(script: Path) -> None:
    """Every script that a host runs as root passes `sh -n`."""
    done = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_packs_and_roles_know_each_other() -> None:
    """A pack's role exists, and every role is played by the demo office or a hub: lab tests hold them to a second play of 0."""
    inventory = open_inventory(ROOT / "inventory")
    for pack in inventory.packs():
        assert {name for roles in pack.kinds.values() for name in roles} <= set(NAMES), pack.name
    demo = inventory.office("demo")
    kinds = {host.kind for host in demo.hosts.values()}
    pack = inventory.pack(demo.pack)
    hubs = {name for roles in inventory.pack("hub-2026.1").kinds.values() for name in roles}
    assert {name for kind in kinds for name in pack.kinds[kind]} | hubs == set(NAMES)


def test_client_text_reaches_ansible_only_through_our_plugin() -> None:
    """No group_vars, host_vars, include_vars or extra vars anywhere: five of seven ways in evaluate what they read."""
    assert not [p for p in (ROOT / "playbooks").rglob("*") if p.name in ("group_vars", "host_vars", "vars")]
    assert not [p for p in (ROOT / "inventory").rglob("*") if p.name in ("group_vars", "host_vars")]
    for path in [*(ROOT / "playbooks").rglob("*.yml"), *(ROOT / "provisioner").rglob("*.py")]:
        text = path.read_text()
        assert not re.search(r"include_vars|vars_files|vars_prompt|extravars|--extra-vars", text), path


def test_nothing_is_put_in_a_random_order() -> None:
    """Ansible's filters for sets lose the order of a list: roles would be played in another one each time."""
    words = re.compile(r"\| *(difference|union|intersect|symmetric_difference)\b")
    files = [ROOT / "playbooks/apply.yml", *(ROOT / "playbooks/roles").rglob("*.yml"), *(ROOT / "playbooks/roles").rglob("*.j2")]

    assert [str(path) for path in files if words.search(path.read_text())] == []


def test_wrong_arguments_are_named_at_once_for_every_host_and_role(tmp_path: Path) -> None:
    """One task of a play holds what each host's roles are given against their specifications; all that is wrong is said."""
    program = Path(sys.executable).with_name("ansible-playbook")
    play = ROOT / "playbooks" / f"arguments-{os.getpid()}.yml"
    play.write_text(
        "- hosts: all\n  gather_facts: false\n  tasks:\n"
        "    - ansible.builtin.set_fact: {ready: {stdout_lines: [trixie]}}\n    - {role_arguments: , run_once: true}\n"
    )
    try:
        good, bad = (
            subprocess.run(
                [program, "-i", ROOT / "inventory/offices/demo/dossier.yml", play, "-e", given],
                capture_output=True, text=True, check=False, cwd=tmp_path,
                env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "playbooks/ansible.cfg")},
            )
            for given in ("{}", '{"base_firewall": {"a": 1}, "printing_lan": [1]}')
        )  # fmt: skip
    finally:
        play.unlink()

    assert good.returncode == 0, good.stdout
    assert bad.returncode == 2
    for host in ("router", "server", "desktop"):
        assert f"{host}, base: argument 'base_firewall' is of type dict" in bad.stdout + bad.stderr
