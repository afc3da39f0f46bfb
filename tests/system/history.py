"""What clients asked and were answered, as one history, and the judgement of it by quorate-check.

A Witness is a few clients of its own (quorate-record) that append, ask for the end and read pieces
while a test does its worst. With the acknowledgements of the streams and a last read of everything
that is the whole history of a partition: nobody else appends to it.

All times are of the monotonic clock, which is the same in all processes of this machine.
"""

import json
import os
import re
import signal
import subprocess
import time

from tap import BUILD, Failure, check, diag

IDENTITY_BYTES = 24  # of a record, that tell it from all others; what quorate-record writes too
CLIENTS = 4
RATE = 200  # operations a second, of each client
TIMEOUT_S = 0.3  # of an operation: shorter than an election, so that some have no answer
PATIENCE_S = 30
READS_MIN = 10  # answered; a history without reads shows little
NAMES = iter(range(1, 1000))


def program(name):
    return os.path.join(BUILD, "tests", "check", name)


def identity(record):
    return record[:IDENTITY_BYTES].decode("latin-1")


def operation(process, f, called, value, answer=None):
    """Lines of an operation; `called` and `answer` are (time, value) or (time, ), or None."""
    def line(kind, at, what):
        return json.dumps({"process": process, "type": kind, "f": f, "value": what, "time": at})

    lines = [line("invoke", called, value)]
    if answer:
        lines.append(line("ok", *answer))
    return lines


class Witness:
    """Clients that record what they do to a partition, until finish()."""

    def __init__(self, nodes, log="demo", partition=0):
        first = 100 * next(NAMES)
        self.names = [f"w{first + client}" for client in range(CLIENTS)]
        self.path = os.path.join(nodes.directory, f"witness-{first}.jsonl")
        self.errors = os.path.join(nodes.directory, f"witness-{first}.err")
        self.finished = False
        with open(self.errors, "wb") as errors:
            self.process = nodes.popen_other(
                program("quorate-record"), "--endpoints", nodes.endpoints(), "--cluster",
                nodes.name, "--log", log, "--partition", str(partition), "--clients",
                str(CLIENTS), "--rate", str(RATE), "--timeout", str(TIMEOUT_S), "--output",
                self.path, "--first-process", str(first), "--identity", str(IDENTITY_BYTES),
                stderr=errors)

    def finish(self):
        """End it; it must have been answered."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE_S)
        self.finished = True
        with open(self.errors, encoding="utf-8") as errors:
            said = errors.read().strip()
        diag(f"witness: {said}")
        reads = re.search(r"(\d+) tails, (\d+) reads", said)
        check(status == 0 and reads and sum(map(int, reads.groups())) >= READS_MIN,
              f"the witness: exit {status}: {said}")

    def check_lines(self, lines):
        """How many records of the log are its own; the judgement says whether they are right."""
        prefixes = tuple(name.encode() + b" " for name in self.names)
        return sum(line.startswith(prefixes) for line in lines)

    def history(self):
        check(self.finished, "the witness was not finished")
        with open(self.path, encoding="utf-8") as lines:
            yield from (line.rstrip("\n") for line in lines)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)


def judge(nodes, sources, last_read):
    """All answers fit together. `last_read`: (begin, lines, end) of a read of everything, at last."""
    path = os.path.join(nodes.directory, f"history-{next(NAMES)}.jsonl")
    begin, records, end = last_read
    with open(path, "w", encoding="utf-8") as out:
        for source in sources:
            out.writelines(line + "\n" for line in source.history())
        whole = [identity(record) for record in records]
        out.writelines(line + "\n" for line in operation("last", "read", begin, None, (end, whole)))
    start = time.monotonic()
    done = subprocess.run([program("quorate-check"), "--model", "log", path],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          timeout=120)
    said = done.stdout.decode(errors="replace").replace(path, "the history").strip()
    diag(f"{said} (judged in {time.monotonic() - start:.1f} s)")
    if done.returncode != 0:
        raise Failure(f"the history is not linearizable (exit {done.returncode}): {said}; "
                      f"it is kept as {keep(path)}")


def keep(path):
    """Out of the cluster's directory, which goes away, into the build's."""
    folder = os.path.join(BUILD, "histories")
    os.makedirs(folder, exist_ok=True)
    kept = os.path.join(folder, f"{os.getpid()}-{os.path.basename(path)}")
    with open(path, "rb") as source, open(kept, "wb") as target:
        target.write(source.read())
    return kept
