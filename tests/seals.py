"""Configurations that were changed by somebody who knows how they are sealed."""

import json

from drnn_forecast.model.saving.seal import canonical, digest


def sealed(content):
    """Return a configuration with the digest of what it says."""
    rest = {name: part for name, part in content.items() if name != "digest"}
    return {**rest, "digest": digest(canonical(rest))}


def reseal(path, **changes):
    """Change entries of a configuration, and its digest with them."""
    path.write_text(json.dumps(sealed(json.loads(path.read_text()) | changes)))
