#!/usr/bin/env python3
"""Wrong bits in the files of nodes, and starts from snapshots.

What one replica has whole comes back on the others, whoever meets the damage: a reader, a start or
the scrub. What nobody has is an error for those who ask for it, and for nobody else. A start after
kill -9 reads the log behind the newest sound snapshot, and all of it when there is none.

A scrub pauses for a minute after its first pass, which finds nothing yet: the log `cold`, which
nobody reads, is damaged by the first test and looked at by the last one.
"""

import concurrent.futures
import contextlib
import json
import os
import random
import shutil
import struct
import subprocess
import time

import tap
import wire
from cluster import wait_for
from rot import LOGS, append_records, damage, record_of, settled_entries, verify, wrong_bits
from segments import BLOCK, Segments, pread, pwrite
from tap import Skip, check, diag, equal
from traffic import Stream, line_of, numbers_of, stop_and_compare

SCRUBBED = {"storage": {"scrub": "512M"}}
RECORDS = 6000
WINDOW_BLOCKS = (4 << 20) // BLOCK  # of SMALL: what is newer is read from memory
READ_BYTES = 16 << 10
ANSWER_S = 2
READ_S = 60  # all of a replica, while all of it is being repaired
SCRUB_S = 150  # the minute, and a pass on a busy machine

MIB = 1 << 20
SNAPSHOT_BLOCKS = 128 * MIB // BLOCK  # of log, from one to the next
SNAPSHOT_BLOCK_AT = 56
SNAPSHOTS = 16  # files of a group
# Two halves, each with a snapshot in it: one is at most half of that behind the end, one more.
BULK_BYTES = 320 * MIB
BULK_RECORD_BYTES = 100000
BULK_S = 60
ROOM_BYTES = 4 * BULK_BYTES
# Segments for that much; and nobody reads but the starts.
LARGE = {"storage": {"segment": "16M", "stride": "4M", "window": "16M", "scrub": "0",
                     "segments_ahead": "2"}}


# ---- what one replica gives ----


def framed(records):
    """As READ gives them: each with its length in front."""
    return b"".join(struct.pack("<I", len(record)) + record for record in records)


class Reader:
    """Reads from one replica and no other."""

    def __init__(self, nodes, node, log):
        self.node, self.group, self.request = node, LOGS[log], 0
        self.client = wire.Client(("127.0.0.1", nodes.ports + 16 * (node - 1)), nodes.name,
                                  ANSWER_S)

    def ask(self, offset):
        """One request: (status, records with their lengths, the next offset)."""
        self.request += 1
        self.client.send_messages(wire.read_request(self.request, offset, READ_BYTES, self.group))
        data, last = [], False
        while not last:
            try:
                answer = wire.records(self.client.receive(wire.RECORDS))
            except TimeoutError:
                break
            request, at, count, number, status, last, bulk = answer
            if request != self.request:
                continue  # late
            if status != wire.STATUS_OK:
                return status, b"".join(data), offset
            if number != len(data):
                break  # one is lost: asked for again from there on
            data.append(bulk)
            offset = at + count
        return wire.STATUS_OK, b"".join(data), offset

    def read(self, offset, until):
        """The records from `offset` to `until`, or to an error: as ask()."""
        end = time.monotonic() + READ_S
        data, status = [], wire.STATUS_OK
        while offset < until and status in (wire.STATUS_OK, wire.STATUS_BUSY):
            check(time.monotonic() < end, f"node {self.node} gave no more than {offset} records")
            status, some, offset = self.ask(offset)
            data.append(some)
        return status, b"".join(data), offset

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.client.close()


def read_replica(nodes, node, log, offset, until):
    with Reader(nodes, node, log) as reader:
        return reader.read(offset, until)


def check_replicas(nodes, log, records):
    """All replicas, read at the same time, give these records first, in order and byte by byte."""

    def read(node):
        return read_replica(nodes, node, log, 0, len(records))

    wanted = framed(records)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for node, (status, data, _) in zip(nodes.nodes, pool.map(read, nodes.nodes)):
            equal(status, wire.STATUS_OK, f"status of a read from node {node}")
            check(data[:len(wanted)] == wanted, f"node {node} gave other records of {log}")


# ---- repairs ----


