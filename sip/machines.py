"""The four transaction machines of RFC 3261 section 17, with RFC 6026, as tables.

Each table maps ``(state, input)`` to ``(next state, actions)`` and reads like its figure. The
actions are only named here: ``sip.client_transactions`` and ``sip.server_transactions`` perform
them, in the order written. A pair that is absent cannot happen unless the stack or its user is
wrong, and is answered with ``LocalError``; whatever a *peer* may send at any moment has a row.

Two deviations, both because the transaction user has nothing left to decide: a transport error
after the final response was told, and timer H after a refusal, end the transaction silently.
A server's transport error has no rows: it changes nothing (RFC 6026 section 8.8).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """The boxes of figures 5 to 8 of RFC 3261, and RFC 6026's Accepted."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class Input(StrEnum):
    """What drives a machine: a message of the peer, a message of the user, a timer, the flow.

    ``TIMER_2XX`` and ``TIMER_1XX`` repeat an INVITE's answers (13.3.1.4, 13.3.1.1), which the RFC
    leaves to the user; ``TIMER_CANCEL`` ends a cancelled INVITE that stays unanswered (9.1).
    """

    START = "start"
    REQUEST = "request"  # a retransmission; the first one is START
    ACK = "ack"
    R1XX = "1xx"
    R2XX = "2xx"
    R3XX_6XX = "3xx-6xx"
    TIMER_A = "timer A"
    TIMER_B = "timer B"
    TIMER_D = "timer D"
    TIMER_E = "timer E"
    TIMER_F = "timer F"
    TIMER_G = "timer G"
    TIMER_H = "timer H"
    TIMER_I = "timer I"
    TIMER_J = "timer J"
    TIMER_K = "timer K"
    TIMER_L = "timer L"
    TIMER_M = "timer M"
    TIMER_1XX = "timer 1xx"
    TIMER_2XX = "timer 2xx"
    TIMER_CANCEL = "timer cancel"
    TRANSPORT_ERROR = "transport error"


class Action(StrEnum):
    """What a step causes. Starting a timer replaces the one of its kind (repeat, or end)."""

    SEND = "send"  # the request, or the latest response, for the first time or again
    SEND_ACK = "send ack"  # for a refusal, inside the transaction (17.1.1.3)
    TELL = "tell"  # the response to the user
    TELL_2XX = "tell 2xx"  # once for each To tag; a repeated one is acknowledged again
    TELL_ACK = "tell ack"  # once; the 2xx is repeated no more
    TELL_TIMEOUT = "tell timeout"
    TELL_TRANSPORT = "tell transport error"
    TELL_NO_ACK = "tell no ack"  # unless it came
    SEND_CANCEL = "send cancel"  # if the user asked for it before the first provisional (9.1)
    STOP = "stop timers"
    START_A = "start A"
    DOUBLE_A = "double A"
    START_B = "start B"
    START_D = "start D"
    START_E = "start E"
    DOUBLE_E = "double E up to T2"
    SET_E_T2 = "set E to T2"
    START_F = "start F"
    START_G = "start G"
    DOUBLE_G = "double G up to T2"
    START_H = "start H"
    START_I = "start I"
    START_J = "start J"
    START_K = "start K"
    START_L = "start L"
    START_M = "start M"
    START_1XX = "start 1xx repetition"
    START_2XX = "start 2xx repetition"
    DOUBLE_2XX = "double 2xx repetition up to T2"
    DESTROY = "destroy"


_S, _I, _A = State, Input, Action

Row = tuple[State, tuple[Action, ...]]
Table = Mapping[tuple[State, Input], Row]

