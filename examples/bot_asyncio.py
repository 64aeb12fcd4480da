"""A bot with many sessions in one event loop: they share one client, which needs two connections.

python examples/bot_asyncio.py captcha.jpg another.jpg …
"""

import asyncio
import sys
from pathlib import Path

from tilefleet import Answer, AsyncClient, BadRequest, FleetError, Retries

#: Below this, another captcha is asked for rather than an answer given that may be wrong.
SURE = 0.5


async def session(fleet: AsyncClient, file: Path) -> Answer | None:
    """What one visitor does: here the captcha comes from a file, in life from the site."""
    name = file.name
    try:
        captcha = await asyncio.to_thread(file.read_bytes)
        answer = await fleet.solve(captcha, timeout=10)  # cancelling the session revokes it
    except BadRequest as error:
        print(f"{name}: no captcha: {error}")
        return None
    except (FleetError, OSError) as error:  # other sessions go on
        print(f"{name}: {error}")
        return None
    if answer.confidence < SURE:
        print(f"{name}: not sure ({answer.confidence:.0%}), asking for another")
        return None
    print(f"{name}: click {' '.join(f'{x},{y}' for x, y in answer.points)}")
    return answer


async def main(files: list[str]) -> None:
    policy = Retries(8, pause_s=0.2, longest_s=5)
    async with AsyncClient(retries=policy) as fleet, asyncio.TaskGroup() as sessions:
        for file in files:
            sessions.create_task(session(fleet, Path(file)))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1:]))
