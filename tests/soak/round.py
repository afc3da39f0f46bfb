"""A round of the soak: a fresh cluster, a load and a reader, and at the end the proof.

Nothing here waits without a bound, and while it waits the children's reports are read, and a
process that ended by itself is noticed.
"""

import json
import os
import shutil
import subprocess
import time

import cluster
import smalldisk
from child import Child
from cluster import Problem

LOG = "soak"
HISTORY = "history"
PATIENCE_S = 0.3  # for the answer of a node that is stopped
READY_S = 30
STOP_S = 10
CONVERGE_S = 60
READ_S = 900  # the whole log, by one process
# The small disk is a sparse file: it may be larger than a round is meant to get.
SMALL_TIMES = 4
SMALL_MORE = 64 << 20
COUNTS = ("lost", "duplicated", "reordered", "moved", "retracted", "changed", "invented",
          "skipped", "clashing")


class Finding(Exception):
    """Something that must not be. `kind` is one word."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


def draw_settings(draw):
    """Another geometry each round: small files change often, large ones hold more in flight."""
    segment = draw.choice(("2M", "4M", "16M"))
    return {"storage": {"segment": segment, "stride": "1M",
                        "window": draw.choice(("2M", "4M", "16M")),
                        "entry_max": draw.choice(("64K", "256K")), "record_max": "64K",
                        "segments_ahead": draw.choice(("1", "2", "4")),
                        "write_depth": draw.choice(("1", "4", "16")),
                        "sessions": draw.choice(("16", "4096"))}}


class Round:
    """One cluster, from its first start to its removal."""

    def __init__(self, soak, number, draw):
        self.soak, self.number = soak, number
        self.options = options = soak.options
        self.directory = os.path.join(soak.directory, f"round-{number}")
        os.makedirs(self.directory)
        self.claims = os.path.join(self.directory, "claims")
        os.mkdir(self.claims)
        self.settings = draw_settings(draw)
        self.rate = options.rate if options.rate is not None else draw.choice(
            (0, 300000, 100000, 30000))
        logs = (f"{LOG}:partitions={options.partitions}", HISTORY)
        self.cluster = cluster.Cluster(options.build, self.directory, nodes=options.nodes,
                                       logs=logs, keep=True, settings=self.settings)
        self.cluster.patience_s = PATIENCE_S
        self.small = None  # the disk that can be full
        self.small_node = draw.choice(self.cluster.nodes)
        self.load = self.follower = self.history = None
        self.loads = 0
        self.acked_before = [0] * options.partitions  # by loads that were killed
        self.acked = [0] * options.partitions
        self.gap_us = self.ended = self.terms = 0
        self.cut = set()  # (node, peer)
        self.stopped = set()
        self.measured_at = self.bytes = 0

    # ---- begin ----

    def begin(self):
        if "full" in self.options.faults:
            self.small = smalldisk.SmallDisk(os.path.join(self.directory, "image"),
                                             self.cluster.data(self.small_node),
                                             SMALL_TIMES * self.options.round_bytes
                                             // self.options.nodes + SMALL_MORE)
        self.cluster.start(wait=False)
        self.wait_ready()
        self.wait_leaders()
        self.start_load()
        self.follower = self._client("follow", "seen", self.claims, "--partitions",
                                     str(self.options.partitions))
        self.history = self._client("history", "history", os.path.join(self.directory, "history"),
                                    "--producers", "4", log=HISTORY)
        self.wait_progress()

    def _client(self, command, name, claims, *more, number=1, log=LOG):
        nodes = self.cluster
        endpoints = ",".join(f"127.0.0.1:{nodes.ports + 16 * (node - 1)}" for node in nodes.nodes)
        return Child([self.soak.client, command, "--endpoints", endpoints, "--cluster",
                      nodes.name, "--log", log, "--claims", claims, "--number", str(number),
                      "--timeout", str(self.options.bound), *more],
                     os.path.join(self.directory, f"{name}.err"))

    def start_load(self):
        """A load with a number of its own; the first, or the next after one that was killed."""
        self.loads += 1
        self.load = self._client("load", "load", self.claims, "--partitions",
                                 str(self.options.partitions), "--producers",
                                 str(self.options.producers), "--rate", str(self.rate),
                                 number=self.loads)

    def kill_load(self):
        self.load.kill()
        self._hear_load()
        self.acked_before = [a + b for a, b in zip(self.acked_before, self.acked)]
        self.acked = [0] * self.options.partitions
        self.start_load()

    # ---- while it runs ----

    def acked_records(self):
        return sum(self.acked_before) + sum(self.acked)

    def _hear_load(self):
        for report in self.load.objects():
            self.acked = report["acked"]
            self.gap_us = max(self.gap_us, report["gap_us"])
            if report["ended"]:
                raise Finding("ended", "a producer's session did not survive: "
                                       f"{self.load.errors()}")

    def _check_alive(self):
        for node, process in self.cluster.processes.items():
            if process.poll() is not None:
                said = " | ".join(self.cluster.output(node).splitlines()[-4:])
                raise Finding("died", f"node {node} ended by itself, status {process.returncode}: "
                                      f"{said}")
        for name, child in (("load", self.load), ("reader", self.follower),
                            ("history", self.history)):
            if child and child.status() is not None:
                raise Finding("died", f"the {name} ended, status {child.status()}: "
                                      f"{child.errors()}")

    def _hear_follower(self):
        for report in self.follower.objects():
            if "fault" in report:
                raise Finding(report["fault"], f"a reader was shown: {json.dumps(report)}")

    def tick(self):
        """Read the reports, notice the dead, show the counts."""
        if self.load:
            self._hear_load()
        if self.follower:
            self._hear_follower()
        self._check_alive()
        self.soak.show()

    def pause(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.tick()
            time.sleep(min(0.02, max(0, end - time.monotonic())))

    def wait(self, condition, timeout_s, what):
        end = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > end:
                raise Finding("stuck", f"{what}: not within {timeout_s} s")
            self.tick()
            time.sleep(0.01)

    def wait_ready(self):
        for node in self.cluster.nodes:
            self.wait(lambda node=node: self.cluster.is_ready(node), READY_S, f"node {node} ready")

    def wait_leaders(self):
        for partition in range(self.options.partitions):
            self.wait(lambda p=partition: self.leader(p), self.options.bound,
                      f"a leader of partition {partition}")

    def wait_progress(self):
        """New records are acknowledged in every partition."""
        self.tick()
        before = [a + b for a, b in zip(self.acked_before, self.acked)]
        for partition, old in enumerate(before):
            self.wait(lambda p=partition, old=old: self.acked_before[p] + self.acked[p] > old,
                      self.options.bound, f"acknowledgements in partition {partition}")

    def leader(self, partition):
        return (self.cluster.group(LOG, partition) or {}).get("leader")

    def condition(self, node):
        return self.cluster.replicas(LOG).get(node, {}).get("condition")

    def recover(self):
        """All nodes run, hear each other, and serve."""
        for node in self.cluster.nodes:
            if node not in self.cluster.processes:
                self.cluster.start(node, wait=False)
        self.wait_ready()
        for node, peer in sorted(self.cut):
            self.cluster.link("up", node, peer)
        self.cut.clear()
        self.wait_progress()
        self.count_terms()

    def count_terms(self):
        """Elections won: every term but the first of each group had one, or failed to."""
        groups = self.cluster.status()["groups"]
        terms = sum(max((r["term"] for r in group.get("replicas", [])), default=0)
                    for group in groups)
        self.terms = max(self.terms, terms)

    def disk_bytes(self):
        """What the data directories take; looked at every other second."""
        if time.monotonic() - self.measured_at > 2:
            self.measured_at = time.monotonic()
            self.bytes = 0
            for node in self.cluster.nodes:
                for folder, _, files in os.walk(self.cluster.data(node)):
                    for name in files:
                        try:
                            about = os.lstat(os.path.join(folder, name))
                        except FileNotFoundError:
                            continue
                        self.bytes += about.st_blocks * 512
        return self.bytes

    # ---- end ----

    def finish(self):
        """Everything acknowledged is read back, from replicas that were killed and restarted."""
        self._end_child("load", "the last acknowledgements")
        self._end_child("history", "the last call of the history")
        self.converge()
        self._end_child("follower", "the reader at the end of the log")
        self.cluster.kill_all()
        self.soak.counts["kills"] += 1
        self.soak.counts["processes_killed"] += len(self.cluster.nodes)
        self.cluster.start(wait=False)
        self.wait_ready()
        self.wait_leaders()
        records = self._read_back()
        self.converge()
        self.count_terms()
        statuses = self.cluster.stop(timeout_s=STOP_S)
        if any(statuses):
            raise Finding("exit", f"exit statuses after SIGTERM: {statuses}")
        self._check_replicas(records)
        self._check_history()

    def converge(self):
        try:
            for partition in range(self.options.partitions):
                self.cluster.wait_converged(LOG, CONVERGE_S, partition)
            self.cluster.wait_converged(HISTORY, CONVERGE_S)
        except Problem as problem:
            raise Finding("stuck", str(problem)) from None

    def _end_child(self, name, what):
        child = getattr(self, name)
        child.terminate()
        hear = {"load": self._hear_load, "follower": self._hear_follower}.get(name, child.objects)
        end = time.monotonic() + self.options.bound + 30
        while child.status() is None:
            hear()
            if time.monotonic() > end:
                raise Finding("stuck", f"{what}: not within {self.options.bound + 30} s")
            time.sleep(0.01)
        hear()
        if child.status() != 0:
            raise Finding("died", f"{what}: exit {child.status()}: {child.errors()}")
        setattr(self, name, None)

    def _read_back(self):
        """Every partition against all claims. Returns records by partition."""
        check = self._client("check", "check", self.claims, "--partitions",
                             str(self.options.partitions))
        said = []
        end = time.monotonic() + READ_S
        while check.status() is None:
            said += check.objects()
            self.tick()
            if time.monotonic() > end:
                check.kill()
                raise Finding("stuck", f"reading everything: not within {READ_S} s")
            time.sleep(0.01)
        said += check.objects()
        results = {line["partition"]: line for line in said if "clean" in line}
        faults = [line for line in said if "fault" in line]
        self._take_counts(results.values())
        if check.status() == 1 or faults:
            first = faults[0]["fault"] if faults else "lost"
            raise Finding(first, "\n".join(json.dumps(fault) for fault in faults) or "see counts")
        if check.status() != 0 or len(results) != self.options.partitions:
            raise Finding("unread", f"exit {check.status()}: {check.errors()}")
        return {partition: line["records"] for partition, line in results.items()}

    def _take_counts(self, results):
        counts = self.soak.counts
        for line in results:
            for key in COUNTS + ("acked", "verified", "records", "seen"):
                counts[key] += line[key]
        self.acked_before = [0] * self.options.partitions  # counted now
        self.acked = [0] * self.options.partitions

    def _tool(self, *arguments):
        done = subprocess.run([self.cluster.binary("quorate"), *arguments, "--json"], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=READ_S)
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            raise Finding("damaged", f"{arguments[0]}: exit {done.returncode}: "
                                     f"{done.stderr.decode(errors='replace')}") from None

    def _check_replicas(self, records):
        """The files of stopped nodes: sound, of the records that were read, equal to their end."""
        for node in self.cluster.nodes:
            status, groups = self._tool("verify", self.cluster.data(node))
            if status != 0 or not all(group["sound"] for group in groups):
                raise Finding("damaged", f"node {node}: {json.dumps(groups)}")
            found = {group["group"]: group["records"] for group in groups}
            for partition, count in records.items():
                if found.get(partition + 1) != count:
                    raise Finding("lost", f"node {node}, partition {partition}: "
                                          f"{found.get(partition + 1)} records, {count} were read")
        # Whoever stopped last may have begun a term that the others did not hear of: entries
        # without records, behind all that was compared.
        status, result = self._tool("diff", *(self.cluster.data(n) for n in self.cluster.nodes))
        compared = {group["group"]: group["compared_records"] for group in result["groups"]}
        if status != 0 or not result["identical"] or \
                any(compared.get(p + 1) != count for p, count in records.items()):
            raise Finding("different", json.dumps(result))

    def _check_history(self):
        """The sampled history is linearizable, when the checker was built."""

    def describe(self):
        """For a person who looks at what is left of it."""
        self.save_status()
        return f"rate {self.rate or 'full'}, {self.settings['storage']}"

    def save_status(self):
        done = self.cluster.quorate("status", check=False)
        with open(os.path.join(self.directory, "status"), "wb") as out:
            out.write(done.stdout + done.stderr)

    def close(self, keep):
        for child in (self.load, self.follower, self.history):
            if child:
                child.kill()
        self.cluster.close_processes()
        if self.small:
            self.small.umount()  # its image stays in the directory
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)
