"""Spoilt SIP messages: what a broken, foreign or hostile peer could send, from what true ones do.

Some mutations know nothing (flipped bits, cuts), some know lines (doubled, missing, moved), some
the grammar (a number where it hurts, another method, another message's dialog). Equal seeds spoil
alike.
"""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Callable

CORPUS_MAX = 256
"""Messages kept for splicing: of the last seconds, so that parts belong to what is still up."""

MESSAGE_BYTES_MAX = 65507  # of a datagram

HUGE = (
    b"-1", b"0", b"00000000001", b"255", b"256", b"65536", b"2147483647", b"2147483648",
    b"4294967295", b"4294967296", b"18446744073709551616", b"9" * 40, b"9" * 400, b"1e9", b"0x10",
    b"+1", b" 1", b"1 2", b"\xd9\xa3", b"\xc2\xb2", b"NaN", b"",
)  # fmt: skip
JUNK = (
    b"\0", b"\0\0\0\0", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\r\n ", b"\t", b" ", b'"', b'\\"',
    b"\\", b"<", b">", b"<>", b";", b";;", b",", b",,", b"=", b"?", b"%", b"%00", b"%zz", b"%0d%0a",
    b"@", b"@@", b":", b"::", b"[", b"[::", b"]", b"[:::1]", b"(", b")", b"\x7f", b"\x80", b"\xff",
    b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", "é".encode(), "\u202e".encode(),
    "\u2028".encode(), "\U0001f4de".encode(), "\ufeff".encode(), b"A" * 300, b"a=b;" * 64,
    b'"' * 65, b"(" * 65, b"<sip:a@b>," * 33, b"{}", b"../../", b"'; DROP TABLE cdr; --", b"%n%n%s",
)  # fmt: skip
METHODS = (
    *(b"INVITE", b"ACK", b"BYE", b"CANCEL", b"OPTIONS", b"REGISTER", b"REFER", b"NOTIFY"),
    *(b"SUBSCRIBE", b"MESSAGE", b"INFO", b"UPDATE", b"PRACK", b"PUBLISH", b"invite", b"FOO", b"*"),
)
STATUSES = (
    *(b"100", b"180", b"183", b"199", b"200", b"202", b"299", b"300", b"302", b"380", b"401"),
    *(b"407", b"408", b"415", b"420", b"422", b"423", b"481", b"486", b"487", b"488", b"491"),
    *(b"494", b"500", b"503", b"600", b"603", b"699", b"700", b"099", b"0", b"1000", b"-200"),
)
URIS = (
    b"sip:", b"sip:@", b"sip:a", b"sip:a@", b"sip:@b", b"sip:a@b@c", b"sip:[::1]", b"sip:[::1",
    b"sip:[2001:db8::10:5070]", b"sip:[:::192.0.2.1]", b"sip:a@256.1.1.1", b"sip:a@b:0",
    b"sip:a@b:65536", b"sip:a@b;lr;lr", b"sip:a@b?Replaces=x", b"sip:a@b?%0d%0aX=y", b"sip:%00@b",
    b"sip:%ff@b", b"sips:a@b", b"tel:+37120000001", b"tel:", b"tel:;x", b"http://a/", b"urn:x:y",
    b"*", b"sip:a@b;transport=tcp", b"sip:a@10.9.9.9;transport=tls", b"sip:a@b;maddr=10.9.9.9",
    b"sip:102@10.0.0.1", b"sip:+37120000001@10.0.0.1", b"sip:" + b"a" * 3000 + b"@b",
    b"sip:0@0;" + b"p;" * 40, b"sip:a@-b-", b"sip:a@b.", b"sip:a:b@c", b"sip:\xc3\xa9@b",
)  # fmt: skip
FIELDS = (
    b"Require: 100rel", b"Require: replaces, outbound, path", b"Proxy-Require: privacy",
    b"Supported: 100rel, timer, replaces, outbound, path, gruu", b"Max-Forwards: 0",
    b"Max-Forwards: 300", b"Expires: 0", b"Expires: 4294967296", b"Contact: *", b"Contact: ",
    b"Contact: <sip:a@10.9.9.9:9>;expires=1;q=2", b"Route: <sip:10.9.9.9;lr>", b"Route: <",
    b"Record-Route: <sip:10.9.9.9;lr>, <sip:10.9.9.8>", b"Path: <sip:10.9.9.9;lr;ob>",
    b"Refer-To: <sip:102@10.0.0.1>", b"Refer-To: <sip:102@10.0.0.1?Replaces=a%3Bto-tag%3Db>",
    b"Referred-By: <sip:a@b>", b"Replaces: a;to-tag=b;from-tag=c", b"Event: presence",
    b"Event: refer;id=1", b"Subscription-State: active;expires=99999999999", b"Session-Expires: 1",
    b"Content-Encoding: gzip", b"Content-Type: multipart/mixed;boundary=x", b"Content-Type: ",
    b"Content-Disposition: session;handling=required", b"Privacy: id;critical", b"RSeq: 0",
    b"P-Asserted-Identity: \"x\" <sip:+1@b>, <tel:+2>", b"P-Asserted-Identity: <", b"RAck: x",
    b"Retry-After: 99999999999999999999", b"Timestamp: 1e400", b"Date: tomorrow", b"Join: a",
    b"Authorization: Digest ", b"Authorization: Basic eDp5", b"Proxy-Authorization: Digest a=b",
    b"WWW-Authenticate: Digest realm=\"x\", nonce=\"\", algorithm=FOO", b"Min-Expires: 0",
    b"Proxy-Authenticate: Digest realm=\"picky\", nonce=\"n\", qop=\"auth-int\"", b"X" * 200 + b":",
    b": nothing", b"nothing", b" folded", b"Via: SIP/2.0/UDP 10.9.9.9;branch=z9hG4bK",
    b"Via: SIP/3.0/FOO [::1]:99999;rport;rport", b"v: ", b"To: <sip:a@b>;tag=zz", b"l: 5",
    b"Content-Length: 0", b"Content-Length: -999", b"Content-Length: 99999999999",
)  # fmt: skip
SDP_LINES = (
    b"m=audio 0 RTP/AVP 8", b"m=audio 70000 RTP/AVP 8", b"m=audio 4000 RTP/SAVP 8", b"m=",
    b"m=a b", b"m=video 4002 RTP/AVP 96", b"m=image 4004 udptl t38",
    b"m=audio 4000 RTP/AVP " + b"8 " * 500, b"c=IN IP4 0.0.0.0", b"c=IN IP4 256.0.0.1",
    b"c=IN IP6 ::", b"c=IN IP4 host.example.com", b"c=", b"c=IN IP4 224.2.1.1/127/3", b"o=",
    b"o=- 99999999999999999999999 -1 IN IP4 x", b"v=1", b"t=", b"a=rtpmap:8", b"a=rtpmap:999 X/0",
    b"a=rtpmap:8 PCMA/8000/2/9", b"a=fmtp:101 0-999", b"a=ptime:0", b"a=ptime:-20",
    b"a=ptime:1e9", b"a=rtcp:99999", b"a=inactive", b"a=sendonly", b"a", b"=", b"\0",
    b"a=crypto:1 x inline:y", b"b=AS:-1", b"a=candidate:1 1 UDP 1 10.9.9.9 9 typ host",
    b"m=audio 4000/0 RTP/AVP 8",
)  # fmt: skip

