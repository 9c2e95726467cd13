"""Style sheets, scripts and fonts: read once at start, served from memory under a hashed path.

The hash covers the whole tree, so every file may be cached for a year and a new version is another
address. There is no folder behind the address, hence no listing and no way out of it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent / "static"
HASH_CHARS = 10
FILE_BYTES_MAX = 2 * 1024 * 1024  # of one file; a larger one is a mistake in the tree
GZIP_BYTES_MIN = 1024

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
VENDOR_FILES = ("vendor/tabler.css", "vendor/inter.css", "vendor/htmx.js", "vendor/hx-sse.js")


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file's bytes; ``compressed`` is its gzip form, empty where that gains nothing."""

    content: bytes
    compressed: bytes
    content_type: str


class StaticFiles:
    """All static files by their name below ``web/static``."""

    def __init__(self, files: dict[str, StaticFile]) -> None:
        self._files = files
        digest = hashlib.sha256()
        for name in sorted(files):
            digest.update(name.encode() + b"\0" + files[name].content)
        self.hash = digest.hexdigest()[:HASH_CHARS]
        self.missing = tuple(name for name in VENDOR_FILES if name not in files)

    def find(self, tree_hash: str, name: str) -> StaticFile | None:
        """The file at an address, or ``None``: unknown, or of another version."""
        return self._files.get(name) if tree_hash == self.hash else None

    def url(self, name: str) -> str:
        """The address of a file, "" when it has not been set up: templates then leave it out."""
        return f"/static/{self.hash}/{name}" if name in self._files else ""


def load(root: Path = ROOT) -> StaticFiles:
    """Read the tree. Of the vendor folder, only what its manifest lists as served."""
    paths = [path for path in sorted(root.rglob("*")) if path.suffix in TYPES and path.is_file()]
    served = _served_vendor_names(root / "vendor")
    return StaticFiles(
        {
            path.relative_to(root).as_posix(): _read(path)
            for path in paths
            if path.parent.name != "vendor" or path.name in served
        }
    )


def _served_vendor_names(folder: Path) -> frozenset[str]:
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        return frozenset(entry["name"] for entry in manifest["files"] if entry["served"])
    except (OSError, ValueError, KeyError):
        return frozenset()


def _read(path: Path) -> StaticFile:
    size = path.stat().st_size
    if size > FILE_BYTES_MAX:
        raise ValueError(f"{path} has {size} bytes, at most {FILE_BYTES_MAX}")
    content = path.read_bytes()
    ready = path.with_name(f"{path.name}.gz")
    if ready.is_file():
        compressed = ready.read_bytes()
    elif path.suffix != ".woff2" and size > GZIP_BYTES_MIN:
        compressed = gzip.compress(content, 9, mtime=0)
    else:
        compressed = b""
    return StaticFile(content, compressed, TYPES[path.suffix])
