"""The dependency audit: are there known weaknesses in the versions that constraints.txt pins?

    python -m tests.support.audit [constraints.txt]

Asks https://osv.dev by pip-audit. Ends with 1 if there are any, and says which; without a way to
the database it says so and ends with 0: a machine without network can still lint.
"""

import json
import os
import subprocess
import sys

_TIMEOUT_S = 5


def audit(pins: str, *, url: str | None = None) -> int:
    command = [sys.executable, "-m", "pip_audit", "--requirement", pins, "--no-deps"]
    command += ["--disable-pip", "--vulnerability-service", "osv", "--timeout", str(_TIMEOUT_S)]
    command += ["--format", "json", "--progress-spinner", "off"]
    command += ["--osv-url", url] if url else []
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:300]
        print(f"dependency audit: NOT DONE, its database cannot be asked: {why}")
        return 0
    found = [(each, weakness) for each in packages for weakness in each.get("vulns", ())]
    for each, weakness in found:
        mended = ", ".join(weakness["fix_versions"]) or "no version yet"
        print(f"{each['name']} {each['version']}: {weakness['id']}, mended in {mended}")
    # Packages that the database does not know say so in their own place.
    skipped = sum("skip_reason" in each for each in packages)
    print(f"dependency audit: {len(packages) - skipped} packages, {len(found)} known weaknesses")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(audit(*(sys.argv[1:] or ["constraints.txt"]), url=os.environ.get("OSV_URL")))
