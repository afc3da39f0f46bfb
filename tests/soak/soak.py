"""Real processes under faults, and the proof that nothing acknowledged was lost.

Several producers append at full speed while nodes are killed (kill -9: one, the leader, all,
again while they recover), stopped (SIGSTOP), cut off from each other, run out of disk, and the
load itself is killed. In rounds, everything acknowledged is read back from replicas that were
killed and restarted: each record once, in order, at its acknowledged offset, byte by byte; and the
stopped replicas must be sound and equal. A reader follows all the time: what it was shown may
never change.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[1:1] = [os.path.join(HERE, "../system"), os.path.join(HERE, "../../scripts")]

# pylint: disable=wrong-import-position
import cluster  # noqa: E402
import faults  # noqa: E402
import smalldisk  # noqa: E402
import tap  # noqa: E402
from cluster import Problem  # noqa: E402
from round import COUNTS, Finding, Round  # noqa: E402

GIB = 1 << 30
ROUND_S = 600
TERMINAL_S = 0.2
FREE_TIMES = 3  # of a round's bytes, on the disk
DEEDS = ("kills", "processes_killed", "stops", "cuts", "fulls", "clients_killed")

EPILOG = """
It ends when --hours are over, or when --cycles and --records are both reached (the ones that are
given; --hours 1 if none is). Ctrl-C ends it after the current fault, with the proof for what was
done so far; a second Ctrl-C at once. Exit status: 0 nothing was lost; 1 something is wrong: what,
where, the seed, and the directory that was kept are printed; 2 wrong usage or the machine cannot.

A seed decides which faults are done in which order. When they hit is up to the machine, so a seed
alone does not repeat a failure: the kept directory is the evidence.

