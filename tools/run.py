"""What `make run` does once the environment stands: a switch with demo data in the foreground.

The first start makes ``var/`` (configuration, store, keys) and applies ``demo/state.yaml``; later
starts keep what is there. The service logs to ``var/softswitch.log``; what it says on standard
error, such as a port that is taken, comes through to the terminal.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from softswitch.config import Config, load

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var"
CONFIG = VAR / "softswitch.toml"
LOG = VAR / "softswitch.log"
APPLIED = VAR / "demo-applied"
DEMO = ROOT / "demo" / "state.yaml"
BIN = Path(sys.executable).parent
READY = "softswitch ready"
PHONES_SHOWN = 2

CONFIGURATION = """\
# Made by the first `make run`; yours to change. Every key is explained in the documentation.
[store]
url = "sqlite:///{var}/softswitch.db"
state_dir = "{var}"

[sip]
udp = ["{host}:5060"]
tcp = ["{host}:5060"]

[web]
listen = ["127.0.0.1:8080"]
public_url = "http://127.0.0.1:8080"
"""


class RunError(Exception):
    """The switch cannot be started; the text is for a person."""


def prepare(host: str) -> None:
    """Bring the portal's files, and make ``var/`` with the demo unless it is there."""
    run(sys.executable, str(ROOT / "tools" / "vendor.py"))
    VAR.mkdir(mode=0o700, exist_ok=True)
    if not CONFIG.exists():
        CONFIG.write_text(CONFIGURATION.format(host=host, var=VAR))
    if not APPLIED.exists():
        run(str(BIN / "softswitch"), "--config", str(CONFIG), "apply", str(DEMO), quiet=True)
        APPLIED.touch()


def run(*command: str, quiet: bool = False) -> None:
    """Run a step; what it says on standard error is enough of an explanation."""
    output = subprocess.DEVNULL if quiet else None
    if subprocess.run(command, cwd=ROOT, stdout=output, check=False).returncode != 0:
        raise RunError(f"{Path(command[0]).name} {command[-1]} failed, see above")


def banner(config: Config, state: dict[str, Any], one_click: list[str]) -> str:
    """What a person needs to begin: the portal, the sign-ins, two phones. ``one_click`` are the
    links that the service has printed, good until it ends."""
    server = config.sip.udp[0]
    lines = ["", f"The portal  {config.web.public_url}/"]
    lines += [f"  one click {link}" for link in one_click]
    for account in state["accounts"]:
        administrator = account["administrator"]
        lines.append(f"  sign in   {administrator['email']}   {administrator['password']}")
    lines += [
        f"Phone {number}     server {server}   login {user['sip']['login']}"
        f"   password {user['sip']['password']}   extension {user['extension']}"
        for number, user in enumerate(phones(state), 1)
    ]
    return "\n".join([*lines, "", f"The log is {LOG}. Ctrl-C ends it.", ""])


def phones(state: dict[str, Any]) -> list[dict[str, Any]]:
    """The first users of the first account that register with a password."""
    account = state["accounts"][0]
    users = [account["administrator"], *account.get("users", [])]
    return [user for user in users if "sip" in user][:PHONES_SHOWN]


def serve() -> int:
    """Run the service until it ends; its exit code."""
    command = [
        *(str(BIN / "twistd"), "-n", "--pidfile=", f"--logfile={LOG}"),
        *("softswitch", "--demo", "--config", str(CONFIG)),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    # Ctrl-C reaches the service by itself: it is in the same foreground group.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    assert process.stdout is not None
    one_click = []
    for line in process.stdout:
        if line.strip() != READY:
            one_click.append(line.strip())
            continue
        print(banner(load(CONFIG), yaml.safe_load(DEMO.read_text()), one_click), flush=True)
    code = process.wait()
    return 0 if -code in (signal.SIGINT, signal.SIGTERM) else code


def main() -> int:
    """Prepare, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address for phones")
    arguments = parser.parse_args()
    try:
        prepare(arguments.host)
        return serve()
    except RunError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
