"""A bot with threads: one client serves all of them over two connections.

python examples/bot_threads.py captcha.jpg another.jpg …
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tilefleet import Client, TilefleetError


def main(files: list[str]) -> None:
    with Client(retries=5) as fleet, ThreadPoolExecutor(16) as threads:

        def session(file: str) -> str:
            try:
                answer = fleet.solve(file, timeout=10)
            except (TilefleetError, OSError) as error:
                return f"{Path(file).name}: {type(error).__name__}: {error}"
            return f"{Path(file).name}: click {' '.join(f'{x},{y}' for x, y in answer.points)}"

        for line in threads.map(session, files):
            print(line)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
