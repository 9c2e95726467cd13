"""The options of ``twistd softswitch``."""

from __future__ import annotations

import pytest
from twisted.scripts._twistd_unix import ServerOptions

from softswitch.options import SwitchOptions


class Twistd(ServerOptions):
    """twistd's own options with ours as the only service."""

    subCommands = (("softswitch", None, SwitchOptions, "the switch"),)


@pytest.mark.parametrize(
    ("words", "pidfile"), [([], ""), (["--pidfile", "/run/softswitch.pid"], "/run/softswitch.pid")]
)
def test_a_pid_file_is_written_only_when_asked_for(words: list[str], pidfile: str) -> None:
    """A file that a crash left must not forbid the next start."""
    options = Twistd()
    options.parseOptions([*words, "softswitch"])
    assert options["pidfile"] == pidfile
