"""What the templates promise: no inline script or style, no eval, components by macro."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from web.render import TEMPLATES
from web.static_files import ROOT

FILES = sorted(TEMPLATES.rglob("*.html"))
COMPONENTS = re.compile(
    r'class="[^"]*\b(st-card|st-badge|st-button|st-notice|st-toast|st-empty)(?![-\w])'
)


def name(path: Path) -> str:
    return path.relative_to(TEMPLATES).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_needs_inline_script_style_or_eval(path: Path) -> None:
    """The content security policy would refuse it in the browser, silently."""
    text = path.read_text()
    assert not re.search(r"\sstyle=", text)
    assert not re.search(r"\son[a-z]+=", text)
    assert "hx-on" not in text
    assert "js:" not in text
    assert not re.search(r'hx-trigger="[^"]*\[', text)
    assert "|safe" not in text
    for script in re.findall(r"<script[^>]*>", text):
        assert "src=" in script


@pytest.mark.parametrize("path", FILES, ids=name)
def test_components_are_macros(path: Path) -> None:
    """Only ui.html writes a component's markup."""
    if name(path) == "ui.html":
        return
    assert not COMPONENTS.search(path.read_text())


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_posting_form_has_a_token(path: Path) -> None:
    """Else its button answers 403."""
    for form in re.findall(r'<form[^>]*method="post".*?</form>', path.read_text(), re.DOTALL):
        assert "ui.csrf(visit)" in form


def test_used_classes_exist() -> None:
    """A class of ours without a rule is a slip of the pen."""
    css = "".join(path.read_text() for path in (ROOT / "css").glob("*.css"))
    script = (ROOT / "js" / "elements.js").read_text()
    used = {
        found
        for path in FILES
        for attribute in re.findall(r'class="([^"]*)"', path.read_text())
        for found in re.findall(r"\bst-[a-z0-9-]*[a-z0-9]\b(?!-?\{)", attribute)
    }
    known = set(re.findall(r"\.(st-[a-z0-9-]+)", css)) | HOOKS
    assert not {each for each in used - known if each not in script}


HOOKS = {
    "st-form",
    "st-live-balance",
    "st-live-status",
    "st-logout-text",
    "st-field-wide",
    "st-direction-internal",
}
