"""Where the child starts, by the path of this folder: the only code of the project that it can import."""

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    folder = Path(__file__).parent
    sys.path[0] = str(folder.parent)  # was the folder itself, whose modules shall only be found as parts of their package
    sys.exit(importlib.import_module(f"{folder.name}.program").main(sys.argv[1:]))
