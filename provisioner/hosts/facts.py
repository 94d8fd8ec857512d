"""What every host says of itself (`hosts/programs/facts.py`), by shape: `verify` and `check` read the same."""

from pydantic import Field

from provisioner.hosts.answers import Answer, Line, Short


class System(Answer):
    """What a machine is; serial number and model as its maker wrote them, empty where nobody did."""

    id: Short
    version: Short
    pretty: Short
    kernel: Short
    container: bool
    serial: Short
    model: Short


class Updates(Answer):
    """What apt would upgrade, and whether it does by itself."""

    security: list[Short] = Field(max_length=5000)
    others: list[Short] = Field(max_length=5000)
    held: list[Short] = Field(max_length=5000)
    audit: Line
    automatic: Line
    timer: Short
