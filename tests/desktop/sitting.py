"""Sits down at a desktop of a lab, for the tests: the program that `verify` uses, and what it saw."""

import base64
import json
import shlex
from typing import Any

from provisioner.hosts import programs
from tests.stage import Stage


def sit_down(stage: Stage, login: str, password: str, *steps: str, host: str = "desktop", **more: Any) -> dict[str, Any]:
    """Log in at the host's log-in screen and do these steps; the pictures are left out, their number stays."""
    asked = {
        "login": login, "password": password, "steps": ["desktop", *steps], "token": "test", "printer": "bureau",
        "home": "L'Épicerie d'à côté", "share": "commun", "server": "server.epicerie.internal", **more,
    }  # fmt: skip
    given = programs.given(programs.source("desktop_session"), asked)
    said = stage.json("ssh", stage.office, host, "--lab", "--", shlex.join(programs.COMMAND), stdin=given, timeout_s=300)
    assert said.code == 0, said
    found: dict[str, Any] = json.loads(said.data["stdout"])
    for answer in found.values():
        shown = [base64.b64decode(one) for one in answer.pop("pictures", [])]
        assert all(one.startswith(b"\x89PNG") for one in shown)
        answer["shown"] = len(shown)
    return found
