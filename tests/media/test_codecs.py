"""G.711."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.codecs import decoder, encoder
from media.pcm import pcm_bytes

ENCODINGS = ["PCMU", "PCMA"]
samples = st.lists(st.integers(-32768, 32767), max_size=200)


@pytest.mark.parametrize(("encoding", "silence"), [("PCMU", 0xFF), ("PCMA", 0xD5)])
def test_silence_is_the_octet_of_the_standard(encoding: str, silence: int) -> None:
    """G.711: all ones in mu-law, alternate bits inverted in A-law."""
    encode = encoder(encoding)
    assert encode is not None
    assert encode(bytes(320)) == bytes((silence,)) * 160


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_octet_survives_decoding_and_encoding(encoding: str) -> None:
    """Each of the 256 codes stands for one level; mu-law's two zeros are the same sound."""
    encode, decode = encoder(encoding), decoder(encoding)
    assert encode is not None
    assert decode is not None
    codes = bytes(range(256))
    again = encode(decode(codes))
    differing = {code for code, other in zip(codes, again, strict=True) if code != other}
    assert differing <= ({0x7F} if encoding == "PCMU" else set())


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(values=samples)
def test_the_error_is_within_a_step(encoding: str, values: list[int]) -> None:
    """Logarithmic steps: at most about 1/16 of the level, and mu-law clips at 32124."""
    encode, decode = encoder(encoding), decoder(encoding)
    assert encode is not None
    assert decode is not None
    decoded = array("h", decode(encode(pcm_bytes(array("h", values)))))
    for value, heard in zip(values, decoded, strict=True):
        assert abs(value - heard) <= abs(value) / 16 + 16


@pytest.mark.parametrize("encoding", ["opus", "", "telephone-event"])
def test_other_codecs_are_not_known(encoding: str) -> None:
    """``None``, so that a leg which speaks them hears nothing rather than noise."""
    assert encoder(encoding) is None
    assert decoder(encoding) is None


def test_names_are_of_any_case() -> None:
    """SDP's encoding names are case-insensitive (RFC 4855 section 3)."""
    assert encoder("pcma") is encoder("PCMA")
