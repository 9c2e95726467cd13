"""The options of ``twistd softswitch``."""

from __future__ import annotations

from twisted.python.usage import Options

PIDFILE_OF_TWISTD = "twistd.pid"  # in the working directory, if nothing else is said


class SwitchOptions(Options):
    """``--config FILE``, and the demo's one-click sign-ins."""

    optParameters = (
        ["config", "c", "", "configuration file (./softswitch.toml, /etc/softswitch/...)"],
    )
    optFlags = (["demo", None, "offer one-click sign-ins of the demo accounts on the portal"],)

    def postOptions(self) -> None:
        """No ``twistd.pid`` unless ``--pidfile`` asks for another name. One that a crash left may
        name a process of somebody else's by now and forbid the start; what keeps a second service
        away is the claim to the state folder."""
        if self.parent is not None and self.parent.get("pidfile") == PIDFILE_OF_TWISTD:
            self.parent["pidfile"] = ""
