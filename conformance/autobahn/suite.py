#!/usr/bin/env python3
"""Autobahn's 517 cases against Sockeye, and the comparison with what is expected.

usage: suite.py server | client | check INDEX.json
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from sockeye import WORK, echo, listening  # noqa: E402

VENV = Path(WORK, "autobahn", "venv", "bin")
# A whole run takes five to ten minutes; this only ends one that hangs.
RUN_SECONDS = 1800


def main():
    role = sys.argv[1]
    index = {"server": server, "client": client}[role]() if role != "check" else Path(sys.argv[2])
    return check(index)


def server():
    """Autobahn as client, `sockeye echo --deflate` as server."""
    home = fresh("autobahn-server")
    with echo("--deflate") as url:
        spec = specification(home, servers=[{"agent": "sockeye", "url": url}])
        run([VENV / "wstest", "-m", "fuzzingclient", "-s", spec], home / "wstest.log")
    return home / "reports" / "index.json"


def client():
    """Autobahn as server, the example `autobahn_client` as client."""
    home = fresh("autobahn-client")
    spec = specification(home, url="ws://127.0.0.1:0")
    with open(home / "wstest.log", "w") as log:
        with listening([VENV / "python", HERE / "fuzzing_server.py", spec], stdout=log) as url:
            run([os.environ["AUTOBAHN_CLIENT_BIN"], url], home / "client.log")
    return home / "reports" / "index.json"


def fresh(name):
    """An empty directory for a run, so that no older report can be taken for the new one."""
    home = Path(WORK, name)
    subprocess.run(["rm", "-rf", home], check=True)
    home.mkdir(parents=True)
    return home


def specification(home, **who):
    """The suite's configuration: every case."""
    spec = {"outdir": str(home / "reports"), "cases": ["*"], "exclude-cases": [], "exclude-agent-cases": {}, **who}
    path = home / "spec.json"
    path.write_text(json.dumps(spec, indent=2))
    return path


def run(command, log):
    """Runs one side to its end, its output in a file that is shown only when it fails."""
    print(f"running {Path(command[0]).name}, output in {log}", flush=True)
    with open(log, "w") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, timeout=RUN_SECONDS)
    if done.returncode != 0:
        print(log.read_text()[-4000:])
        sys.exit(f"{command[0]} failed with status {done.returncode}")


def check(index):
    """Prints every case that is not as expected, then the counts; 0 if all are."""
    expected = json.loads((HERE / "expected.json").read_text())
    agents = json.loads(index.read_text())
    deviations = [] if list(agents) == ["sockeye"] else [f"reports for {list(agents)}, expected one for sockeye"]
    cases = agents.get("sockeye", {})
    if len(cases) != expected["cases"]:
        deviations.append(f"{len(cases)} cases, expected {expected['cases']}")
    for case in sorted(cases.keys() | expected["exceptions"].keys(), key=lambda c: [int(n) for n in c.split(".")]):
        wanted = expected["exceptions"].get(case, expected["otherwise"])
        for aspect in ("behavior", "behaviorClose"):
            found = cases.get(case, {}).get(aspect, "no result")
            if found != wanted:
                deviations.append(f"{case}: {aspect} is {found}, expected {wanted}")
    print("\n".join(deviations + [counts(cases, "behavior"), counts(cases, "behaviorClose")]))
    return 1 if deviations else 0


def counts(cases, aspect):
    found = Counter(case[aspect] for case in cases.values())
    return f"{aspect}: " + ", ".join(f"{number} {name}" for name, number in found.most_common())


if __name__ == "__main__":
    sys.exit(main())
