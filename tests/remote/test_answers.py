"""What an end of a tunnel says of itself is data: of another shape it is no answer."""

import pytest

from provisioner.hosts import answers
from provisioner.remote import Ends


def test_an_answer_is_read() -> None:
    """As `office-remote status` prints it; what was not asked for is dropped."""
    said = answers.read('{"peers": [{"name": "demo", "heard": 0, "from": ""}], "now": 1795893000, "here": []}', Ends)
    assert (said.peers[0].name, said.peers[0].heard, said.now) == ("demo", 0, 1795893000)


@pytest.mark.parametrize(
    "said", ["[]", "x", "[" * 100_000, '{"peers": [], "now": -1}', '{"peers": [{"name": "x", "heard": "soon"}], "now": 1}']
)
def test_an_answer_of_another_shape_is_none(said: str) -> None:
    """It ends neither the verb nor what the other ends say."""
    with pytest.raises(ValueError, match=r"."):
        answers.read(said, Ends)
