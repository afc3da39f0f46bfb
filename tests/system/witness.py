#!/usr/bin/env python3
"""The proof's own proof: what quorate-record writes of a healthy cluster is judged linearizable, and
no longer when the log is made to have lost, doubled or swapped a record.
"""

import os
import subprocess
import time

import history
import tap
from tap import check, diag, equal
from traffic import Stream, Witness, read_lines, verify


def sources_of(nodes):
    """A stream and a witness side by side, finished."""
    with Stream(nodes, "one") as one, Witness(nodes) as witness:
        for _ in range(3):
            nodes.wait_progress()
        one.finish()
        witness.finish()
    return [one, witness]


def refused(nodes, sources, lines, what):
    """A last read of these lines cannot be explained."""
    now = time.monotonic_ns()
    try:
        history.judge(nodes, sources, (now, lines, now + 1))
    except tap.Failure as failure:
        check("not linearizable" in str(failure), str(failure))
        kept = str(failure).rsplit(" ", 1)[1]
        diag(f"{what}: {str(failure).splitlines()[1].strip()}")
        check(os.path.exists(kept), f"{kept} is not there")
        os.unlink(kept)
        return
    raise tap.Failure(f"{what}: judged linearizable")


def planted():
    """a history of a real cluster: linearizable; with a record lost, doubled or swapped: not"""
    with tap.small_cluster() as nodes:
        nodes.start()
        nodes.leader()
        sources = sources_of(nodes)
        verify(nodes, sources)
        lines = read_lines(nodes)
        at = len(lines) // 2
        refused(nodes, sources, lines[:at] + lines[at + 1:], "a record lost")
        refused(nodes, sources, lines[:at] + lines[at:at + 1] + lines[at:], "a record doubled")
        refused(nodes, sources, lines[:at] + [lines[at + 1], lines[at]] + lines[at + 2:],
                "two records swapped")
        refused(nodes, sources, lines[:-1], "the last record not read")
        refused(nodes, sources, lines + [b"x 000000000 never appended"], "a record invented")


def usage(nodes):
    """quorate-record: wrong usage is 2, a log that does not exist is 1, both with the next step"""
    def run(*arguments):
        done = subprocess.run([history.program("quorate-record"), *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              timeout=30)
        return done.returncode, done.stderr.decode(errors="replace")

    where = ("--endpoints", nodes.endpoints(), "--cluster", nodes.name)
    for arguments, status, words in (
            ((), 2, "give --endpoints"),
            ((*where,), 2, "give --log"),
            ((*where, "--log", "demo", "--clients", "0"), 2, "'0' is no number from 1 to 64"),
            ((*where, "--log", "none", "--seconds", "0.2"), 1, "nothing was answered"),
            ((*where, "--log", "demo", "--output", "/nowhere/x"), 1, "/nowhere/x"),
            ((*where, "--log", "demo", "--seconds", "0.2", "--output", "/dev/full"), 1,
             "not whole")):
        got, said = run(*arguments)
        equal(got, status, f"exit status of {arguments}: {said}")
        check(words in said, f"{words!r} is not in {said!r}")


if __name__ == "__main__":
    tap.run([planted, usage], tap.running_cluster)
