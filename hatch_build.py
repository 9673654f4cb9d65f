"""The README as a page outside the repository, such as PyPI's, shows it."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class AbsoluteLinks(MetadataHookInterface):
    """Links and pictures of the README lead to this release's files at `project.urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Put the README with absolute links into the metadata."""
        release = f"{metadata['urls']['Source']}/%s/v{metadata['version']}/"
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        readme = re.sub(r"(!\[[^\]]*\]\()(?!\w+:|#)", rf"\1{release % 'raw'}", readme)
        readme = re.sub(r"((?<!!)\[[^\]]*\]\()(?!\w+:|#)", rf"\1{release % 'blob'}", readme)
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
