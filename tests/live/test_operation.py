"""What an operator sees: start, stop, files with errors, ports that are taken."""

from __future__ import annotations

import json
import socket
import urllib.request

import pytest

from tests.live.conftest import Stage
from tests.live.service import Service, eventually
from tests.live.world import Document, account, trunk, world

ACCOUNT = "000000212"
OUTSIDE = "+37120000001"


def refusal(service: Service) -> list[str]:
    """What a service that cannot start prints about it; it must exit with 1 and no traceback."""
    service.launch()
    assert service.wait(30) == 1
    text = service.output()
    assert "Traceback" not in text
    return [line for line in text.splitlines() if line.strip()]


def test_start_status_and_stop(stage: Stage) -> None:
    """Ready, status 0, the portal answers; SIGTERM exits with 0 and status says 1 afterwards."""
    service = stage.service(world(account()))
    status = service.command("status", "--json")
    assert status.returncode == 0
    json.loads(status.stdout)
    with urllib.request.urlopen(service.url, timeout=10) as page:
        assert page.status == 200
    assert service.stop() == 0
    assert service.command("status").returncode == 1
    assert "Traceback" not in service.output()


@pytest.mark.parametrize("kind", ["udp", "tcp", "web"])
def test_a_busy_port_is_one_line(stage: Stage, kind: str) -> None:
    """The line names the address that is taken."""
    service = stage.installed()
    family = socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, family) as taken:
        taken.bind((service.host, 8080 if kind == "web" else 5060))
        if kind != "udp":
            taken.listen()
        lines = refusal(service)
    port = 8080 if kind == "web" else 5060
    naming = [line for line in lines if f"{service.host}:{port}" in line]
    assert len(naming) == 1, lines


def test_a_database_that_cannot_be_reached_is_one_line(stage: Stage) -> None:
    """The line names the host; the password of the address is not in it."""
    service = stage.installed(
        store={"url": "postgresql+psycopg://switch:hidden-word@127.0.0.1:9/switch"}
    )
    lines = refusal(service)
    naming = [line for line in lines if "127.0.0.1" in line and "hidden-word" not in line]
    assert len(naming) == 1, lines
    assert not [line for line in lines if "hidden-word" in line]


def test_a_second_service_on_the_folder_is_one_line(stage: Stage) -> None:
    """Whatever its ports are; it must not take the running calls for what a crash has left."""
    host = stage.network.host()
    service = stage.service(
        world(account(), trunks=(trunk("carrier", host),)), media={"timeout_s": 0}
    )
    carrier = stage.peer("answer", host)
    caller = stage.caller(service, ACCOUNT, "101", "phone_call", number=OUTSIDE, talk_ms=8000)
    eventually(lambda: [row for row in service.show("calls", ACCOUNT) if row["answered_at"]])
    held = service.reserved(ACCOUNT)

    state_dir = service.folder / "state"
    url = f"sqlite:///{service.folder}/softswitch.db"
    second = stage.installed(store={"url": url, "state_dir": str(state_dir)})
    assert f"another softswitch runs on {state_dir}" in refusal(second)
    assert service.reserved(ACCOUNT) == held > 0
    caller.finish()
    carrier.finish()
    assert service.cdrs(ACCOUNT)[0]["cause"] == "answered"


def errors_of(service: Service, state: Document) -> list[str]:
    """What apply says about a state that it refuses: file and line on every line, nothing done."""
    path = service.write_state(state)
    done = service.command("apply", str(path))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert all(line.startswith(f"{path}:") for line in lines), lines
    assert service.show("accounts") == []
    return lines


def test_all_errors_of_form_are_listed(stage: Stage) -> None:
    """Wrong values and unknown keys, all of them, with the nearest known key."""
    bad = account(country="Latvia", opening_balance="ten")
    bad["users"][0]["extenson"] = "101"
    lines = errors_of(stage.service(), world(bad))
    assert len(lines) == 3, lines
    assert any("extenson" in line and "extension" in line for line in lines)


def test_all_errors_of_reference_are_listed(stage: Stage) -> None:
    """An extension twice, a flow to nobody, a tariff and a trunk that do not exist."""
    bad = account(tariff="golden")
    bad["users"][1]["extension"] = "100"  # the administrator's
    bad["call_flows"][0]["to"] = {"user": "777"}
    state = world(bad)
    state["routes"] = [{"prefix": "", "trunks": ["nowhere"]}]
    text = "\n".join(errors_of(stage.service(), state))
    for name in ("golden", "100", "777", "nowhere"):
        assert name in text


def test_apply_twice_changes_nothing(stage: Stage) -> None:
    """apply is idempotent and obeyed at once by the running service."""
    service = stage.service()
    state = world(account())
    service.apply(state)
    balance = service.balance(ACCOUNT)
    second = service.apply(state)
    assert "+" not in second
    assert service.balance(ACCOUNT) == balance
    phone = stage.phone(service, ACCOUNT, "101")
    assert eventually(lambda: service.show("registrations"))
    phone.leave()


def test_a_configuration_with_an_unknown_key_is_one_line(stage: Stage) -> None:
    """The line names the key and the nearest known one."""
    service = stage.installed(sip={"drain": 5})
    lines = refusal(service)
    assert any("drain" in line and "drain_s" in line for line in lines), lines
