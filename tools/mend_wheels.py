"""Makes the CMake files of the ROS wheels in this environment usable on this machine.

The wheels export the include folders of the machine that built them (Python's and numpy's); CMake refuses folders that do
not exist. And the message generator exports numpy's folder to the packages that use ours; CMake refuses that where the
environment lies inside the source tree, and nobody needs it. Run with the environment's own python after each install.
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy

MENDED = (
    (re.compile(r"/opt/python/cp3\d+-cp3\d+/include/python3\.\d+"), sysconfig.get_paths()["include"]),
    (re.compile(r"/[^;\"\s]*/site-packages/numpy/_?core/include"), numpy.get_include()),
    (re.compile(r"PUBLIC (?=\$\{Python3_INCLUDE_DIRS\} \$\{Python3_NumPy_INCLUDE_DIRS\})"), "PRIVATE "),
)


def main() -> None:
    for path in Path(sys.prefix, "share").rglob("*.cmake"):
        text = path.read_text()
        mended = text
        for pattern, replacement in MENDED:
            mended = pattern.sub(replacement, mended)
        if mended != text:
            path.write_text(mended)


main()
