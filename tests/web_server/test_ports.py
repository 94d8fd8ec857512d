"""The web server's ports, before anything is set up."""

import socket
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "playbooks/roles/web_server/files/ports.sh"


def test_who_else_has_a_port_is_named() -> None:
    """A machine with a history has another server on port 80: its name is said, and nothing is ended."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = subprocess.run(["sh", "-s", str(port)], stdin=SCRIPT.open(), capture_output=True, text=True, check=False)

    assert said.returncode == 1
    assert f"port {port} is taken by " in said.stderr and "(process " in said.stderr


def test_a_free_port_is_no_trouble() -> None:
    """Nobody listens: nothing is said."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    said = subprocess.run(["sh", "-s", str(port)], stdin=SCRIPT.open(), capture_output=True, text=True, check=False)

    assert (said.returncode, said.stderr) == (0, "")