def repaired(nodes):
    """How many entries each node has repaired."""
    return {member["node"]: sum(core["repaired_entries"] for core in member["cores"])
            for member in nodes.status()["nodes"]}


def wait_repaired(nodes, goal, timeout_s):
    """
    Each node has repaired so many entries. It may count one twice: a reader that read ahead before
    the repair finds the damage again.
    """
    start = time.monotonic()

    def reached():
        now = repaired(nodes)
        return all(now.get(node, 0) >= count for node, count in goal.items()) and now

    now = wait_for(reached, timeout_s, f"entries repaired: {goal}")
    diag(f"after {time.monotonic() - start:.1f} s repaired: {now}, wanted {goal}")


@contextlib.contextmanager
def scrubbed_cluster():
    """A cluster with a quick scrub, a stream into `demo`, and what was damaged, by log and node."""
    with tap.small_cluster(SCRUBBED, logs=LOGS) as nodes, contextlib.ExitStack() as stack:
        nodes.start()
        nodes.leader()
        nodes.damaged, nodes.stream = {}, None
        nodes.start_stream = lambda: stack.enter_context(Stream(nodes, "one", rate=500))
        yield nodes


def readers(nodes):
    """wrong bits on all replicas under load: readers of each get everything, and it is repaired"""
    chance = random.Random(2)
    for log in LOGS:
        append_records(nodes, log, range(RECORDS))
    entries = {log: settled_entries(nodes, log) for log in LOGS}
    below = entries["demo"][-1].block - WINDOW_BLOCKS  # what readers find on the disk only
    entries["demo"] = [entry for entry in entries["demo"] if entry.block + entry.blocks <= below]
    nodes.stream = nodes.start_stream()
    for log in LOGS:
        nodes.damaged[log] = damage(nodes, log, entries[log], chance)
    nodes.wait_progress()
    start = time.monotonic()
    check_replicas(nodes, "demo", [record_of(number) for number in range(RECORDS)])
    diag(f"read from all replicas within {time.monotonic() - start:.1f} s")
    wait_repaired(nodes, nodes.damaged["demo"], 5)
    nodes.wait_progress()


def scrub(nodes):
    """what nobody reads is found and repaired, under load: files and replicas are equal again"""
    check(nodes.stream, "nothing was damaged")
    goal = {node: sum(damaged[node] for damaged in nodes.damaged.values()) for node in nodes.nodes}
    nodes.wait_progress()
    wait_repaired(nodes, goal, SCRUB_S)
    nodes.wait_progress()
    nodes.stream.finish()
    records = [record_of(number) for number in range(RECORDS)]
    check_replicas(nodes, "cold", records)
    records += [line_of("one", number) for number in range(nodes.stream.acked)]
    check_replicas(nodes, "demo", records)
    stop_and_compare(nodes, [(log, 0) for log in LOGS])
    for node in nodes.nodes:
        equal(verify(nodes, node), (0, ["", ""]), f"what is wrong with node {node}")


def at_rest():
    """wrong bits on all replicas while nobody runs: the starts repair them, and then all is there"""
    chance = random.Random(5)
    with tap.small_cluster(SCRUBBED) as nodes:
        nodes.start()
        nodes.leader()
        append_records(nodes, "demo", range(RECORDS))
        entries = settled_entries(nodes, "demo")
        nodes.kill_all()
        goal = damage(nodes, "demo", entries, chance)
        nodes.start()
        nodes.leader(timeout_s=READ_S)
        wait_repaired(nodes, goal, READ_S)
        append_records(nodes, "demo", range(RECORDS, RECORDS + 100))
        check_replicas(nodes, "demo", [record_of(number) for number in range(RECORDS + 100)])
        stop_and_compare(nodes)
        for node in nodes.nodes:
            equal(verify(nodes, node), (0, [""]), f"what is wrong with node {node}")


# ---- what nobody has ----

CHECKPOINT_BLOCKS = 64


def in_front_of_checkpoint(entries):
    """
    An entry from the middle, and the one behind it, which the sparse index knows: readers can begin
    there. What lies between a lost entry and the next one that is known, they cannot reach.
    """
    known = 0
    for entry, behind in zip(entries, entries[1:]):
        if behind.block - known < CHECKPOINT_BLOCKS:
            continue
        known = behind.block
        if entry.index > len(entries) // 2 and entry.first < entry.end:
            return entry, behind
    raise tap.Failure("no such entry")


