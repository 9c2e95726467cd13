"""Prompt files of a state file: checked, named by their content, copied below the state folder.

They are kept as they came; converting them for calls is the voice menus' part.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PROMPT_BYTES_MAX = 20 * 1024 * 1024  # portal.md A1
NAME_MAX = 80
HASH_DIGITS = 12  # 48 bits: two files of one account that collide are not a thing to expect
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A file to copy: where it is, and its name below ``state_dir/prompts``."""

    source: Path
    name: str


def prompt_file(source: Path, account: str) -> PromptFile:
    """The stored name of a prompt, ``ACCOUNT/HASH-NAME``: new content, new name.

    Raises ``ValueError`` with a sentence if it cannot be read or is not audio.
    """
    digest = _digest(source)
    name = _NOT_IN_NAMES.sub("_", source.name)[-NAME_MAX:]
    # A file that was exported carries its hash already.
    name = name if name.startswith(f"{digest}-") else f"{digest}-{name}"
    return PromptFile(source, str(PurePosixPath(account, name)))


def copy_in(prompts: Sequence[PromptFile], state_dir: Path) -> None:
    """Put the files in their places. Names follow from content, so one that is there is right."""
    for prompt in prompts:
        target = state_dir / "prompts" / prompt.name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = target.with_name(f".{target.name}.part")
            shutil.copyfile(prompt.source, draft)
            draft.replace(target)


def looks_like_audio(head: bytes) -> bool:
    """Whether a file begins like WAV, AIFF, Ogg, FLAC, AU, MP3 or M4A."""
    if head[:4] in (b"OggS", b"fLaC", b".snd") or head[:3] == b"ID3":
        return True
    if head[:4] == b"RIFF":
        return head[8:12] == b"WAVE"
    if head[:4] == b"FORM":
        return head[8:12] in (b"AIFF", b"AIFC")
    if head[4:8] == b"ftyp":
        return True
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0  # an MPEG frame's sync


def _digest(source: Path) -> str:
    try:
        if source.stat().st_size > PROMPT_BYTES_MAX:
            raise ValueError(f"{source.name} is larger than {PROMPT_BYTES_MAX >> 20} MB")
        content = source.read_bytes()
    except OSError as error:
        raise ValueError(f"{source}: {error.strerror}") from None
    if not looks_like_audio(content[:16]):
        raise ValueError(f"{source.name} is not an audio file that we can read")
    return hashlib.sha256(content).hexdigest()[:HASH_DIGITS]
