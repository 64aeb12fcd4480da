"""What processes have had of the processor's cores."""

import os
from pathlib import Path


def seconds(pid: int) -> float:
    """Of all threads of a process so far, in the system's ticks (a hundredth)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
