#!/usr/bin/env python3
"""SIGSTOP and SIGCONT under load: of the leader, and of a follower.

A stopped leader is one that believes, when it goes on, that no time has passed. It must neither
acknowledge nor answer with what has meanwhile been overtaken.
"""

import signal

import tap
import wire
from cluster import wait_for
from tap import check, diag, equal
from traffic import Stream, Witness, stop_and_compare, verify

ROUNDS = 3
TAILS = 5
PATIENCE_S = 0.4  # for the answer of a node that is stopped


def other_leader(nodes, old):
    """A leader among the others, which the CLI finds while the old one is stopped."""

    def found():
        group = nodes.group() or {}
        return group.get("leader") not in (None, old) and group["leader"]

    return wait_for(found, 20, f"a leader other than node {old}")


def is_follower(nodes, node):
    replica = nodes.replicas().get(node)
    return replica is not None and replica["role"] == "follower"


def leader():
    """SIGSTOP of the leader under load, three times: another takes over, the old one follows"""
    with tap.small_cluster() as nodes:
        nodes.patience_s = PATIENCE_S
        nodes.start()
        nodes.leader()
        with Stream(nodes, "one") as one, Stream(nodes, "two") as two, Witness(nodes) as witness:
            for _ in range(ROUNDS):
                nodes.wait_progress()
                old = nodes.leader()
                term = nodes.replicas()[old]["term"]
                nodes.signal(old, signal.SIGSTOP)
                other_leader(nodes, old)
                nodes.wait_progress()
                nodes.signal(old, signal.SIGCONT)
                wait_for(lambda old=old: is_follower(nodes, old), 20, f"node {old} follows")
                nodes.wait_caught_up(old)
                check(nodes.replicas()[old]["term"] > term, "the old leader kept its term")
            one.finish()
            two.finish()
            witness.finish()
        verify(nodes, [one, two, witness])
        stop_and_compare(nodes)


def follower():
    """SIGSTOP of a follower under load, three times: the others go on, it catches up"""
    with tap.small_cluster() as nodes:
        nodes.patience_s = PATIENCE_S
        nodes.start()
        nodes.leader()
        with Stream(nodes, "one") as one, Witness(nodes) as witness:
            for _ in range(ROUNDS):
                nodes.wait_progress()
                leads = nodes.leader()
                victim = next(node for node in nodes.nodes if node != leads)
                nodes.signal(victim, signal.SIGSTOP)
                nodes.wait_away(victim)
                nodes.wait_progress()
                nodes.signal(victim, signal.SIGCONT)
                nodes.wait_caught_up(victim)
            one.finish()
            witness.finish()
        verify(nodes, [one, witness])
        stop_and_compare(nodes)


def ask_the_sleeper(nodes, old, client):
    """Questions that the old leader finds in its socket when it wakes up."""
    group = nodes.group()["group"]
    for request in range(1, TAILS + 1):
        client.send_messages(wire.tail_request(request, group), to=old)


def judge_answers(client, end):
    """Each answer refuses, or knows of everything that was acknowledged before the question."""
    refused = 0
    for _ in range(TAILS):
        _, _, told, status, _ = wire.tail_reply(client.receive(wire.TAIL_REPLY))
        refused += status != wire.STATUS_OK
        check(status != wire.STATUS_OK or told >= end,
              f"a stale end was served: {told}, when {end} records were acknowledged")
    diag(f"{TAILS} questions, {refused} refused")


def stale():
    """a leader that wakes up serves no stale end of the log, and 'read' gives everything acked"""
    with tap.small_cluster() as nodes:
        nodes.patience_s = PATIENCE_S
        nodes.start()
        old = nodes.leader()
        nodes.quorate("append", "demo", input=b"before\n" * 100)
        address = ("127.0.0.1", nodes.ports + 16 * (old - 1))
        client = wire.Client(address, nodes.status()["cluster"])
        nodes.signal(old, signal.SIGSTOP)
        other_leader(nodes, old)
        nodes.quorate("append", "demo", input=b"after\n" * 100)
        ask_the_sleeper(nodes, old, client)
        nodes.signal(old, signal.SIGCONT)
        read = nodes.quorate("read", "demo", "--from", "start").stdout
        judge_answers(client, 200)
        client.close()
        equal(read, b"before\n" * 100 + b"after\n" * 100, "what 'read' gave")
        stop_and_compare(nodes)


if __name__ == "__main__":
    tap.run([leader, follower, stale])
