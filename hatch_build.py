"""Build hook: a wheel carries the portal's front-end files, so an installed one needs no Node."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FrontEndFiles(BuildHookInterface):  # type: ignore[type-arg]
    """Runs ``tools/vendor.py`` before a wheel is packed; with the files there it does nothing."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """``version``: "standard" for a wheel, "editable" for a checkout, which brings its own."""
        if version == "standard":
            vendor = Path(self.root) / "tools" / "vendor.py"
            subprocess.run([sys.executable, str(vendor)], check=True, stdout=sys.stderr)
