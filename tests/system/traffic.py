"""Streams of numbered lines into a log, and the proof that they came out once and in order, and that
everything that clients were told meanwhile is linearizable (history.py).

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

import history
from history import Witness  # noqa: F401  pylint: disable=unused-import
from tap import Failure, check, diag

PAUSE_S = 0.01
LARGE_EVERY = 701
LARGE_BYTES = 40000


def line_of(name, number):
    head = b"%s %09d " % (name.encode(), number)
    size = LARGE_BYTES if number % LARGE_EVERY == LARGE_EVERY - 1 else 20 + number * 7919 % 150
    return head + (b"%d." % (number * 2654435761 % 2**32) * (size // 2))[:size]


class Stream:
    """One producer: `quorate append`, fed until finish(). Keeps what it was acknowledged, and when."""

    def __init__(self, nodes, name, log="demo", partition=0, rate=4000, timeout_s=60):
        self.nodes, self.name, self.log, self.partition = nodes, name, log, partition
        self.rate = rate
        self.given = 0  # lines written to the command
        self.acked = 0  # known when it has ended
        self.summary = {}
        self.errors = os.path.join(nodes.directory, f"append-{name}.err")
        self.output = os.path.join(nodes.directory, f"append-{name}.out")
        self.started_ns = time.monotonic_ns()
        self.stopping = threading.Event()
        with open(self.errors, "wb") as errors, open(self.output, "wb") as output:
            self.process = nodes.popen("append", log, "--partition", str(partition), "-o", "json",
                                       "--acks", "--timeout", str(timeout_s),
                                       stdin=subprocess.PIPE, stdout=output, stderr=errors)
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
            self.process.wait(timeout_s)
        finally:
            self.abort()
        with open(self.errors, encoding="utf-8", errors="replace") as errors:
            said = errors.read().strip()
        try:
            self.summary = self._output()[-1]
            self.acked = self.summary["records"]
        except (IndexError, KeyError, ValueError):
            raise Failure(f"append {self.name}: exit {self.process.returncode}: {said}") from None
        check(self.process.returncode == 0 and self.acked == self.given,
              f"append {self.name}: exit {self.process.returncode}, {self.acked} of {self.given} "
              f"lines acknowledged: {said}")
        diag(f"{self.name}: {self.acked} records acknowledged, longest wait for an answer "
             f"{self.summary['longest_gap_us'] / 1000:.0f} ms")
        return self.summary

    def _output(self):
        """The acknowledgements, and the summary behind them."""
        with open(self.output, encoding="utf-8") as output:
            return [json.loads(line) for line in output]

    def check_lines(self, lines):
        """What is there of it is a beginning without a hole. Returns how many lines that are."""
        numbers = numbers_of(self.name, lines)
        whole = numbers == list(range(len(numbers)))
        check(whole and self.acked <= len(numbers) <= self.given,
              f"{self.name}: {explain(numbers, self.acked)}")
        return len(numbers)

    def history(self):
        """Each acknowledgement is an append; what has none may have happened after it was given."""
        number = 0
        for ack in self._output()[:-1]:
            lines = range(number, number + ack["records"])
            yield from history.operation(
                f"{self.name}:{number}", "append", ack["sent_ns"],
                [history.identity(line_of(self.name, line)) for line in lines],
                (ack["acked_ns"], {"offset": ack["offset"]}))
            number = lines.stop
        for line in range(number, self.given):
            yield from history.operation(f"{self.name}:{line}", "append", self.started_ns,
                                         history.identity(line_of(self.name, line)))

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


def verify(nodes, sources, log="demo", partition=0):
    """Every acknowledged record once and in order; nothing else in the log; and what all clients were
    told fits together: it is linearizable. `sources` are all who appended: streams, a witness."""
    begin = time.monotonic_ns()
    lines = read_lines(nodes, log, partition)
    end = time.monotonic_ns()
    known = sum(source.check_lines(lines) for source in sources)
    check(known == len(lines), f"{len(lines) - known} records of nobody")
    history.judge(nodes, sources, (begin, lines, end))


def stop_and_compare(nodes, logs=(("demo", 0),)):
    """The replicas agree, every process ends in order, and the files are equal block by block."""
    for log, partition in logs:
        nodes.wait_converged(log, partition=partition)
    statuses = nodes.stop()
    check(all(status == 0 for status in statuses), f"exit statuses after SIGTERM: {statuses}")
    identical, said = nodes.replicas_identical()
    check(identical, f"the replicas differ:\n{said}")
