#!/usr/bin/env python3
"""All nodes at once: kill -9 and restart, SIGTERM and restart, hand-over of leadership.

A producer streams numbered lines through all of it. What was committed before is there after, and
in the end everything acknowledged is there once and in order on equal replicas.
"""

import time

import tap
from tap import check, diag
from traffic import Stream, Witness, stop_and_compare, verify

ROUNDS = 3
STOP_S = 5


def kill_all():
    """kill -9 of all three at once under load, restart, three times: nothing acknowledged is lost"""
    with tap.small_cluster() as nodes:
        nodes.start()
        nodes.leader()
        with Stream(nodes, "one") as one, Stream(nodes, "two") as two, Witness(nodes) as witness:
            for _ in range(ROUNDS):
                nodes.wait_progress()
                committed = nodes.end()
                nodes.kill_all()
                nodes.start()
                nodes.leader()
                nodes.wait_progress()
                check(nodes.end() >= committed, "committed records are gone after the restart")
            one.finish()
            two.finish()
            witness.finish()
        verify(nodes, [one, two, witness])
        stop_and_compare(nodes)


def stop_all():
    """SIGTERM of all under load: exit 0 within 5 s, and nothing acknowledged is lost"""
    with tap.small_cluster() as nodes:
        nodes.start()
        nodes.leader()
        with Stream(nodes, "one") as one, Witness(nodes) as witness:
            for _ in range(ROUNDS):
                nodes.wait_progress()
                start = time.monotonic()
                statuses = nodes.stop(timeout_s=2 * STOP_S)
                took = time.monotonic() - start
                diag(f"stopped in {took:.2f} s")
                check(all(status == 0 for status in statuses), f"exit statuses {statuses}")
                check(took < STOP_S, f"took {took:.1f} s")
                nodes.start()
                nodes.leader()
            nodes.wait_progress()
            one.finish()
            witness.finish()
        verify(nodes, [one, witness])
        stop_and_compare(nodes)


def stop_quiet():
    """SIGTERM of all without load: exit 0 within 5 s, and it says that it stopped"""
    with tap.small_cluster() as nodes:
        nodes.start()
        nodes.leader()
        start = time.monotonic()
        statuses = nodes.stop(timeout_s=2 * STOP_S)
        took = time.monotonic() - start
        check(all(status == 0 for status in statuses), f"exit statuses {statuses}")
        check(took < STOP_S, f"took {took:.1f} s")
        for node in nodes.nodes:
            check("stopped" in nodes.output(node), f"node {node} says nothing")


def hand_over():
    """SIGTERM of the leader under load: it hands over, exits 0 within 5 s, the others go on"""
    with tap.small_cluster() as nodes:
        nodes.start()
        leader = nodes.leader()
        with Stream(nodes, "one") as one, Witness(nodes) as witness:
            nodes.wait_progress()
            start = time.monotonic()
            statuses = nodes.stop(leader, timeout_s=2 * STOP_S)
            took = time.monotonic() - start
            diag(f"stopped in {took:.2f} s")
            check(statuses == [0], f"exit status {statuses}")
            check(took < STOP_S, f"took {took:.1f} s")
            check(nodes.leader() != leader, "the stopped node is called the leader")
            nodes.wait_progress()
            nodes.start(leader)
            nodes.wait_caught_up(leader)
            one.finish()
            witness.finish()
        verify(nodes, [one, witness])
        stop_and_compare(nodes)


if __name__ == "__main__":
    tap.run([kill_all, stop_all, stop_quiet, hand_over])
