"""SIP (RFC 3261 and its extensions) without I/O.

Bytes, events and ``now_s`` go in; bytes, events and deadlines come out. Only ``sip.transport`` and
``sip.service`` touch sockets and the reactor. Nothing here knows of accounts, calls or media.
"""
