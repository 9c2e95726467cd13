"""The state folder, which belongs to one running service at a time.

A second service on the same folder would take the calls of the first one for what a crash has left
over, and close and charge them. So the folder is claimed before anything in it is looked at.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

LOCK_NAME = "lock"
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600


class FolderError(Exception):
    """The folder cannot be used; one line that says why."""


class FolderClaim:
    """The right to a folder, until ``release`` or the end of the process, however that comes."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if need be and claim it. Raises ``FolderError``."""
        try:
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(folder / LOCK_NAME, flags, _FILE_MODE)
        except OSError as error:
            raise FolderError(f"store.state_dir {folder}: {error.strerror}") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise FolderError(f"another softswitch runs on {folder}") from None
        except OSError as error:
            self.release()
            raise FolderError(f"store.state_dir {folder}: {error.strerror}") from None

    def release(self) -> None:
        """Give it up; the file stays, it says nothing by being there."""
        os.close(self._descriptor)
