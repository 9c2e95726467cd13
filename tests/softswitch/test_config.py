"""softswitch.toml: defaults, limits, and every mistake told with its line."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from softswitch.config import CONFIG_BYTES_MAX, Config, ConfigError, find, load
from softswitch.values import Endpoint, PortRange

CONTRACT = """\
[store]
url = "sqlite:///var/softswitch.db"        # or postgresql+psycopg://...
state_dir = "var"

[sip]
udp = ["127.0.0.1:5060"]
tcp = ["127.0.0.1:5060"]
tls = []
certificate = ""
private_key = ""
domain = "login.smarttelplus.eu"
static_domain = "static.smarttelplus.eu"
advertised_address = ""
digest = ["MD5", "SHA-256"]
drain_s = 0

[media]
ports = "20000-39999"
workers = "auto"
timeout_s = 60

[limits]
per_source_requests_s = 200
calls_per_second = 50
call_max_s = 14400
trusted_sources = []

[web]
listen = ["127.0.0.1:8080"]
public_url = "http://127.0.0.1:8080"

[mail]
smtp = ""

[payments]
provider = "sandbox"
"""


def written(folder: Path, text: str) -> Path:
    """The text as a configuration file."""
    path = folder / "softswitch.toml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str) -> list[str]:
    """What is said about a configuration, as ``line: text``."""
    with pytest.raises(ConfigError) as refused:
        load(written(folder, text))
    return [f"{problem.line}: {problem.text}" for problem in refused.value.problems]


def test_the_contracts_example_says_the_defaults(tmp_path: Path) -> None:
    """Every key of the contract is known, and an empty file means the same."""
    assert load(written(tmp_path, CONTRACT)) == Config() == load(written(tmp_path, ""))


def test_values_are_parsed(tmp_path: Path) -> None:
    """Addresses, ranges and networks become values."""
    config = load(
        written(
            tmp_path,
            '[sip]\nudp = ["[::1]:5070"]\ntcp = []\ndns = ["192.0.2.53:53"]\n'
            '[media]\nports = "30000-30099"\nworkers = 2\n'
            '[limits]\ntrusted_sources = ["10.0.0.0/8", "192.0.2.1"]\n'
            '[web]\npublic_url = "https://portal.example.net/"\n',
        )
    )
    assert config.sip.udp == (Endpoint("::1", 5070),)
    assert config.sip.dns == (Endpoint("192.0.2.53", 53),)
    assert config.media.ports == PortRange(30_000, 30_099)
    assert config.limits.trusted_sources == (ip_network("10.0.0.0/8"), ip_network("192.0.2.1"))
    assert config.web.public_url == "https://portal.example.net"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[sip]\nudpp = []\n", '2: unknown key "udpp", the nearest known key is "udp"'),
        ("[sipp]\n", '1: unknown key "sipp", the nearest known key is "sip"'),
        (
            '[store]\nurl = "mysql://host/x"\n',
            "2: url: mysql is not supported, use one of sqlite, postgresql+psycopg",
        ),
        (
            '[store]\nurl = "softswitch.db"\n',
            "2: url: is not a database address like sqlite:///var/softswitch.db",
        ),
        (
            '[sip]\nudp = ["localhost:5060"]\n',
            "2: udp: localhost:5060 is not an address like 127.0.0.1:5060",
        ),
        ('[sip]\ntcp = ["127.0.0.1:0"]\n', "2: tcp: 127.0.0.1:0: a port is from 1 to 65535"),
        (
            '[sip]\nudp = ["127.0.0.1:5060", "127.0.0.1:5060"]\n',
            "2: udp: 127.0.0.1:5060 is listed twice",
        ),
        (
            '[sip]\ndns = ["ns.example.net:53"]\n',
            "2: dns: ns.example.net:53 is not an address like 127.0.0.1:5060",
        ),
        (
            '[sip]\ntls = ["0.0.0.0:5061"]\n',
            "1: sip: tls needs certificate and private_key, the names of two PEM files",
        ),
        (
            '[sip]\ntls = ["127.0.0.1:5060"]\ncertificate = "c.pem"\nprivate_key = "k.pem"\n',
            "1: sip: 127.0.0.1:5060 is listed in tcp and in tls",
        ),
        ('[sip]\ndigest = ["SHA1"]\n', "2: digest: 'SHA1' is not one of 'MD5' or 'SHA-256'"),
        ('[sip]\ndomain = "a b"\n', "2: domain: a b is not a host name"),
        (
            '[sip]\nadvertised_address = "me"\n',
            "2: advertised_address: me is not an IP address",
        ),
        ("[sip]\nphone_probe_s = 60\n", "2: phone_probe_s: must be from 15 to 40, or 0 for never"),
        ('[sip]\ndrain_s = "5"\n', "2: drain_s: must be a whole number"),
        ('[media]\nports = "x"\n', "2: ports: x is not a port range like 20000-39999"),
        ('[media]\nports = "20000-20003"\n', "2: ports: 20000-20003: at least 8 ports are needed"),
        (
            '[media]\nworkers = "many"\n',
            '2: workers: must be "auto" or a number of processes from 0 to 64',
        ),
        ("[media]\ntimeout_s = -1\n", "2: timeout_s: must be at least 0"),
        ("[limits]\ncall_max_s = 0\n", "2: call_max_s: must be at least 1"),
        ("[limits]\nban_s = 0\n", "2: ban_s: must be at least 1"),
        ("[limits]\nban_after = 101\n", "2: ban_after: must be at most 100"),
        (
            '[limits]\ntrusted_sources = ["10.0.0.1/8"]\n',
            "2: trusted_sources: 10.0.0.1/8 is not an address or network like 203.0.113.0/24",
        ),
        (
            '[web]\npublic_url = "portal"\n',
            "2: public_url: portal is not an address like https://portal.example.net",
        ),
        (
            '[mail]\nsmtp = "smtp://host:25"\n',
            "2: smtp: sending mail is not built yet, leave this empty",
        ),
        (
            '[payments]\nprovider = "stripe"\n',
            '2: provider: payments by stripe are not built yet, use "sandbox"',
        ),
        ("[media]\nports = \n", "2: Invalid value"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    """Each kind of mistake has its sentence."""
    assert problems(tmp_path, text) == [expected]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """The operator need not run it again for the second mistake."""
    text = '[web]\nlisten = ["x"]\n\n[media]\nworkers = -1\nspeed = 1\n'
    assert [line.split(":")[0] for line in problems(tmp_path, text)] == ["2", "5", "6"]


def test_a_switch_without_listeners_is_refused(tmp_path: Path) -> None:
    """It could not take a call."""
    text = "[sip]\nudp = []\ntcp = []\n"
    assert problems(tmp_path, text) == [
        "1: sip: no listener: give at least one address in udp, tcp or tls"
    ]


def test_a_missing_and_an_oversized_file_are_told_in_one_line(tmp_path: Path) -> None:
    """Neither is a traceback."""
    with pytest.raises(ConfigError) as refused:
        load(tmp_path / "none.toml")
    assert str(refused.value) == f"{tmp_path / 'none.toml'}: No such file or directory"
    assert problems(tmp_path, "#" * (CONFIG_BYTES_MAX + 1)) == ["0: larger than 262144 bytes"]


def test_without_a_path_the_working_directory_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``./softswitch.toml`` comes first, and its absence is told."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("softswitch.config.DEFAULT_PATHS", (Path("softswitch.toml"),))
    with pytest.raises(ConfigError, match="no such file: looked for softswitch"):
        find(None)
    written(tmp_path, "")
    assert find(None) == Path("softswitch.toml")
