"""Checking a portal password against what is stored; runs in a helper process."""

from __future__ import annotations

from softswitch.secrets import verify_password

# A hash of a password that nobody has, made with the same parameters as real ones. Checking it
# costs the same as checking a real one, so an unknown e-mail address cannot be told by time.
UNKNOWN_USER_HASH = (
    "$argon2id$v=19$m=65536,t=3,p=4$pNaxotWR00js0c9i3IyJcg"
    "$4KHGxhVPiE4kZhuSRr2doSVMYJbqvFr1ZH9anlmOu2M"
)


def matching(hashes: list[str], password: str) -> int | None:
    """The index of the first hash that the password fits, or ``None``. Costs one hash per entry;
    with no entry it costs as much as with one."""
    fits = [verify_password(hashed, password) for hashed in hashes or [UNKNOWN_USER_HASH]]
    return fits.index(True) if hashes and True in fits else None
