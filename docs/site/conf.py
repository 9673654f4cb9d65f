"""How Sphinx makes the site of what `stage.py` laid out."""

import os
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from stage import public_address

import drnn_forecast

project = "drnn_forecast"
author = "The drnn_forecast authors"
copyright = f"2026, {author}"
version = release = drnn_forecast.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_nb"]
exclude_patterns = ["**.ipynb_checkpoints"]
nitpicky = False

html_theme = "furo"
html_title = f"drnn_forecast {release}"
html_theme_options = {"source_repository": public_address(), "source_branch": "main"}
html_theme_options |= {"source_directory": "docs/", "top_of_page_buttons": []}
html_static_path = [str(Path(__file__).parent / "static")]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # pages of results begin where their script begins

# Cells call the command of the environment that builds the site, activated or not.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
# Tutorials take minutes and are run by `make tutorials`.
nb_execution_mode = os.environ.get("DOCS_EXECUTION", "force")
nb_execution_excludepatterns = ["tutorials/*"]
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
nb_output_stderr = "remove"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 60
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

linkcheck_ignore = [re.escape(public_address()) + ".*"]  # its owner is not settled
linkcheck_timeout = 20
linkcheck_workers = 4


def code_of_markdown(*args: Any) -> None:
    """Name things in docstrings as Markdown does, in place."""
    lines = args[-1]
    lines[:] = re.sub(
        r"(?<![`:])`([^`]+)`(?!`)(?=(\w?))",
        lambda found: f"``{found[1]}``" + ("\\" if found[2] else ""),
        "\n".join(lines),
    ).split("\n")


def setup(app: Any) -> None:
    """Have docstrings rewritten before napoleon reads them."""
    app.connect("autodoc-process-docstring", code_of_markdown, priority=100)
