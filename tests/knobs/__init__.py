"""What tests change in the tool and clients do not get: a place to wait before a task, shorter patience.

Each is a variable of the verb's environment; `environment()` adds the folder from which Python takes `sitecustomize.py`, in the
verb itself and in all that it starts.

`KNOB_HOLD=7:/path` waits before the seventh task of a play as long as the file is there, and says that it does by a file
/path.held; the tasks that began stand in /path.begun, each with its moment (s, epoch) and its action. `KNOB_LEASE_S`: how long a
lease lives. `KNOB_WAIT_S`, `KNOB_LISTS_S`: how long a busy package system and package lists are waited for. `KNOB_SLOW_S`: how
long next to nothing may come from a mirror. `KNOB_PUSH=arm:/path` waits likewise after a step of a push to a router: `arm`,
`load`, `look` (once it is loaded), `confirm`.
"""

import os
from pathlib import Path


def environment(given: dict[str, str]) -> dict[str, str]:
    """The same environment, with the knobs in force when one of them is turned."""
    if not any(name.startswith("KNOB_") for name in given):
        return given
    path = os.pathsep.join(filter(None, (str(Path(__file__).parent), given.get("PYTHONPATH"))))
    return {**given, "PYTHONPATH": path}
