#!/usr/bin/env python3
"""kill -9 under load: of the leader ten times, and of a follower ten times.

Two producers stream numbered lines all the time, and a witness records what it is told. The victim
stays away until the others have served without it, then comes back and catches up. In the end
everything acknowledged is there, once and in order, all answers together are linearizable, and the
replicas' files are equal block by block.
"""

import contextlib

import tap
from traffic import Stream, Witness, stop_and_compare, verify

KILLS = 10


def kill_under_load(choose):
    with tap.small_cluster() as nodes, contextlib.ExitStack() as stack:
        nodes.start()
        nodes.leader()
        sources = [stack.enter_context(Stream(nodes, name)) for name in ("left", "right")]
        sources.append(stack.enter_context(Witness(nodes)))
        nodes.wait_progress()
        for _ in range(KILLS):
            victim = choose(nodes, nodes.leader())
            nodes.kill(victim)
            nodes.wait_away(victim)
            nodes.wait_progress()
            nodes.start(victim)
            nodes.wait_caught_up(victim)
        for source in sources:
            source.finish()
        verify(nodes, sources)
        stop_and_compare(nodes)


def leader():
    """kill -9 of the leader, ten times under load: nothing acknowledged is lost or doubled"""
    kill_under_load(lambda nodes, leader: leader)


def follower():
    """kill -9 of a follower, ten times under load: nothing acknowledged is lost or doubled"""
    turns = iter(range(KILLS))

    def choose(nodes, leader):
        others = [node for node in nodes.nodes if node != leader]
        return others[next(turns) % len(others)]

    kill_under_load(choose)


if __name__ == "__main__":
    tap.run([leader, follower])
