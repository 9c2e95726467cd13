"""The claim of a running service to its state folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from softswitch.state_folder import FolderClaim, FolderError


def test_a_second_claim_is_refused_until_the_first_is_released(tmp_path: Path) -> None:
    """One service at a time; afterwards the folder is free again, with the lock file in it."""
    first = FolderClaim(tmp_path)
    with pytest.raises(FolderError, match=f"^another softswitch runs on {tmp_path}$"):
        FolderClaim(tmp_path)
    first.release()
    FolderClaim(tmp_path).release()


def test_the_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """A folder that is not there yet, with its parents."""
    folder = tmp_path / "var" / "state"
    FolderClaim(folder).release()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file stands in the way: one line with the key of the configuration and the path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match=r"^store\.state_dir .*/file/var: Not a directory$"):
        FolderClaim(tmp_path / "file" / "var")
