"""What happens within a call: session timers in real time, PRACK and UPDATE, with SIPp."""

from __future__ import annotations

from tests.live.conftest import Stage
from tests.live.world import account, trunk, user, world

ACCOUNT = "000000212"
NUMBER = "+37070044960"
PREFIXES = ("37121", "37122", "37123")


def test_a_session_timer_of_90_s(stage: Stage) -> None:
    """Refreshed by UPDATE where the peer takes it, else by re-INVITE; who is to refresh and never
    does is hung up on 30 s before the end. All three calls at once, as they take over a minute."""
    scenarios = ("answer_updated", "answer_refreshed", "answer_forgets")
    hosts = [stage.network.host() for _ in scenarios]
    trunks = tuple(trunk(name, host) for name, host in zip(scenarios, hosts, strict=True))
    state = world(account(), trunks=trunks)
    state["routes"] = [
        {"prefix": prefix, "trunks": [name]}
        for prefix, name in zip(PREFIXES, scenarios, strict=True)
    ]
    service = stage.service(state, media={"timeout_s": 0})
    carriers = [
        stage.peer(scenario, host, timeout_s=100)
        for scenario, host in zip(scenarios, hosts, strict=True)
    ]
    callers = [
        stage.caller(
            service,
            ACCOUNT,
            "101",
            "phone_call_cut" if scenario == "answer_forgets" else "phone_call",
            number=f"+{prefix}000001",
            talk_ms=64_000,
            timeout_s=100,
        )
        for scenario, prefix in zip(scenarios, PREFIXES, strict=True)
    ]
    for each in (*callers, *carriers):
        each.finish()
    assert "refresher=uac" in carriers[0].messages().partition("UPDATE sip:")[2]
    found = {row["to"][:6]: row for row in service.cdrs(ACCOUNT, 3)}
    refreshed = [found[f"+{prefix}"] for prefix in PREFIXES[:2]]
    assert [row["hangup_by"] for row in refreshed] == ["caller", "caller"]
    assert all(row["duration_s"] in (64, 65) for row in refreshed)
    given_up = found[f"+{PREFIXES[2]}"]
    assert (given_up["hangup_by"], given_up["duration_s"]) in (("switch", 60), ("switch", 61))
    assert "no session refresh from the callee" in str(given_up["trace"])


def test_reliable_provisionals_and_update_on_both_legs(stage: Stage) -> None:
    """A carrier that requires 100rel calls a phone that rings reliably; then each of them changes
    the media by UPDATE, which goes through as UPDATE."""
    host, desk = stage.network.host(), stage.network.host()
    static = user(ACCOUNT, "101") | {
        "static_ip": {"transport": "udp", "address": desk, "port": 5060}
    }
    del static["sip"]
    state = account()
    state["users"] = [static]
    service = stage.service(world(state, trunks=(trunk("carrier", host),)))
    phone = stage.peer("answer_reliable", desk)
    caller = stage.carrier_call(
        service, host, "trunk_call_reliable", user="+37129999999", number=NUMBER, talk_ms=500
    )
    heard = caller.finish()
    rang = phone.finish()
    assert "RAck: 4711 1 INVITE" in rang
    assert heard.count("\nUPDATE ") == 2
    assert rang.count("\nUPDATE ") == 2
    assert "a=sendonly" in rang
    (cdr,) = service.cdrs(ACCOUNT)
    assert (cdr["cause"], cdr["hangup_by"]) == ("answered", "caller")
