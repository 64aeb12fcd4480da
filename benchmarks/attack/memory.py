"""What hostile requests leave in memory: of each process, as they go on."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import sleep

from benchmarks.attack.processes import Attacked, attacker
from benchmarks.support import cores

#: Parts after each of which it is looked.
_PARTS = 10
#: Seconds after which what was asked for is answered, or taken back, at least and at most; and
#: seconds of the processor in one of them that are those of a process with nothing to do.
_REST_S, _MOST_S, _IDLE_S = 3, 60, 0.1


def head(requests: int) -> list[str]:
    first, middle = requests // _PARTS, requests // 2
    return ["process", f"MiB after {first:,}", f"after {middle:,}", f"after {requests:,}", "ratio"]


def measure(attacked: Attacked, pids: Mapping[str, int], requests: int) -> list[list[object]]:
    """MiB that each process has after a tenth, half and all of them; last over first."""
    sizes: dict[str, list[float]] = {name: [] for name in pids}
    for part in range(_PARTS):
        count = requests * (part + 1) // _PARTS - requests * part // _PARTS
        subprocess.run(
            attacker(attacked.port, attacked.attacker, "--count", str(count)), check=True
        )
        for pid in pids.values():
            _rest(pid)
        for name, pid in pids.items():
            sizes[name].append(resident_mib(pid))
        shown = ", ".join(f"{name} {each[-1]:.1f} MiB" for name, each in sizes.items())
        print(f"{requests * (part + 1) // _PARTS:,}: {shown}", file=sys.stderr)
    return [
        [name, each[0], each[_PARTS // 2 - 1], each[-1], each[-1] / each[0]]
        for name, each in sizes.items()
    ]


def _rest(pid: int) -> None:
    """Wait until it has done what there was to do."""
    sleep(_REST_S)
    for _ in range(_MOST_S):
        before = cores.seconds(pid)
        sleep(1)
        if cores.seconds(pid) - before <= _IDLE_S:
            return


def resident_mib(pid: int) -> float:
    """What it has of the machine's memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
