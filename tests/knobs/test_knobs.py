"""The knobs turn what they name, and nothing else is turned without them."""

import os
import subprocess
import sys

import pytest

from tests import knobs

ASK = "from provisioner.operation import lease; from provisioner import package_cache; print(lease.LEASE_S, package_cache.SLOW_S)"


@pytest.mark.parametrize(
    ("given", "said"),
    [({}, "900 120"), ({"KNOB_LEASE_S": "7"}, "7 120"), ({"KNOB_SLOW_S": "3"}, "900 3"), ({"KNOB_HOLD": "1:/x"}, "900 120")],
)
def test_a_knob_turns_its_own_number(given: dict[str, str], said: str) -> None:
    """In a verb's process; a module that moved away from under its knob would be left as it is, unseen."""
    env = knobs.environment({**os.environ, **given})
    done = subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == said
