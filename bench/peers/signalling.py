"""Kamailio and Sippy B2BUA: the peers for calls and registrations."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import running
from bench.sip_messages import Address

HERE = Path(__file__).parent
SIPPY = "sippy>=2.2,<3"


@contextmanager
def kamailio(
    listen: Address, next_hop: Address, core: int, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Kamailio as a registrar and as a call-stateful proxy: two workers on one core."""
    command = [
        *("kamailio", "-f", str(HERE / "kamailio.cfg"), "-x", "fm", "-X", "fm"),
        *("-m", "512", "-M", "16", "-DD", "-E"),
        *("-A", "LISTEN=udp:{}:{}".format(*listen)),
        *("-A", "NEXT_HOP=sip:{}:{}".format(*next_hop)),
    ]
    with running(command, core, folder / "kamailio.log") as process:
        yield process


def sippy_python(folder: Path) -> Path:
    """The interpreter of an environment that has Sippy, made by the first call."""
    home = folder / "sippy"
    python = home / "bin" / "python"
    if not (home / "bin" / "b2bua_simple").exists():
        venv.create(home, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, SIPPY], check=True, stdout=sys.stderr)
    return python


@contextmanager
def sippy(
    listen: Address, next_hop: Address, core: int, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Sippy's simplest B2BUA: signalling only, no money, no media, its SIP log off."""
    python = sippy_python(folder)
    command = [
        *(str(python), str(python.with_name("b2bua_simple")), "-f"),
        *("-l", listen[0], "-p", str(listen[1]), "-n", "{}:{}".format(*next_hop)),
    ]
    environment = {**os.environ, "SIPLOG_BEND": "none"}
    with running(command, core, folder / "sippy.log", env=environment) as process:
        yield process
