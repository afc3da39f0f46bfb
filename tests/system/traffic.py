"""Streams of numbered lines into a log, and the proof that they came out once and in order.

A Stream feeds one `quorate append` from a thread, at a rate, until finish(). A line says whose it
is and which; the rest of it follows from its number, so that what is read can be checked byte by
byte. Now and then a line is larger than a datagram.
"""

import contextlib
import json
import os
import subprocess
import threading
import time

from tap import Failure, check, diag

PAUSE_S = 0.01
LARGE_EVERY = 701
LARGE_BYTES = 40000


def line_of(name, number):
    head = b"%s %09d " % (name.encode(), number)
    size = LARGE_BYTES if number % LARGE_EVERY == LARGE_EVERY - 1 else 20 + number * 7919 % 150
    return head + (b"%d." % (number * 2654435761 % 2**32) * (size // 2))[:size]


class Stream:
    """One producer: `quorate append`, fed until finish()."""

    def __init__(self, nodes, name, log="demo", partition=0, rate=4000, timeout_s=60):
        self.nodes, self.name, self.log, self.partition = nodes, name, log, partition
        self.rate = rate
        self.given = 0  # lines written to the command
        self.acked = 0  # known when it has ended
        self.summary = {}
        self.errors = os.path.join(nodes.directory, f"append-{name}.err")
        self.stopping = threading.Event()
        with open(self.errors, "wb") as errors:
            self.process = nodes.popen("append", log, "--partition", str(partition), "-o", "json",
                                       "--timeout", str(timeout_s), stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=errors)
        self.input, self.process.stdin = self.process.stdin, None  # it is the thread's
        self.thread = threading.Thread(target=self._feed, daemon=True)
        self.thread.start()

    def _feed(self):
        start = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ValueError), self.input as out:
            while not self.stopping.wait(PAUSE_S):
                due = int((time.monotonic() - start) * self.rate)
                while self.given < due and not self.stopping.is_set():
                    out.write(line_of(self.name, self.given) + b"\n")
                    self.given += 1
                out.flush()

    def is_running(self):
        return self.process.poll() is None

    def finish(self, timeout_s=60):
        """End the input, wait for the last acknowledgement. Everything must be acknowledged."""
        self.stopping.set()
        try:
            output, _ = self.process.communicate(timeout=timeout_s)
        finally:
            self.abort()
        with open(self.errors, encoding="utf-8", errors="replace") as errors:
            said = errors.read().strip()
        try:
            self.summary = json.loads(output)
        except ValueError:
            raise Failure(f"append {self.name}: exit {self.process.returncode}: {said}") from None
        self.acked = self.summary["records"]
        check(self.process.returncode == 0 and self.acked == self.given,
              f"append {self.name}: exit {self.process.returncode}, {self.acked} of {self.given} "
              f"lines acknowledged: {said}")
        diag(f"{self.name}: {self.acked} records acknowledged, longest wait for an answer "
             f"{self.summary['longest_gap_us'] / 1000:.0f} ms")
        return self.summary

    def abort(self):
        self.stopping.set()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self.thread.join(10)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.abort()


def read_lines(nodes, log="demo", partition=0):
    """The records of a partition, from its start to its end."""
    done = nodes.quorate("read", log, "--partition", str(partition), "--from", "start")
    return done.stdout.split(b"\n")[:-1]


def numbers_of(name, lines):
    """Which lines of a stream are there, in their order; each must be as it was given."""
    prefix = name.encode() + b" "
    numbers = []
    for line in lines:
        if not line.startswith(prefix):
            continue
        number = int(line.split(b" ", 2)[1])
        check(line == line_of(name, number), f"record {number} of {name} is not what was appended")
        numbers.append(number)
    return numbers


def explain(numbers, acked):
    """What is wrong with a sequence that should have been 0, 1, 2..."""
    lost = sorted(set(range(acked)) - set(numbers))
    doubled = len(numbers) - len(set(numbers))
    disorder = sum(a >= b for a, b in zip(numbers, numbers[1:]))
    return (f"{len(numbers)} read, {acked} acknowledged, {len(lost)} lost (first "
            f"{lost[:3]}), {doubled} doubled, {disorder} out of order")


def verify(nodes, streams, log="demo", partition=0):
    """Every acknowledged line once and in order; nothing else in the log."""
    lines = read_lines(nodes, log, partition)
    known = 0
    for stream in streams:
        numbers = numbers_of(stream.name, lines)
        known += len(numbers)
        whole = numbers == list(range(len(numbers)))
        check(whole and stream.acked <= len(numbers) <= stream.given,
              f"{stream.name}: {explain(numbers, stream.acked)}")
    check(known == len(lines), f"{len(lines) - known} records of nobody")


def stop_and_compare(nodes, logs=(("demo", 0),)):
    """The replicas agree, every process ends in order, and the files are equal block by block."""
    for log, partition in logs:
        nodes.wait_converged(log, partition=partition)
    statuses = nodes.stop()
    check(all(status == 0 for status in statuses), f"exit statuses after SIGTERM: {statuses}")
    identical, said = nodes.replicas_identical()
    check(identical, f"the replicas differ:\n{said}")
