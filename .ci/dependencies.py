#!/usr/bin/env python3
"""Checks what depends on what, and where `unsafe` stands. Prints every breach, and fails if there is one.

- sockeye-proto needs only the crates listed below: none of them does I/O, reads a clock or starts a thread.
- The workspace's crates depend only downward.
- There is one crypto stack in the tree: ring.
- `unsafe` stands only in the files listed below.
Crates that are in the tree in two incompatible versions are printed, as a warning.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict

from source import code_of, tracked

# What `cargo tree` may name for sockeye-proto, for every target and feature.
PROTO_MAY_USE = {
    "sockeye-proto",
    "base64", "bytes", "fnv", "http", "httparse", "itoa", "memchr", "simdutf8", "zlib-rs",
    # sha1 and its RustCrypto parts; libc only for cpufeatures, which asks which instructions there are
    "sha1", "digest", "block-buffer", "crypto-common", "hybrid-array", "typenum", "cfg-if", "cpufeatures", "libc",
}
# From the bottom up: each may depend on those before it.
LAYERS = ["sockeye-proto", "sockeye", "sockeye-hub", "sockeye-cli"]
OTHER_CRYPTO = re.compile(r"(aws-lc|openssl(?!-probe)|boring|mbedtls|wolfssl|botan|graviola|symcrypt|native-tls)")
UNSAFE_ALLOWED = ("crates/proto/src/mask/", "crates/proto/src/text.rs")


def main():
    breaches = [*proto_breaches(), *layer_breaches(), *crypto_breaches(), *unsafe_breaches()]
    for warning in duplicates():
        print(f"warning: {warning}")
    print("\n".join(breaches) or "dependencies and unsafe: nothing to object to")
    return 1 if breaches else 0


def proto_breaches():
    """The crates that the protocol core uses without leave."""
    used = {name for name, _ in tree("-p", "sockeye-proto", "--edges", "normal")}
    assert {"sockeye-proto", "bytes"} <= used, f"cargo tree answered {used}"
    for name in sorted(used - PROTO_MAY_USE):
        yield f"sockeye-proto depends on {name}, which is not in the list of this check"


def layer_breaches():
    """Dependencies of the workspace's crates on one another that do not point down."""
    answer = cargo("metadata", "--format-version", "1", "--no-deps", "--locked")
    packages = {package["name"]: package for package in json.loads(answer)["packages"]}
    for name in sorted(packages.keys() - set(LAYERS)):
        yield f"{name} has no place among the layers of this check"
    for height, name in enumerate(LAYERS):
        for dependency in packages.get(name, {"dependencies": []})["dependencies"]:
            if dependency["name"] in LAYERS[height:]:
                yield f"{name} depends on {dependency['name']}, which does not stand below it"


def crypto_breaches():
    """Crates of another crypto stack than ring."""
    for name, version in sorted(tree("--workspace")):
        if OTHER_CRYPTO.match(name):
            yield f"{name} {version} is a second crypto stack; `cargo tree -i {name} --target all` says who wants it"


def unsafe_breaches():
    """Every `unsafe` outside its places."""
    for path in tracked(".rs"):
        if path.parts[0] != "crates" or "src" not in path.parts or str(path).startswith(UNSAFE_ALLOWED):
            continue
        for number, line in enumerate(code_of(path).splitlines(), 1):
            if re.search(r"\bunsafe\b", line):
                yield f"{path}:{number}: unsafe code outside {', '.join(UNSAFE_ALLOWED)}"


def duplicates():
    """Crates that users would build twice."""
    versions = defaultdict(set)
    for name, version in tree("--workspace", "--edges", "normal"):
        versions[name].add(version)
    for name, found in sorted(versions.items()):
        # Compatible versions are unified by cargo, so two versions are two incompatible ones.
        if len(found) > 1:
            yield f"{name} is in the tree as {' and '.join(sorted(found))}"


def tree(*arguments):
    """The (name, version) pairs that `cargo tree` prints, whatever the target, with all features."""
    everywhere = ("--target", "all", "--all-features", "--locked", "--prefix", "none", "--format", "{p}")
    lines = cargo("tree", *arguments, *everywhere).splitlines()
    return {(words[0], words[1].removeprefix("v")) for words in map(str.split, lines) if len(words) > 1}


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
