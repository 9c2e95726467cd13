"""What ``softswitch route`` prints for a person."""

from __future__ import annotations

from softswitch.plan_text import plan_lines


def test_steps_are_told_in_words() -> None:
    """No brackets of a programming language; what is empty or off is left out."""
    step = {
        "step": "dial",
        "number": "+37120000001",
        "trunks": ["carrier", "second"],
        "payment": {"tariff": "standard", "per_minute": "0.06"},
        "caller": None,
        "emergency": True,
    }
    assert plan_lines({"trace": ["dialled"], "steps": [step, {"step": "refuse", "x": False}]}) == [
        "dialled",
        "1. dial: number +37120000001, trunks carrier, second,"
        " payment (tariff standard, per_minute 0.06), emergency",
        "2. refuse: ",
    ]