def check_around(nodes, node, lost, behind):
    """This replica gives what is in front of the lost entry, and what is behind it."""
    records = [record_of(number) for number in range(RECORDS)]
    status, data, end = read_replica(nodes, node, "demo", 0, RECORDS)
    equal((status, end), (wire.STATUS_CORRUPT, lost.first), f"where a read from node {node} ended")
    check(data == framed(records[:end]), f"node {node} gave other records in front of it")
    status, data, end = read_replica(nodes, node, "demo", behind.first, RECORDS)
    equal((status, end), (wire.STATUS_OK, RECORDS), f"where a read from node {node} ended")
    check(data == framed(records[behind.first:]), f"node {node} gave other records behind it")


def nobody_has_it():
    """wrong bits in an entry on all three: an error names the cause, and nothing else is lost"""
    chance = random.Random(3)
    with tap.small_cluster(SCRUBBED) as nodes:
        nodes.start()
        nodes.leader()
        append_records(nodes, "demo", range(RECORDS))
        lost, behind = in_front_of_checkpoint(settled_entries(nodes, "demo"))
        bits = {node: wrong_bits(chance, lost) for node in nodes.nodes}
        for node in nodes.nodes:
            Segments(nodes.data(node)).flip(lost, bits[node])
        for node in nodes.nodes:
            check_around(nodes, node, lost, behind)
        done = nodes.quorate("read", "demo", "--timeout", "2", check=False)
        said = done.stderr.decode(errors="replace").strip()
        equal(done.returncode, 1, "exit status of read")
        check("damaged" in said, f"the cause is not told: {said}")
        wanted = b"".join(record_of(number) + b"\n" for number in range(lost.first))
        check(done.stdout == wanted, "other records in front of it")
        append_records(nodes, "demo", range(RECORDS, 2 * RECORDS))
        equal(nodes.end(), 2 * RECORDS, "records")
        nodes.wait_converged()
        equal(nodes.stop(), [0] * 3, "exit statuses after SIGTERM")
        for node in nodes.nodes:
            check_damage(nodes, node, lost, bits[node])
        identical, said = nodes.replicas_identical()
        check(identical, f"the replicas differ:\n{said}")


def check_damage(nodes, node, lost, bits):
    """A stopped node's files have this damage, and no other: they are sound without it."""
    files = Segments(nodes.data(node))
    where = "entry %d, segment %d, byte %d:" % (lost.index, *files.place(lost))
    status, problems = verify(nodes, node)
    check(status == 1 and len(problems) == 1 and problems[0].startswith(where),
          f"verify of node {node}: exit {status}, {problems}, expected {where}")
    files.flip(lost, bits)
    equal(verify(nodes, node), (0, [""]), f"what else is wrong with node {node}")


# ---- starts ----


class Bulk:
    """Large records, each another one, in front of a log."""

    count = BULK_BYTES // BULK_RECORD_BYTES

    def __init__(self):
        self.noise = random.Random(4).randbytes(2 * BULK_RECORD_BYTES).replace(b"\n", b" ")

    def line(self, number):
        begin = number * 7919 % BULK_RECORD_BYTES
        return b"%06d " % number + self.noise[begin:begin + BULK_RECORD_BYTES] + b"\n"

    def append(self, nodes, numbers):
        with nodes.popen("append", "demo", stdin=subprocess.PIPE,
                         stderr=subprocess.DEVNULL) as process:
            with process.stdin as out:
                out.writelines(self.line(number) for number in numbers)
            equal(process.wait(BULK_S), 0, "exit status of append")

    def check(self, nodes):
        """It is there, and behind it the stream's lines. Returns these."""
        with nodes.popen("read", "demo", stdout=subprocess.PIPE) as process:
            for number in range(self.count):
                check(process.stdout.readline() == self.line(number), f"record {number} is not it")
            lines = process.stdout.read().split(b"\n")[:-1]
            equal(process.wait(BULK_S), 0, "exit status of read")
        equal(numbers_of("one", lines), list(range(len(lines))), "lines of the stream")
        return lines


