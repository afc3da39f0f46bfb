#!/usr/bin/env python3
"""Nodes that have lost what they promised: both slots of a log, or the whole disk.

Such a node comes back without a vote, is filled, and counts again by itself once all others have
answered: then the log goes on with it and one other, and what was acknowledged is there.
"""

import glob
import os
import shutil

import tap
from cluster import wait_for
from tap import check, diag
from traffic import Stream, stop_and_compare, verify

FILLED_S = 60


def role_of(nodes, node):
    return nodes.replicas().get(node, {}).get("role")


def follower(nodes):
    """One that does not lead."""
    leader = nodes.leader()
    return next(node for node in nodes.nodes if node != leader)


def expect_non_voter_until_all_are_there(nodes, lost, flags=()):
    """While another node is away there is no quorum, for it does not count; then it does."""
    away = next(node for node in nodes.nodes if node not in (lost, nodes.leader()))
    nodes.kill(away)
    nodes.start(lost, flags=flags)
    wait_for(lambda: role_of(nodes, lost) == "non-voter", FILLED_S, "a non-voter")
    problems = nodes.quorate("status", check=False).stderr.decode()
    check("lost its hard state" in problems, f"status does not say so:\n{problems}")
    nodes.start(away)
    wait_for(lambda: role_of(nodes, lost) in ("follower", "leader"), FILLED_S, "it counts again")
    nodes.wait_progress()
    # It is one of two that are left, and so needed for everything.
    nodes.kill(away)
    nodes.wait_progress()
    nodes.start(away)
    diag(f"node {lost} was a non-voter while node {away} was away")


def slots():
    """both slots of a log: the node is filled, and votes again when all others have answered"""
    with tap.small_cluster() as nodes:
        nodes.start()
        nodes.leader()
        with Stream(nodes, "one") as one:
            nodes.wait_progress()
            lost = follower(nodes)
            nodes.kill(lost)
            for path in glob.glob(os.path.join(nodes.data(lost), "group-*", "state")):
                with open(path, "r+b") as state:
                    state.write(os.urandom(os.path.getsize(path)))
            expect_non_voter_until_all_are_there(nodes, lost)
            one.finish()
        verify(nodes, [one])
        stop_and_compare(nodes)


def disk():
    """the whole disk: the same, with --lost-data"""
    with tap.small_cluster() as nodes:
        nodes.start()
        nodes.leader()
        with Stream(nodes, "one") as one:
            nodes.wait_progress()
            lost = follower(nodes)
            nodes.kill(lost)
            shutil.rmtree(nodes.data(lost))
            expect_non_voter_until_all_are_there(nodes, lost, flags=("--lost-data",))
            one.finish()
        verify(nodes, [one])
        stop_and_compare(nodes)


if __name__ == "__main__":
    tap.run([slots, disk])
