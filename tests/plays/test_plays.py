"""What we keep of Ansible's events; as ansible-core 2.19 (Python 3.11) and 2.21 (3.12 and later) word them."""

from typing import Any

import pytest

from provisioner.plays.results import problem_text

SAID = {"changed": False, "msg": "no such group", "ansible_loop_var": "account", "_ansible_item_label": "p.x"}


@pytest.mark.parametrize("mark", [{"failed": True}, {"exception": "(traceback unavailable)"}], ids=["2.19", "2.21"])
def test_a_failed_item_says_why(mark: dict[str, Any]) -> None:
    """Of a task over many accounts, the one that failed is named with its reason; the others are not."""
    loop = [{"changed": True, "_ansible_item_label": "a.b"}, SAID | mark]

    assert problem_text({"msg": "One or more items failed", "results": loop}) == "p.x: no such group"