_NUMBER = re.compile(rb"[0-9]+")
_TOKEN = re.compile(rb"[A-Za-z0-9.+\-]{2,}")
_URI = re.compile(rb"(?:sips?|tel):[^\s>,]+")
_TAG = re.compile(rb"tag=[^;,\s>]+")
_LENGTH = re.compile(rb"(?im)^(content-length|l)[ \t]*:[^\r\n]*")


class Mutations:
    """Spoils messages; ``learn`` gives it true ones to splice with."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._corpus: deque[bytes] = deque(maxlen=CORPUS_MAX)

    def learn(self, message: bytes) -> None:
        """Keep a true message, in place of the oldest one kept."""
        self._corpus.append(message)

    def spoil(self, message: bytes) -> bytes:
        """A message with one to three faults. Its Content-Length fits again in two of three."""
        pick = self.random
        for _ in range(pick.choice((1, 1, 1, 2, 3))):
            message = pick.choice(MUTATIONS)(self, message)
        if pick.random() < 0.66:
            message = with_length(message)
        return message[:MESSAGE_BYTES_MAX]

    # --- that know nothing ------------------------------------------------------------------------

    def flip_bits(self, data: bytes) -> bytes:
        """One to eight bits."""
        spoilt = bytearray(data)
        for _ in range(self.random.randint(1, 8) if data else 0):
            spoilt[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        return bytes(spoilt)

    def cut(self, data: bytes) -> bytes:
        """The end is missing, or the beginning, or a part in between."""
        low, high = sorted((self._place(data), self._place(data)))
        return self.random.choice((data[:low], data[high:], data[:low] + data[high:]))

    def insert(self, data: bytes) -> bytes:
        """Junk anywhere."""
        at = self._place(data)
        return data[:at] + self.random.choice(JUNK) + data[at:]

    def overwrite(self, data: bytes) -> bytes:
        """Junk in place of as many bytes."""
        at, junk = self._place(data), self.random.choice(JUNK)
        return data[:at] + junk + data[at + len(junk) :]

    def repeat(self, data: bytes) -> bytes:
        """A part stands there many times."""
        at = self._place(data)
        part = data[at : at + self.random.randint(1, 64)]
        return data[:at] + part * self.random.choice((2, 3, 40, 300)) + data[at:]

    def splice(self, data: bytes) -> bytes:
        """The head of one message and the rest of another one."""
        other = self._other()
        if self.random.random() < 0.5:
            return data[: self._place(data)] + other[self._place(other) :]
        return data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + other.partition(b"\r\n\r\n")[2]

    def join(self, data: bytes) -> bytes:
        """Two messages in one."""
        return data + self._other()

    # --- that know lines --------------------------------------------------------------------------

    def drop_line(self, data: bytes) -> bytes:
        """One line is missing."""
        lines = data.split(b"\r\n")
        del lines[self.random.randrange(len(lines))]
        return b"\r\n".join(lines)

    def double_line(self, data: bytes) -> bytes:
        """A line stands there twice, or until there are too many."""
        lines = data.split(b"\r\n")
        at = self.random.randrange(len(lines))
        return b"\r\n".join(lines[:at] + lines[at : at + 1] * self._times() + lines[at:])

    def move_line(self, data: bytes) -> bytes:
        """A line stands elsewhere."""
        lines = data.split(b"\r\n")
        lines.insert(
            self.random.randrange(len(lines)), lines.pop(self.random.randrange(len(lines)))
        )
        return b"\r\n".join(lines)

    def foreign_line(self, data: bytes) -> bytes:
        """A line of another message, in place of one or beside it."""
        lines, others = data.split(b"\r\n"), self._other().split(b"\r\n")
        at = self.random.randrange(len(lines))
        lines[at : at + self.random.randrange(2)] = [self.random.choice(others)]
        return b"\r\n".join(lines)

    def foreign_value(self, data: bytes) -> bytes:
        """A field has the value that it has in another message: its dialog, its credentials."""
        lines = data.split(b"\r\n")
        at = self.random.randrange(len(lines))
        name = lines[at].partition(b":")[0]
        found = [line for line in self._other().split(b"\r\n") if line.startswith(name + b":")]
        if found:
            lines[at] = found[0]
        return b"\r\n".join(lines)

    def add_field(self, data: bytes) -> bytes:
        """A field that asks for something, right or wrong, once or too often."""
        lines = data.split(b"\r\n")
        lines[1:1] = [self.random.choice(FIELDS)] * self._times()
        return b"\r\n".join(lines)

    def other_breaks(self, data: bytes) -> bytes:
        """Line breaks that are none in SIP, or folding everywhere."""
        head, blank, body = data.partition(b"\r\n\r\n")
        breaks = self.random.choice(
            (b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n ", b"\r\n\t", b"\r\n\0")
        )
        return head.replace(b"\r\n", breaks) + blank + body

    # --- that know the grammar --------------------------------------------------------------------

    def number(self, data: bytes) -> bytes:
        """A number where it is wrong, too large or none."""
        return self._replaced(data, _NUMBER, self.random.choice(HUGE))

    def token(self, data: bytes) -> bytes:
        """A word has another one's place, or is in other letters."""
        found = _TOKEN.findall(data) or [b"x"]
        word = self.random.choice(found)
        return self._replaced(data, _TOKEN, self.random.choice((word, word.swapcase(), word * 9)))

    def uri(self, data: bytes) -> bytes:
        """Another URI, most of them none."""
        return self._replaced(data, _URI, self.random.choice(URIS))

    def tag(self, data: bytes) -> bytes:
        """Another dialog, or none."""
        others = (b"tag=", b"tag=x", b"tag", b"tag=x;tag=y", b'tag="x"', b"tag=" + b"t" * 500)
        return self._replaced(data, _TAG, self.random.choice(others))

    def start_line(self, data: bytes) -> bytes:
        """Another method or status; in CSeq too, in half of the cases."""
        line, _, rest = data.partition(b"\r\n")
        words = line.split(b" ", 2)
        if len(words) < 3:
            return data
        if line.startswith(b"SIP/"):
            return b" ".join((words[0], self.random.choice(STATUSES), words[2])) + b"\r\n" + rest
        method = self.random.choice(METHODS)
        if self.random.random() < 0.7:
            rest = re.sub(rb"(?im)^(cseq[ \t]*:[ \t]*\S+[ \t]+)\S+", rb"\1" + method, rest, count=1)
        return b" ".join((method, *words[1:])) + b"\r\n" + rest

    def value(self, data: bytes) -> bytes:
        """A field's value is junk or empty."""
        lines = data.split(b"\r\n")
        at = self.random.randrange(len(lines))
        name, colon, _ = lines[at].partition(b":")
        if colon:
            lines[at] = name + b": " + self.random.choice(JUNK)
        return b"\r\n".join(lines)

    def parameter(self, data: bytes) -> bytes:
        """A parameter more at the end of a line."""
        lines = data.split(b"\r\n")
        added = self.random.choice(JUNK + HUGE)
        lines[self.random.randrange(len(lines))] += b";" + added + b"=" + self.random.choice(JUNK)
        return b"\r\n".join(lines)

    def length(self, data: bytes) -> bytes:
        """A Content-Length that lies."""
        return _LENGTH.sub(b"Content-Length: " + self.random.choice(HUGE), data, count=1)

    def sdp_line(self, data: bytes) -> bytes:
        """Another line in the body, or in place of one there."""
        head, blank, body = data.partition(b"\r\n\r\n")
        lines = body.split(b"\r\n")
        at = self.random.randrange(len(lines))
        lines[at : at + self.random.randrange(2)] = [self.random.choice(SDP_LINES)] * self._times()
        return head + blank + b"\r\n".join(lines)

    # --- choosing ---------------------------------------------------------------------------------

    def _place(self, data: bytes) -> int:
        return self.random.randint(0, len(data))

    def _other(self) -> bytes:
        return self.random.choice(self._corpus) if self._corpus else b""

    def _times(self) -> int:
        return self.random.choice((1, 1, 1, 1, 2, 10, 250))

    def _replaced(self, data: bytes, pattern: re.Pattern[bytes], new: bytes) -> bytes:
        found = list(pattern.finditer(data))
        if not found:
            return data
        match = self.random.choice(found)
        return data[: match.start()] + new + data[match.end() :]


MUTATIONS: tuple[Callable[[Mutations, bytes], bytes], ...] = (
    Mutations.flip_bits, Mutations.cut, Mutations.insert, Mutations.overwrite, Mutations.repeat,
    Mutations.splice, Mutations.join, Mutations.drop_line, Mutations.double_line,
    Mutations.move_line, Mutations.foreign_line, Mutations.foreign_value, Mutations.add_field,
    Mutations.other_breaks, Mutations.number, Mutations.number, Mutations.token, Mutations.uri,
    Mutations.uri, Mutations.tag, Mutations.tag, Mutations.start_line, Mutations.start_line,
    Mutations.value, Mutations.parameter, Mutations.length, Mutations.sdp_line, Mutations.sdp_line,
    Mutations.sdp_line, Mutations.foreign_value, Mutations.foreign_value, Mutations.add_field,
)  # fmt: skip


def with_length(message: bytes) -> bytes:
    """The message with the Content-Length that its body has, so that what is spoilt is looked at
    instead of the length."""
    head, blank, body = message.partition(b"\r\n\r\n")
    return _LENGTH.sub(b"Content-Length: %d" % len(body), head, count=1) + blank + body
