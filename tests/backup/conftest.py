"""What several files of these tests start with."""

from collections.abc import Iterator

import pytest

from tests.backup.shop import backed_up
from tests.stage import Stage


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A server that has its backups and nothing else; each test leaves both places sound."""
    with backed_up(tmp_path_factory.mktemp("backup")) as stage:
        yield stage
