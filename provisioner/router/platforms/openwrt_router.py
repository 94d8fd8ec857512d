"""An OpenWrt router is rendered (`openwrt`) and not spoken to yet: no push of ours is guarded there, so there is none at all.

Its own rollback (`ubus call uci apply`, rpcd) lies in memory and does not outlive a power cut.
"""

from collections.abc import Mapping
from typing import Any

from provisioner.errors import Unreadable
from provisioner.router.platforms import Files, Way


class Device:
    """Refused in one sentence, before any connection."""

    def __init__(self, way: Way, _wanted: Files, _probes: Mapping[str, Any]) -> None:
        raise Unreadable(
            f"{way.host} runs OpenWrt: its configuration is rendered and checked, and not pushed yet",
            hint="leave the router out with --host, or set it up by hand until then",
        )
