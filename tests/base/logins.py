"""Log in to a host with each of the programs that technicians use, its key pinned; plugged into a lab, prints what each heard."""

import json
import sys
import tempfile
from pathlib import Path

import paramiko
from fabric import Connection
from netmiko import ConnectHandler


def pinned(ask: dict[str, str], client: paramiko.SSHClient) -> paramiko.SSHClient:
    """The client, that knows the host's key and takes no other."""
    client.get_host_keys().clear()
    client.load_host_keys(ask["known_hosts"])
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    return client


def by_paramiko(ask: dict[str, str]) -> str:
    """The login that paramiko sees."""
    client = pinned(ask, paramiko.SSHClient())
    client.connect(ask["address"], username=ask["user"], key_filename=ask["key"], look_for_keys=False, allow_agent=False)
    heard: str = client.exec_command("id -un")[1].read().decode()
    client.close()
    return heard.strip()


def by_fabric(ask: dict[str, str]) -> str:
    """The login that fabric sees."""
    with Connection(ask["address"], user=ask["user"], connect_kwargs={"key_filename": ask["key"]}) as connection:
        pinned(ask, connection.client)
        return str(connection.run("id -un", hide=True).stdout).strip()


def by_netmiko(ask: dict[str, str]) -> str:
    """The login that netmiko sees."""
    with ConnectHandler(
        device_type="linux", host=ask["address"], username=ask["user"], use_keys=True, key_file=ask["key"],
        ssh_strict=True, system_host_keys=False, alt_host_keys=True, alt_key_file=ask["known_hosts"],
    ) as connection:  # fmt: skip
        return str(connection.send_command("id -un")).strip()


def main() -> None:
    """One entry a program."""
    ask = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "known_hosts"
        path.write_text(f"{ask['address']} {ask['pin']}\n")
        ask["known_hosts"] = str(path)
        print(json.dumps({"paramiko": by_paramiko(ask), "fabric": by_fabric(ask), "netmiko": by_netmiko(ask)}))


if __name__ == "__main__":
    main()
