"""One captcha: where to click, or what went wrong.

python examples/script.py captcha.jpg
"""

import sys

from tilefleet import BadRequest, Client, FleetError

if len(sys.argv) != 2:
    sys.exit(__doc__)

# A broken connection is mended, and a fleet that has too much to do is asked again: five times.
with Client(retries=5) as fleet:
    try:
        answer = fleet.solve(sys.argv[1], timeout=10)
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error.strerror or error}")
    except BadRequest as error:  # no captcha; sending it again will not help
        sys.exit(f"{sys.argv[1]}: {type(error).__name__}: {error}")
    except FleetError as error:  # no server, no worker, too much to do, too late
        sys.exit(f"no answer: {error}")

print("words ", *(word.label for word in answer.words))
print("picks ", *answer.picks)
print("points", *(f"{x},{y}" for x, y in answer.points))
print(f"sure   {answer.confidence:.0%}")
