"""What the tests of documents share: folders of their own."""

from tests.inventory.conftest import _own_folders

__all__ = ["_own_folders"]
