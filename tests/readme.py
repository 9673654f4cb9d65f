"""The Python of the README: `python tests/readme.py FOLDER` writes one file a block."""

import re
import sys
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, block in enumerate(BLOCKS):
        (folder / f"block_{number}.py").write_text(block, encoding="utf-8")