# RFC 3261 figure 5, RFC 6026 figure 2. A provisional response ends A and B: from then on the
# caller's patience is the user's business (and CANCEL's). A broken flow does not end Proceeding:
# the answer may come over another connection (18.2.2).
INVITE_CLIENT: Table = {
    (_S.CALLING, _I.START): (_S.CALLING, (_A.SEND, _A.START_A, _A.START_B)),
    (_S.CALLING, _I.TIMER_A): (_S.CALLING, (_A.SEND, _A.DOUBLE_A)),
    (_S.CALLING, _I.TIMER_B): (_S.TERMINATED, (_A.TELL_TIMEOUT, _A.DESTROY)),
    (_S.CALLING, _I.TRANSPORT_ERROR): (_S.TERMINATED, (_A.TELL_TRANSPORT, _A.DESTROY)),
    (_S.CALLING, _I.R1XX): (_S.PROCEEDING, (_A.STOP, _A.TELL, _A.SEND_CANCEL)),
    (_S.CALLING, _I.R2XX): (_S.ACCEPTED, (_A.STOP, _A.TELL_2XX, _A.START_M)),
    (_S.CALLING, _I.R3XX_6XX): (_S.COMPLETED, (_A.STOP, _A.SEND_ACK, _A.TELL, _A.START_D)),
    (_S.PROCEEDING, _I.R1XX): (_S.PROCEEDING, (_A.TELL,)),
    (_S.PROCEEDING, _I.R2XX): (_S.ACCEPTED, (_A.STOP, _A.TELL_2XX, _A.START_M)),
    (_S.PROCEEDING, _I.R3XX_6XX): (_S.COMPLETED, (_A.STOP, _A.SEND_ACK, _A.TELL, _A.START_D)),
    (_S.PROCEEDING, _I.TIMER_CANCEL): (_S.TERMINATED, (_A.TELL_TIMEOUT, _A.DESTROY)),
    (_S.PROCEEDING, _I.TRANSPORT_ERROR): (_S.PROCEEDING, ()),
    (_S.COMPLETED, _I.R1XX): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.R2XX): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.R3XX_6XX): (_S.COMPLETED, (_A.SEND_ACK,)),
    (_S.COMPLETED, _I.TIMER_D): (_S.TERMINATED, (_A.DESTROY,)),
    (_S.COMPLETED, _I.TRANSPORT_ERROR): (_S.TERMINATED, (_A.DESTROY,)),
    (_S.ACCEPTED, _I.R1XX): (_S.ACCEPTED, ()),
    (_S.ACCEPTED, _I.R2XX): (_S.ACCEPTED, (_A.TELL_2XX,)),
    (_S.ACCEPTED, _I.R3XX_6XX): (_S.ACCEPTED, ()),
    (_S.ACCEPTED, _I.TIMER_M): (_S.TERMINATED, (_A.DESTROY,)),
    (_S.ACCEPTED, _I.TRANSPORT_ERROR): (_S.ACCEPTED, ()),
}

# RFC 3261 figure 6. In Proceeding the request goes on being repeated, every T2 (17.1.2.2).
NON_INVITE_CLIENT: Table = {
    (_S.TRYING, _I.START): (_S.TRYING, (_A.SEND, _A.START_E, _A.START_F)),
    (_S.TRYING, _I.TIMER_E): (_S.TRYING, (_A.SEND, _A.DOUBLE_E)),
    (_S.TRYING, _I.TIMER_F): (_S.TERMINATED, (_A.TELL_TIMEOUT, _A.DESTROY)),
    (_S.TRYING, _I.TRANSPORT_ERROR): (_S.TERMINATED, (_A.TELL_TRANSPORT, _A.DESTROY)),
    (_S.TRYING, _I.R1XX): (_S.PROCEEDING, (_A.TELL,)),
    (_S.TRYING, _I.R2XX): (_S.COMPLETED, (_A.STOP, _A.TELL, _A.START_K)),
    (_S.TRYING, _I.R3XX_6XX): (_S.COMPLETED, (_A.STOP, _A.TELL, _A.START_K)),
    (_S.PROCEEDING, _I.TIMER_E): (_S.PROCEEDING, (_A.SEND, _A.SET_E_T2)),
    (_S.PROCEEDING, _I.TIMER_F): (_S.TERMINATED, (_A.TELL_TIMEOUT, _A.DESTROY)),
    (_S.PROCEEDING, _I.TRANSPORT_ERROR): (_S.TERMINATED, (_A.TELL_TRANSPORT, _A.DESTROY)),
    (_S.PROCEEDING, _I.R1XX): (_S.PROCEEDING, (_A.TELL,)),
    (_S.PROCEEDING, _I.R2XX): (_S.COMPLETED, (_A.STOP, _A.TELL, _A.START_K)),
    (_S.PROCEEDING, _I.R3XX_6XX): (_S.COMPLETED, (_A.STOP, _A.TELL, _A.START_K)),
    (_S.COMPLETED, _I.R1XX): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.R2XX): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.R3XX_6XX): (_S.COMPLETED, ()),
    (_S.COMPLETED, _I.TIMER_K): (_S.TERMINATED, (_A.DESTROY,)),
    (_S.COMPLETED, _I.TRANSPORT_ERROR): (_S.TERMINATED, (_A.DESTROY,)),
}

