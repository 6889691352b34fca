"""Sphinx configuration."""

from __future__ import annotations

import tomllib
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

_project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]

project = _project["name"]
release = version = _project["version"]
author = "the pytest-peer developers"
project_copyright = author

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
default_role = "code"  # docstrings have `name` for code, as Markdown has

autodoc_class_signature = "separated"  # classes are made by fixtures and `start`
autodoc_default_options = {"show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80

html_theme = "furo"
html_title = f"{project} {release}"
exclude_patterns = ["_build", "*-table.md"]  # tables are included by a page
nitpicky = True
# References to our own names have to lead somewhere. Types of other projects have no pages here.
nitpick_ignore_regex = [
    ("py:.*", r"(?!pytest_peer).*"),
    ("py:class", r"pytest_peer\..*\.(T|OverStdio)"),
]


class SettingsTable(Directive):
    """The settings of the plugin, from the table that makes the command line and the ini options."""

    def run(self) -> list[nodes.Node]:
        from pytest_peer.plugin.settings import SETTINGS

        lines = ["| command line | ini | option | |", "|---|---|---|---|"]
        for setting in sorted(SETTINGS):
            cells = [f"`{setting.flag} {setting.metavar}`", f"`{setting.name}`"]
            cells += [f"`{setting.option}`" if setting.option else "", f"{setting.help}."]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append(
            "| | `peer_preload` | | Modules that the fork server imports once, for all peers. |"
        )
        container = nodes.container()
        self.state.nested_parse(StringList(lines, __file__), 0, container)
        return container.children


def skip_private(
    app: Sphinx, what: str, name: str, member: object, skip: bool, options: object
) -> bool | None:
    """Leave out members that say `:private:`, and those that have nothing to say."""
    doc = getattr(member, "__doc__", None) or ""
    return True if doc.startswith(":private:") or name in ("__init__", "__new__") else None


#: They hold what classes of the reference have in common, and have no pages.
HIDDEN_BASES = ("PeerExecutor", "Point")


def hide_bases(app: Sphinx, name: str, class_: type, options: object, bases: list[type]) -> None:
    """Show the bases of a hidden base in its place."""
    shown: list[type] = []
    for base in bases:
        shown += base.__bases__ if base.__name__ in HIDDEN_BASES else [base]
    bases[:] = shown


def reveal_homes() -> None:
    """Give errors the module they are written in: autodoc looks there for comments of attributes."""
    from pytest_peer.core import errors

    for value in vars(errors).values():
        if isinstance(value, type) and value.__module__ == "pytest_peer":
            value.__module__ = errors.__name__


def setup(app: Sphinx) -> dict[str, bool]:
    reveal_homes()
    app.add_directive("settings-table", SettingsTable)
    app.connect("autodoc-skip-member", skip_private)
    app.connect("autodoc-process-bases", hide_bases)
    return {"parallel_read_safe": True}