kill -9 does not show durability against power loss, since the kernel keeps what it was given.
"""


def parse():
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--hours", type=float, help="how long at most; fractions are fine")
    add("--cycles", type=int, help="kill -9 cycles wanted")
    add("--records", type=int, help="acknowledged records wanted")
    add("--seed", type=int, help="default: drawn, and printed")
    add("--nodes", type=int, default=3, choices=(3, 5, 7), help="default: 3")
    add("--partitions", type=int, default=2, help="of the log, each a consensus group; default: 2")
    add("--producers", type=int, default=3, help="of each partition; default: 3")
    add("--rate", type=int, help="records per second, 0 for full speed; default: drawn each round")
    add("--faults", default=",".join(faults.FAULTS), metavar="NAME,...",
        help="default: all, which are %(default)s; full needs root and loop devices")
    add("--bound", type=int, default=60, metavar="SECONDS",
        help="everything must serve again within it; default: 60")
    add("--round-size", type=float, default=2, metavar="GIB",
        help="data of all nodes after which it is verified and removed; default: 2")
    add("--dir", help="where data goes; default: a temporary directory below /var/tmp")
    add("--keep", action="store_true", help="keep the data of every round")
    add("--json", metavar="FILE", help="the summary, as one JSON object")
    add("--every", type=float, default=10, metavar="SECONDS",
        help="between lines where the output is no terminal; default: 10")
    add("--build", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    check(parser, options)
    return options


def check(parser, options):
    options.faults = [name for name in options.faults.split(",") if name]
    unknown = [name for name in options.faults if name not in faults.FAULTS]
    if unknown or not options.faults:
        parser.error(f"--faults: {', '.join(unknown) or 'none'}: there are "
                     f"{', '.join(faults.FAULTS)}")
    if not 1 <= options.partitions <= 16 or not 1 <= options.producers <= 64 or \
            options.partitions * options.producers > 64:
        parser.error("--partitions: 1 to 16, and at most 64 producers in all")
    if options.round_size <= 0 or options.bound < 1:
        parser.error("--round-size and --bound must be positive")
    if options.cycles is not None and "kill" not in options.faults:
        parser.error("--cycles counts kill -9 cycles: leave kill in --faults")
    if options.hours is None and options.cycles is None and options.records is None:
        options.hours = 1
    if options.dir and os.path.isdir(options.dir) and os.listdir(options.dir):
        parser.error(f"--dir {options.dir} is not empty: name another directory")
    if options.seed is None:
        options.seed = random.SystemRandom().getrandbits(32)
    options.round_bytes = int(options.round_size * GIB)
    options.skipped = {}


class Soak:
    """Rounds until it is time to end; the counts of all of them."""

    def __init__(self, options):
        self.options = options
        self.client = os.path.join(options.build, "tests/soak/soak-client")
        self.directory = options.dir or tempfile.mkdtemp(prefix="quorate-soak-",
                                                         dir=cluster.scratch())
        os.makedirs(self.directory, exist_ok=True)
        self.start = time.monotonic()
        self.counts = dict.fromkeys(DEEDS + COUNTS + ("acked", "verified", "records", "seen",
                                                      "history"), 0)
        self.rounds = self.gap_us = self.terms = 0
        self.round = None
        self.finding = None
        self.ending = False  # Ctrl-C
        self.shown = 0

    # ---- what is shown ----

    def acked(self):
        return self.counts["acked"] + (self.round.acked_records() if self.round else 0)

    def line(self):
        counts = self.counts
        hours, rest = divmod(int(time.monotonic() - self.start), 3600)
        gap_us = max(self.gap_us, self.round.gap_us if self.round else 0)
        terms = self.terms + (self.round.terms if self.round else 0)
        return (f"{hours}:{rest // 60:02}:{rest % 60:02}  acked {self.acked():,}  "
                f"kill {counts['kills']}  stop {counts['stops']}  cut {counts['cuts']}  "
                f"full {counts['fulls']}  client {counts['clients_killed']}  terms {terms}  "
                f"gap {gap_us / 1e6:.2f} s  lost {counts['lost']}  "
                f"dup {counts['duplicated']}  reordered {counts['reordered']}")

    def show(self, last=False):
        terminal = sys.stdout.isatty()
        now = time.monotonic()
        if not last and now - self.shown < (TERMINAL_S if terminal else self.options.every):
            return
        self.shown = now
        if terminal:
            width = shutil.get_terminal_size().columns
            print("\r" + self.line()[:width - 1].ljust(width - 1), end="\n" if last else "",
                  flush=True)
        else:
            print(self.line(), flush=True)

    # ---- what is done ----

    def is_over(self):
        options = self.options
        if self.ending:
            return True
        if options.hours is not None and time.monotonic() - self.start > options.hours * 3600:
            return True
        goals = [reached >= wanted for wanted, reached in
                 ((options.cycles, self.counts["kills"]), (options.records, self.acked()))
                 if wanted is not None]
        return bool(goals) and all(goals)

    def one_round(self, number):
        draw = random.Random(f"{self.options.seed}/{number}")
        round_ = self.round = Round(self, number, draw)
        end = time.monotonic() + ROUND_S
        try:
            round_.begin()
            while (not self.is_over() and time.monotonic() < end and
                   round_.disk_bytes() < self.options.round_bytes):
                faults.step(round_, draw)
            round_.finish()
            self.rounds += 1
        except (Finding, Problem) as problem:
            self.finding = problem if isinstance(problem, Finding) else \
                Finding("stuck", str(problem))
            print(f"\n{round_.describe()}", flush=True)
        finally:
            self.gap_us = max(self.gap_us, round_.gap_us)
            self.terms += round_.terms
            self.counts["acked"] += round_.acked_records()  # of a round that was not verified
            self.round = None
            round_.close(self.options.keep or self.finding is not None)

    def run(self):
        number = 0
        while not self.finding and (number == 0 or not self.is_over()):
            number += 1
            free = shutil.disk_usage(self.directory).free
            if free < FREE_TIMES * self.options.round_bytes:
                raise Problem(f"{free / GIB:.1f} GiB are free in {self.directory}: use a smaller "
                              f"--round-size, or name another --dir")
            self.one_round(number)
        self.show(last=True)

    def interrupt(self, *_):
        if self.ending:
            raise KeyboardInterrupt
        self.ending = True

    # ---- what is reported ----

    def result(self):
        result = {"seed": self.options.seed, "seconds": round(time.monotonic() - self.start, 1),
                  "nodes": self.options.nodes, "faults": self.options.faults,
                  "skipped": self.options.skipped, "rounds": self.rounds, **self.counts,
                  "terms": self.terms, "longest_gap_ms": round(self.gap_us / 1000),
                  "clean": self.finding is None}
        if self.finding:
            result.update(finding=self.finding.kind, where=str(self.finding),
                          directory=self.directory)
        return result

    def report(self):
        result = self.result()
        if self.options.json:
            with open(self.options.json, "w", encoding="utf-8") as out:
                json.dump(result, out, indent=1)
                out.write("\n")
        rows = [
            ("rounds, each a fresh cluster", result["rounds"]),
            ("acknowledged records", result["acked"]),
            ("read back at their place", result["verified"]),
            ("seen by a reader on the way", result["seen"]),
            ("kill -9 cycles", result["kills"]), ("  processes killed", result["processes_killed"]),
            ("SIGSTOP", result["stops"]), ("links cut", result["cuts"]),
            ("disk full", result["fulls"]), ("loads killed", result["clients_killed"]),
            ("terms", result["terms"]),
            ("calls found linearizable", result["history"]),
            ("longest wait for an acknowledgement, ms", result["longest_gap_ms"]),
            *((key, result[key]) for key in COUNTS)]
        print()
        for label, value in rows:
            print(f"  {label:<42}{value:>16,}")
        for name, reason in self.options.skipped.items():
            print(f"  not done: {name}: {reason}")
        if self.finding:
            print(f"\nSOMETHING IS WRONG: {self.finding.kind}\n{self.finding}\n"
                  f"seed {self.options.seed}, kept in {self.directory}")
        else:
            print(f"\nNothing was lost. Seed {self.options.seed}, {result['seconds']} s.")


def skip_what_cannot_be(options):
    reason = smalldisk.unavailable() if "full" in options.faults else None
    if reason:
        options.faults.remove("full")
        options.skipped["full"] = reason
        print(f"soak: no full disks: {reason}", file=sys.stderr)
    if not options.faults:
        raise Problem("none of the faults can be done here")


def main():
    options = parse()
    if "full" in options.faults:
        tap.keep_mounts_private()
    soak = None
    try:
        skip_what_cannot_be(options)
        soak = Soak(options)
        signal.signal(signal.SIGINT, soak.interrupt)
        signal.signal(signal.SIGTERM, soak.interrupt)
        soak.run()
    except Problem as problem:
        print(f"soak: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nsoak: interrupted: the last round is not verified", file=sys.stderr)
        soak.report()
        return 130
    finally:
        if soak and not soak.finding and not options.keep:
            shutil.rmtree(soak.directory, ignore_errors=True)
    soak.report()
    return 1 if soak.finding else 0


if __name__ == "__main__":
    sys.exit(main())
