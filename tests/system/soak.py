#!/usr/bin/env python3
"""scripts/soak, kept working: ten kills and everything else that it does, in a minute.

And kept honest: a claim that the log does not bear out must be found, with its place.
"""

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile

import tap
from cluster import scratch, wait_for
from tap import check, diag, equal

DRIVER = os.path.join(tap.SOURCE, "tests/soak/soak.py")
CLIENT = os.path.join(tap.BUILD, "tests/soak/soak-client")
ENOUGH = 20000  # records
RUN_S = 120


@contextlib.contextmanager
def soaking(*arguments):
    """scripts/soak without its build; ended, and its data removed, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="quorate-", dir=scratch()) as directory:
        summary = os.path.join(directory, "summary")
        command = [sys.executable, DRIVER, "--build", tap.BUILD, "--dir",
                   os.path.join(directory, "data"), "--round-size", "0.5", "--every", "1",
                   "--json", summary, *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            try:
                yield process, summary
            finally:
                process.kill()


def outcome(process, summary):
    """(exit status, the JSON summary), once it has ended."""
    said = process.communicate(timeout=RUN_S)[0].decode(errors="replace")
    diag(said[-2000:])
    with open(summary, encoding="utf-8") as text:
        return process.returncode, json.load(text)


def kills():
    """ten kill -9 cycles and the other faults: nothing lost, doubled or reordered"""
    with soaking("--cycles", "10", "--seed", "7", "--partitions", "2") as (process, summary):
        status, result = outcome(process, summary)
    equal(status, 0, "exit status")
    check(result["kills"] >= 10 and result["rounds"] >= 1, "the kills were not done")
    check(result["acked"] >= ENOUGH, f"only {result['acked']} records were acknowledged")
    equal(result["verified"], result["acked"], "records found at their place")
    check(result["seen"] >= result["acked"], "the reader saw less than was acknowledged")
    equal({key: result[key] for key in ("lost", "duplicated", "reordered")},
          {"lost": 0, "duplicated": 0, "reordered": 0}, "counts")
    equal(result["clean"], True, "clean")


def interrupted():
    """Ctrl-C: what was done so far is verified and summed up"""
    with soaking("--hours", "1", "--seed", "3") as (process, summary):
        said = b""
        while b"kill 1" not in said:
            line = process.stdout.readline()
            check(line, f"it ended: {said.decode(errors='replace')}")
            said += line
        process.send_signal(signal.SIGINT)
        status, result = outcome(process, summary)
    equal(status, 0, "exit status")
    check(result["kills"] >= 2, "the kill, and the one of the proof")
    equal(result["verified"], result["acked"], "records found at their place")


def usage():
    """--help explains; what makes no sense is refused with exit 2"""
    def run(*arguments):
        done = subprocess.run([sys.executable, DRIVER, "--build", tap.BUILD, *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30,
                              check=False)
        return done.returncode, done.stdout.decode(errors="replace")

    status, said = run("--help")
    check(status == 0 and "--cycles" in said and "Exit status" in said, f"{status}: {said}")
    for wrong in (("--faults", "rain"), ("--nodes", "2"), ("--faults", "stop", "--cycles", "1"),
                  ("--partitions", "0")):
        status, said = run(*wrong)
        equal(status, 2, f"exit status of {' '.join(wrong)}: {said}")


class Claims:
    """A cluster with a log that soak-client filled, and what it claims of it."""

    def __init__(self, nodes):
        self.directory = os.path.join(nodes.directory, "claims")
        os.mkdir(self.directory)
        endpoints = ",".join(f"127.0.0.1:{nodes.ports + 16 * (n - 1)}" for n in nodes.nodes)
        self.common = ["--endpoints", endpoints, "--cluster", nodes.name, "--log", "demo",
                       "--claims", self.directory, "--timeout", "20"]
        self.path = os.path.join(self.directory, "acked-9-0")
        with subprocess.Popen([CLIENT, "load", *self.common, "--number", "9"],
                              stdout=subprocess.DEVNULL) as load:
            try:
                wait_for(lambda: nodes.end() > ENOUGH, 30, "records")
                load.terminate()
                equal(load.wait(30), 0, "exit status of the load")
            finally:
                load.kill()

    def check(self):
        """(exit status, faults, the result of the partition)"""
        done = subprocess.run([CLIENT, "check", *self.common], stdout=subprocess.PIPE, timeout=60,
                              check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return (done.returncode, [line for line in lines if "fault" in line],
                next(line for line in lines if "clean" in line))

    def add(self, name, source, token, sequence, offset):
        """A file with one claim more."""
        header = (int.from_bytes(b"SKCLAIM1", "little"), source, token >> 16, 0)
        with open(os.path.join(self.directory, name), "wb") as out:
            out.write(struct.pack("<8Q", *header, token, sequence, offset, 1))

    def remove(self, name):
        os.unlink(os.path.join(self.directory, name))


def honest():
    """a false claim is found: a record that is not there, or not where it was acknowledged"""
    with tap.running_cluster() as nodes:
        claims = Claims(nodes)
        status, faults, result = claims.check()
        equal((status, faults), (0, []), "a log as claimed")
        end = result["records"]
        equal(result["verified"], end, "records found at their place")

        claims.add("acked-8-0", 1, 8 << 16 | 2, 5, end)
        status, faults, result = claims.check()
        equal((status, result["lost"]), (1, 1), "a record that was never appended")
        equal(faults, [{"fault": "lost", "partition": 0, "offset": end, "load": 8, "producer": 2,
                        "sequence": 5}], "where")
        claims.remove("acked-8-0")

        claims.add("acked-8-0", 1, 9 << 16, 0, end + 3)
        status, faults, result = claims.check()
        equal((status, result["moved"]), (1, 1), "a record that is elsewhere")
        claims.remove("acked-8-0")

        claims.add("seen-8-0", 2, 9 << 16, 1, 0)
        status, faults, result = claims.check()
        equal((status, result["retracted"]), (1, 1), "a record that a reader saw elsewhere")
        claims.remove("seen-8-0")

        os.rename(claims.path, claims.path + ".gone")
        status, faults, result = claims.check()
        equal((status, result["invented"]), (1, end), "records that nobody appended")


if __name__ == "__main__":
    tap.run([usage, honest, interrupted, kills])
