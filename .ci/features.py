#!/usr/bin/env python3
"""Lints every crate of the workspace without features and with each of its features alone.

Prints the combinations; fails at the end if one does not compile without a warning.
"""

import json
import subprocess
import sys


def main():
    answer = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"], check=True, stdout=subprocess.PIPE
    ).stdout
    combinations = [
        (package["name"], feature)
        for package in json.loads(answer)["packages"]
        for feature in ["", *sorted(package["features"].keys() - {"default"})]
    ]
    failed = [combination for combination in combinations if not compiles(*combination)]
    for package, feature in failed:
        print(f"{package} with {feature or 'no feature'} alone: does not compile without a warning")
    print(f"{len(combinations) - len(failed)} combinations passed, {len(failed)} failed")
    return 1 if failed else 0


def compiles(package, feature):
    """Whether one package builds with this feature, or with none, and without its default ones."""
    print(f"{package}: {feature or 'no features'}", flush=True)
    command = ["cargo", "clippy", "--quiet", "--locked", "-p", package, "--no-default-features", "--features", feature]
    return subprocess.run([*command, "--", "-D", "warnings"]).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
