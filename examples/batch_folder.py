"""A folder of captchas into a CSV file, read when nobody waits for others.

What is in the file already is not sent again, so an interrupted run goes on where it was.

python examples/batch_folder.py FOLDER answers.csv
"""

import csv
import sys
from pathlib import Path

from tilefleet import Answer, Client

COLUMNS = ("file", "words", "picks", "confidence", "error")


def main(folder: Path, table: Path) -> None:
    done = set()
    if table.exists():
        with table.open(encoding="utf-8", newline="") as file:
            done = {row["file"] for row in csv.DictReader(file)}
    files = [path for path in sorted(folder.iterdir()) if path.name not in done]
    with table.open("a", encoding="utf-8", newline="") as file, Client(retries=10) as fleet:
        rows = csv.DictWriter(file, COLUMNS)
        if not done:
            rows.writeheader()
        answered = failed = 0
        for path, outcome in fleet.outcomes(files, window=256, timeout=120, bulk=True):
            if isinstance(outcome, Answer):
                answered += 1
                row = {
                    "words": " ".join(word.label for word in outcome.words),
                    "picks": " ".join(map(str, outcome.picks)),
                    "confidence": f"{outcome.confidence:.3f}",
                }
            else:
                failed += 1
                row = {"error": f"{type(outcome).__name__}: {outcome}"}
            rows.writerow({"file": path.name, **row})
    print(f"{answered} answered, {failed} failed, {len(done)} were done before: {table}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(folder=Path(sys.argv[1]), table=Path(sys.argv[2]))
