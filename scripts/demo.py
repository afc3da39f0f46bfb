"""What scripts/demo runs: appends records, kills the leader in the middle, and checks everything."""

import argparse
import glob
import json
import os
import subprocess
import sys
import time

import cluster
from cluster import Problem

RECORD_BYTES = 64
KILL_AT = 0.3  # of the records
LOGS = ("demo", "files", "bench")


def parse():
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--records", type=int, default=1000000, help="default: 1000000")
    parser.add_argument("--dir", help="data directory; default: a temporary one below /var/tmp")
    parser.add_argument("--keep", action="store_true", help="keep the data directory")
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.records < 1:
        parser.error("--records must be at least 1")
    if arguments.dir and os.path.isdir(arguments.dir) and os.listdir(arguments.dir):
        parser.error(f"--dir {arguments.dir} is not empty: name another directory")
    return arguments


class Demo:
    def __init__(self, arguments):
        self.arguments = arguments
        self.quiet = arguments.json
        self.result = {}

    def say(self, text):
        if not self.quiet:
            print(text, flush=True)

    # ---- the records ----

    def write_records(self, path):
        tail = "quorate keeps what it acknowledged, durable at a quorum. "
        with open(path, "w", encoding="ascii") as out:
            for number in range(self.arguments.records):
                line = f"{number:012d} {tail}"
                out.write(line[:RECORD_BYTES].ljust(RECORD_BYTES, ".") + "\n")

    @staticmethod
    def compare(sent_path, read_path, acked):
        """How many acknowledged records are lost, doubled, or out of order in what was read."""
        seen = set()
        lost = duplicated = reordered = highest = 0
        with open(sent_path, "rb") as sent, open(read_path, "rb") as got:
            known = {line: number for number, line in enumerate(sent)}
            for line in got:
                number = known.get(line)
                if number is None:
                    raise Problem(f"a record was read that nobody appended: {line!r}")
                duplicated += number in seen
                reordered += number < highest
                highest = max(highest, number)
                seen.add(number)
        lost = sum(1 for number in range(acked) if number not in seen)
        return lost, duplicated, reordered

    # ---- the story ----

    def append_with_a_crash(self, nodes, path):
        records = self.arguments.records
        progress = None if sys.stderr.isatty() and not self.quiet else subprocess.DEVNULL
        append = nodes.popen("append", "demo", "--file", path, "-o", "json",
                             stdout=subprocess.PIPE, stderr=progress)
        try:
            cluster.wait_for(lambda: nodes.end() >= records * KILL_AT or
                             append.poll() is not None, 60, "the first records")
            leader = nodes.leader()
            nodes.kill(leader)
            self.say(f"kill -9        node {leader}, the leader, at {nodes.end():,} records")
            self.result["killed_while_appending"] = append.poll() is None
            time.sleep(0.5)  # it is away for a while, then it comes back
            nodes.start(leader)
            self.say(f"restart        node {leader}")
            output, _ = append.communicate(timeout=60)
        finally:
            if append.poll() is None:
                append.kill()
                append.wait()
        if append.returncode != 0:
            raise Problem(f"quorate append: exit {append.returncode}")
        return json.loads(output)

    def a_real_file(self, nodes):
        """A log of this machine goes in and comes out byte-identical."""
        logs = [path for path in glob.glob("/var/log/*.log") if os.access(path, os.R_OK)]
        path = max([*logs, __file__], key=os.path.getsize)
        with open(path, "rb") as source:
            wanted = source.read(16 << 20)
        nodes.quorate("append", "files", "--raw", input=wanted)
        got = nodes.quorate("read", "files", "--raw", "--from", "start").stdout
        self.say(f"a real file    {path}, {len(wanted):,} bytes: " +
                 ("identical" if got == wanted else "DIFFERENT"))
        return got == wanted

    def run(self, nodes):
        sent = os.path.join(nodes.directory, "sent.txt")
        read = os.path.join(nodes.directory, "read.txt")
        self.write_records(sent)
        nodes.start()
        self.say(f"three nodes    up, node {nodes.leader()} leads; data in {nodes.directory}")

        summary = self.append_with_a_crash(nodes, sent)
        acked = summary["records"]
        self.say(f"appended       {acked:,} records of {RECORD_BYTES} B acknowledged "
                 f"in {summary['seconds']:.2f} s")
        with open(read, "wb") as out:
            nodes.quorate("read", "demo", "--from", "start", stdout=out)
        lost, duplicated, reordered = self.compare(sent, read, acked)
        same_file = self.a_real_file(nodes)
        alone = self.measure(nodes)
        for log in LOGS:
            nodes.wait_converged(log)
        statuses = nodes.stop()
        identical, said = nodes.replicas_identical()
        if not identical:
            self.say(said)
        self.result |= {
            "acked": acked,
            "lost": lost,
            "duplicated": duplicated,
            "reordered": reordered,
            "replicas_identical": identical,
            "file_identical": same_file,
            "failover_ms": round(summary["longest_gap_us"] / 1000, 1),
            "throughput_per_s": round(acked / summary["seconds"]),
            "latency_us": summary["latency_us"],
            "latency_alone_us": {key: alone["latency_us"][key] for key in ("p50", "p99")},
            "device": alone["device"],
            "clean_stop": all(status == 0 for status in statuses),
        }

    def measure(self, nodes):
        """The disk, and appends one at a time on the cluster that has just been through it all."""
        done = subprocess.run([nodes.binary("quorate-bench"), "--config", nodes.config, "--log",
                               "bench", "--inflight", "1", "--seconds", "2", "--dir",
                               nodes.directory, "-o", "json"],
                              stdout=subprocess.PIPE, check=False, timeout=60)
        if done.returncode != 0:
            raise Problem(f"quorate-bench: exit {done.returncode}")
        return json.loads(done.stdout)

    def good(self):
        bad = ("lost", "duplicated", "reordered")
        return (all(self.result[key] == 0 for key in bad) and self.result["replicas_identical"] and
                self.result["file_identical"] and self.result["clean_stop"] and
                self.result["acked"] == self.arguments.records)

    def report(self):
        if self.arguments.json:
            print(json.dumps(self.result))
            return
        result = self.result
        rows = [
            ("acknowledged", f"{result['acked']:,}"),
            ("lost", result["lost"]),
            ("duplicated", result["duplicated"]),
            ("reordered", result["reordered"]),
            ("replicas identical", "yes" if result["replicas_identical"] else "NO"),
            ("file identical", "yes" if result["file_identical"] else "NO"),
            ("longest wait for an answer (failover)", f"{result['failover_ms']} ms"),
            ("throughput, failover included", f"{result['throughput_per_s']:,} records/s"),
            ("latency p50 / p99 under this load",
             f"{result['latency_us']['p50']:.0f} / {result['latency_us']['p99']:.0f} µs"),
            ("latency p50 / p99, one record in flight",
             f"{result['latency_alone_us']['p50']:.0f} / {result['latency_alone_us']['p99']:.0f} µs"),
            ("the disk alone: 2 of 3 parallel 4 KiB writes, p50",
             f"{result['device']['quorum_write_4k_us_p50']:.0f} µs"),
        ]
        width = max(len(label) for label, _ in rows)
        print()
        for label, value in rows:
            print(f"  {label:<{width}}  {value:>20}")
        print("\n" + ("Nothing was lost." if self.good() else "SOMETHING IS WRONG: see above."))


def main():
    arguments = parse()
    demo = Demo(arguments)
    try:
        with cluster.Cluster(arguments.build, arguments.dir, logs=LOGS,
                             keep=arguments.keep) as nodes:
            demo.run(nodes)
    except (Problem, subprocess.TimeoutExpired) as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    demo.report()
    return 0 if demo.good() else 1


if __name__ == "__main__":
    sys.exit(main())
