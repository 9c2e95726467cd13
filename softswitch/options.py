"""The options of ``twistd softswitch``."""

from __future__ import annotations

from twisted.python.usage import Options


class SwitchOptions(Options):
    """``--config FILE``, and the demo's one-click sign-ins."""

    optParameters = (
        ["config", "c", "", "configuration file (./softswitch.toml, /etc/softswitch/...)"],
    )
    optFlags = (["demo", None, "offer one-click sign-ins of the demo accounts on the portal"],)
