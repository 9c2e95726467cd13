"""Prompt files: sniffed, named by content, copied in."""

from __future__ import annotations

from pathlib import Path

import pytest

from softswitch.problems import FileProblems
from softswitch.state.prompts import PROMPT_BYTES_MAX, copy_in, looks_like_audio, prompt_file
from tests.softswitch.conftest import Applies, silence


@pytest.mark.parametrize(
    "head",
    [
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"FORM\0\0\0\0AIFFCOMM",
        b"OggS\0\x02\0\0",
        b"fLaC\0\0\0\x22",
        b"ID3\x03\0\0\0",
        b"\xff\xfb\x90\x64",
        b"\0\0\0\x20ftypM4A ",
        b".snd\0\0\0\x18",
    ],
)
def test_audio_is_known_by_its_first_bytes(head: bytes) -> None:
    """The formats that portal.md A1 accepts, and those that programs of old write."""
    assert looks_like_audio(head)


@pytest.mark.parametrize("head", [b"", b"RIFF\x24\0\0\0AVI LIST", b"%PDF-1.7", b"\xff\0", b"hello"])
def test_other_files_are_not_audio(head: bytes) -> None:
    """Whatever they are called."""
    assert not looks_like_audio(head)


def test_new_content_has_a_new_name(tmp_path: Path) -> None:
    """So the same file is no difference, and a changed one is."""
    source = tmp_path / "wel come!.wav"
    source.write_bytes(silence())
    first = prompt_file(source, "000000212")
    assert first == prompt_file(source, "000000212")
    assert first.name.startswith("000000212/")
    assert first.name.endswith("-wel_come_.wav")
    source.write_bytes(silence() + b"\0\0")
    assert prompt_file(source, "000000212").name != first.name


def test_a_copied_file_keeps_its_name(tmp_path: Path) -> None:
    """Otherwise export and apply would add a hash each time round."""
    source = tmp_path / "welcome.wav"
    source.write_bytes(silence())
    stored = prompt_file(source, "000000212")
    copy_in([stored], tmp_path)
    copy = tmp_path / "prompts" / stored.name
    assert copy.read_bytes() == silence()
    assert prompt_file(copy, "000000212").name == stored.name


def test_bad_prompts_are_told_with_their_line(
    applies: Applies, example: Path, tmp_path: Path
) -> None:
    """Missing, not audio, too large."""
    wav = tmp_path / "welcome.wav"
    wav.write_text("hello")
    with pytest.raises(FileProblems, match=r"welcome\.wav is not an audio file that we can read"):
        applies(example)
    with wav.open("wb") as file:
        file.truncate(PROMPT_BYTES_MAX + 1)
    with pytest.raises(FileProblems, match=r"welcome\.wav is larger than 20 MB"):
        applies(example)
    wav.unlink()
    with pytest.raises(FileProblems) as refused:
        applies(example)
    (problem,) = refused.value.problems
    assert problem.line == 55
    assert problem.text == f"prompt: {wav}: No such file or directory"
