"""The media plane: RTP and RTCP relayed, measured, recorded and played.

Spoken to in the messages of ``rtp.messages``; ``rtp.plane`` is the sans-IO core, carried either by
the twistd process or by worker processes (``rtp.worker``, ``rtp.service``).
"""
