#!/usr/bin/env python3
"""scripts/flips, kept working: some ten thousand wrong bits in the files of running and killed nodes."""

import json
import os
import subprocess
import sys
import tempfile

import tap
from cluster import scratch
from tap import check, diag, equal

SCRIPT = os.path.join(tap.SOURCE, "scripts/flips")
FLIPS = 40000
RUN_S = 150


def flips(*arguments):
    """(exit status, sums)"""
    with tempfile.TemporaryDirectory(prefix="quorate-", dir=scratch()) as directory:
        sums = os.path.join(directory, "sums")
        done = subprocess.run([sys.executable, SCRIPT, "--build", tap.BUILD, "--dir", directory,
                               "--json", sums, *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, timeout=RUN_S)
        diag(done.stdout.decode(errors="replace"))
        if not os.path.exists(sums):
            return done.returncode, {}
        with open(sums, encoding="utf-8") as text:
            return done.returncode, json.load(text)


def all_come_back():
    """wrong bits in all sorts of entries, beside kill -9: found to the entry, every byte comes back"""
    status, sums = flips("--flips", str(FLIPS), "--mib", "12", "--seed", "11")
    equal(status, 0, "exit status")
    equal((sums["flips"], sums["rounds"]), (FLIPS, 5), "flips and rounds")
    equal(sums["at_start"] + sums["in_pass"], sums["copies"], "damaged copies that were found")
    check(sums["copies"] > FLIPS / 20, f"only {sums['copies']} copies of entries")


if __name__ == "__main__":
    tap.run([all_come_back])
