"""Peak memory of one stage: ``python -m tests.benchmarks.memory COMMAND ...`` prints kilobytes.

Children are waited for, so that the peak is that of the largest process.
"""

from __future__ import annotations

import resource
import subprocess
import sys


def main(command: list[str]) -> int:
    code = subprocess.run(command, stderr=subprocess.DEVNULL).returncode
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