# RFC 3261 figure 7, RFC 6026 figure 1. START sends the 100 Trying. An ACK in Proceeding answers
# nothing of ours and is absorbed.
INVITE_SERVER: Table = {
    (_S.PROCEEDING, _I.START): (_S.PROCEEDING, (_A.SEND,)),
    (_S.PROCEEDING, _I.REQUEST): (_S.PROCEEDING, (_A.SEND,)),
    (_S.PROCEEDING, _I.ACK): (_S.PROCEEDING, ()),
    (_S.PROCEEDING, _I.R1XX): (_S.PROCEEDING, (_A.SEND, _A.START_1XX)),
    (_S.PROCEEDING, _I.TIMER_1XX): (_S.PROCEEDING, (_A.SEND, _A.START_1XX)),
    (_S.PROCEEDING, _I.R2XX): (_S.ACCEPTED, (_A.STOP, _A.SEND, _A.START_2XX, _A.START_L)),
    (_S.PROCEEDING, _I.R3XX_6XX): (_S.COMPLETED, (_A.STOP, _A.SEND, _A.START_G, _A.START_H)),
    (_S.COMPLETED, _I.REQUEST): (_S.COMPLETED, (_A.SEND,)),
    (_S.COMPLETED, _I.ACK): (_S.CONFIRMED, (_A.STOP, _A.START_I)),
    (_S.COMPLETED, _I.TIMER_G): (_S.COMPLETED, (_A.SEND, _A.DOUBLE_G)),
    (_S.COMPLETED, _I.TIMER_H): (_S.TERMINATED, (_A.DESTROY,)),
    (_S.CONFIRMED, _I.REQUEST): (_S.CONFIRMED, ()),
    (_S.CONFIRMED, _I.ACK): (_S.CONFIRMED, ()),
    (_S.CONFIRMED, _I.TIMER_I): (_S.TERMINATED, (_A.DESTROY,)),
    (_S.ACCEPTED, _I.REQUEST): (_S.ACCEPTED, ()),
    (_S.ACCEPTED, _I.ACK): (_S.ACCEPTED, (_A.TELL_ACK,)),
    (_S.ACCEPTED, _I.TIMER_2XX): (_S.ACCEPTED, (_A.SEND, _A.DOUBLE_2XX)),
    (_S.ACCEPTED, _I.TIMER_L): (_S.TERMINATED, (_A.TELL_NO_ACK, _A.DESTROY)),
}

# RFC 3261 figure 8.
NON_INVITE_SERVER: Table = {
    (_S.TRYING, _I.START): (_S.TRYING, ()),
    (_S.TRYING, _I.REQUEST): (_S.TRYING, ()),
    (_S.TRYING, _I.R1XX): (_S.PROCEEDING, (_A.SEND,)),
    (_S.TRYING, _I.R2XX): (_S.COMPLETED, (_A.SEND, _A.START_J)),
    (_S.TRYING, _I.R3XX_6XX): (_S.COMPLETED, (_A.SEND, _A.START_J)),
    (_S.PROCEEDING, _I.REQUEST): (_S.PROCEEDING, (_A.SEND,)),
    (_S.PROCEEDING, _I.R1XX): (_S.PROCEEDING, (_A.SEND,)),
    (_S.PROCEEDING, _I.R2XX): (_S.COMPLETED, (_A.SEND, _A.START_J)),
    (_S.PROCEEDING, _I.R3XX_6XX): (_S.COMPLETED, (_A.SEND, _A.START_J)),
    (_S.COMPLETED, _I.REQUEST): (_S.COMPLETED, (_A.SEND,)),
    (_S.COMPLETED, _I.TIMER_J): (_S.TERMINATED, (_A.DESTROY,)),
}


def response_input(status: int) -> Input:
    """The input that a response's class stands for; ``status`` is 100 to 699."""
    if status < 200:
        return Input.R1XX
    return Input.R2XX if status < 300 else Input.R3XX_6XX