def bytes_read(process):
    """What a process had its devices read since it began."""
    try:
        with open(f"/proc/{process.pid}/io", encoding="utf-8") as counts:
            return int(dict(line.split(": ") for line in counts)["read_bytes"])
    except OSError as error:
        raise Skip(f"this kernel does not say what a process reads: {error}") from None


def headers(nodes, node):
    """The first block of each of a node's snapshots; empty where there is none."""
    return {path: pread(path, 0, BLOCK)
            for path in (os.path.join(Segments(nodes.data(node)).folder, f"snapshot-{number}")
                         for number in range(SNAPSHOTS))}


def base_of(header):
    """The block of the log that a snapshot reaches to."""
    return struct.unpack_from("<Q", header, SNAPSHOT_BLOCK_AT)[0] if header else 0


def wait_snapshot(nodes, blocks):
    """Every node has a snapshot of at least so much of the log."""
    for node in nodes.nodes:
        wait_for(lambda node=node: max(map(base_of, headers(nodes, node).values())) >= blocks, 20,
                 f"a snapshot of node {node}")


def damage_snapshots(nodes, node, count):
    """
    The newest snapshots of a node: a wrong bit in the header, one in the body, or nothing is left,
    on each node something else.
    """
    found = headers(nodes, node)
    for path in sorted(filter(found.get, found), key=lambda path: base_of(found[path]))[-count:]:
        if node == 3:
            os.truncate(path, 0)
            continue
        at = 0 if node == 1 else BLOCK
        block = bytearray(pread(path, at, BLOCK))
        block[20] ^= 4 if count == 1 else 8  # not the same one again
        pwrite(path, at, block)


def start_after_kill(nodes, bulk, damaged=0):
    """
    kill -9 of all, damage to so many of each one's snapshots, and a start: what was committed is
    there. Returns how many bytes the starts read, least and most.
    """
    committed = nodes.end()
    nodes.kill_all()
    for node in nodes.nodes if damaged else ():
        damage_snapshots(nodes, node, damaged)
    nodes.start()
    nodes.leader()
    for node in nodes.nodes:
        nodes.wait_caught_up(node)
    read = [bytes_read(nodes.processes[node]) for node in nodes.nodes]
    diag(f"starts read {', '.join(f'{size / MIB:.0f} MiB' for size in read)}")
    if not all(read):
        raise Skip("this kernel does not count what a process reads")
    nodes.wait_progress()
    lines = bulk.check(nodes)
    check(bulk.count + len(lines) >= committed, f"{committed} records were committed")
    return min(read), max(read)


def starts():
    """kill -9 of all over a large log: a start reads what is behind the newest sound snapshot"""
    with tap.small_cluster(LARGE) as nodes:
        if shutil.disk_usage(nodes.directory).free < ROOM_BYTES:
            raise Skip(f"needs {ROOM_BYTES >> 20} MiB of disk")
        nodes.start()
        nodes.leader()
        bulk = Bulk()
        bulk.append(nodes, range(bulk.count // 2))
        wait_snapshot(nodes, SNAPSHOT_BLOCKS)
        bulk.append(nodes, range(bulk.count // 2, bulk.count))
        wait_snapshot(nodes, 2 * SNAPSHOT_BLOCKS)
        with Stream(nodes, "one") as one:
            nodes.wait_progress()
            _, most = start_after_kill(nodes, bulk)
            check(most < BULK_BYTES // 2, "a start read more than what is behind the newest one")
            least, most = start_after_kill(nodes, bulk, damaged=1)
            check(BULK_BYTES // 2 < least and most < BULK_BYTES,
                  "a start did not read what is behind the older one")
            least, _ = start_after_kill(nodes, bulk, damaged=SNAPSHOTS)
            check(least > BULK_BYTES, "a start without snapshots did not read all of the log")
            one.finish()
        one.check_lines(bulk.check(nodes))
        stop_and_compare(nodes)
        for node in nodes.nodes:
            for path in headers(nodes, node):
                os.truncate(path, 0)  # the damage that was done
            equal(verify(nodes, node), (0, [""]), f"what is wrong with node {node}")


if __name__ == "__main__":
    tap.run([readers, at_rest, nobody_has_it, starts, scrub], scrubbed_cluster)
