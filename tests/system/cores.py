#!/usr/bin/env python3
"""Two replication cores with groups on both, and one process that hosts all nodes.

Four partitions are four groups, two on each core; each has a producer of its own all the time.
"""

import contextlib

import tap
from tap import check
from traffic import Stream, Witness, stop_and_compare, verify

PARTITIONS = range(4)
LOGS = (f"demo:partitions={len(PARTITIONS)}",)
TWO_CORES = {"dataplane": {"cores": "2"}}


def each_partition(nodes, call):
    for partition in PARTITIONS:
        call(partition)


def wait_for_leaders(nodes):
    each_partition(nodes, lambda p: nodes.leader(partition=p))


def check_cores(nodes):
    """Both cores of some node have acknowledged records, and every node has two."""
    acked = [0, 0]
    for member in nodes.status()["nodes"]:
        check(len(member["cores"]) == 2, f"node {member['node']} shows {len(member['cores'])} cores")
        for core in member["cores"]:
            acked[core["core"]] += core["acked_records"]
    check(min(acked) > 0, f"records acknowledged on cores 0 and 1: {acked}")


def run_through(nodes, disturb):
    """Producers on all partitions through a disturbance; then the proof."""
    nodes.start()
    wait_for_leaders(nodes)
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(Stream(nodes, f"p{p}", partition=p, rate=2000))
                   for p in PARTITIONS]
        witnesses = [stack.enter_context(Witness(nodes, partition=p)) for p in PARTITIONS]
        each_partition(nodes, lambda p: nodes.wait_progress(partition=p))
        check_cores(nodes)
        disturb(nodes)
        each_partition(nodes, lambda p: nodes.wait_progress(partition=p))
        for source in streams + witnesses:
            source.finish()
    for partition, sources in enumerate(zip(streams, witnesses)):
        verify(nodes, sources, partition=partition)
    stop_and_compare(nodes, [("demo", p) for p in PARTITIONS])


def kill_leaders(nodes):
    """Each node once, so that every group loses its leader at least once."""
    for node in nodes.nodes:
        nodes.kill(node)
        nodes.wait_away(node)
        each_partition(nodes, lambda p: nodes.wait_progress(partition=p))
        nodes.start(node)
        each_partition(nodes, lambda p, node=node: nodes.wait_caught_up(node, partition=p))


def kill_all(nodes):
    nodes.kill_all()
    nodes.start()
    wait_for_leaders(nodes)


def two_cores():
    """cores = 2, three processes: groups on both cores, kill -9 of each node in turn"""
    with tap.small_cluster(TWO_CORES, logs=LOGS) as nodes:
        run_through(nodes, kill_leaders)


def two_cores_at_once():
    """cores = 2, three processes: kill -9 of all at once"""
    with tap.small_cluster(TWO_CORES, logs=LOGS) as nodes:
        run_through(nodes, kill_all)


def one_process():
    """one process hosts all nodes, cores = 2, links are rings: kill -9 and restart"""
    with tap.small_cluster(TWO_CORES, logs=LOGS, one_process=True) as nodes:
        run_through(nodes, kill_all)


def one_thread():
    """one process hosts all nodes on one polling thread: kill -9 and restart"""
    settings = {"dataplane": {"cores": "2", "lcores": "1"}}
    with tap.small_cluster(settings, logs=LOGS, one_process=True) as nodes:
        run_through(nodes, kill_all)


if __name__ == "__main__":
    tap.run([two_cores, two_cores_at_once, one_process, one_thread])
