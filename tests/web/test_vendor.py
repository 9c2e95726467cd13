"""The front-end set-up: what it keeps, what it cuts, when it has nothing to do."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def vendor() -> ModuleType:
    """``tools/vendor.py``, which is a script and no package."""
    spec = importlib.util.spec_from_file_location("vendor_tool", ROOT / "tools" / "vendor.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["vendor_tool"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def modules(vendor: ModuleType, tmp_path: Path) -> Path:
    """A ``node_modules`` with a stand-in for every named file."""
    for file in vendor.FILES:
        package = tmp_path / "node_modules" / file.package
        (package / file.source).parent.mkdir(parents=True, exist_ok=True)
        (package / file.source).write_bytes(b"a{}\n/*# sourceMappingURL=x.map */\n")
        about = {"version": "1.2.3", "license": "MIT"}
        (package / "package.json").write_text(json.dumps(about))
    return tmp_path / "node_modules"


def test_a_sheet_is_put_into_its_layer_without_its_map(vendor: ModuleType) -> None:
    """So that every rule of ours wins."""
    made = vendor.layered(b'@charset "UTF-8";a{}\n/*# sourceMappingURL=x.css.map */\n')
    assert made == b'@charset "UTF-8";\n@layer vendor{a{}}\n'


def test_files_are_made_once(vendor: ModuleType, modules: Path, tmp_path: Path) -> None:
    """While the manifest matches lock file and content, nothing is done."""
    target, lock = tmp_path / "vendor", b"lock"
    vendor.write(target, modules, lock, vendor.FILES)
    assert vendor.is_current(target, lock, vendor.FILES)
    assert not vendor.is_current(target, b"another lock", vendor.FILES)
    (target / "htmx.js").write_bytes(b"changed")
    assert not vendor.is_current(target, lock, vendor.FILES)


def test_without_files_nothing_is_current(vendor: ModuleType, tmp_path: Path) -> None:
    """A fresh clone."""
    assert not vendor.is_current(tmp_path, b"lock", vendor.FILES)


def test_a_package_without_its_file_is_named(
    vendor: ModuleType, modules: Path, tmp_path: Path
) -> None:
    """One line, not a traceback."""
    (modules / "htmx.org" / "dist" / "htmx.min.js").unlink()
    with pytest.raises(vendor.VendorError, match=r"htmx\.org has no dist/htmx\.min\.js"):
        vendor.write(tmp_path / "vendor", modules, b"lock", vendor.FILES)


def test_the_lock_file_pins_every_package_and_names_no_registry() -> None:
    """sha512 of each; where it comes from is the machine's own affair."""
    lock = json.loads((ROOT / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    for name, entry in packages.items():
        assert entry["integrity"].startswith("sha512-"), name
        assert "resolved" not in entry, name
