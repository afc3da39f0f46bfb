#!/usr/bin/env python3
"""Links between nodes closed through the administration socket, under load.

The clients' network stays whole: what is shown is what the nodes do when they cannot hear each
other. A minority commits and acknowledges nothing; a majority goes on; healed, all are equal.
"""

import json

import tap
from cluster import wait_for
from tap import check, diag, equal
from traffic import Stream, Witness, stop_and_compare, verify


def others(nodes, node):
    return [other for other in nodes.nodes if other != node]


def set_links(nodes, state, node):
    """All links of a node, at its end: it neither sends nor hears."""
    for peer in others(nodes, node):
        nodes.link(state, node, peer)


def acked_by(nodes, node):
    """Records that the node itself has acknowledged since its start."""
    for member in nodes.status()["nodes"]:
        if member["node"] == node:
            return sum(core["acked_records"] for core in member["cores"])
    return None


def new_leader(nodes, old):
    def found():
        replicas = nodes.replicas()
        return [node for node in others(nodes, old)
                if replicas.get(node, {}).get("role") == "leader"]

    return wait_for(found, 20, "a leader on the other side")[0]


def isolate_leader():
    """the leader cut off from both: the others elect and serve, it commits and acks nothing"""
    with tap.small_cluster() as nodes:
        nodes.start()
        nodes.leader()
        with Stream(nodes, "one") as one, Stream(nodes, "two") as two, Witness(nodes) as witness:
            for _ in range(2):
                nodes.wait_progress()
                old = nodes.leader()
                set_links(nodes, "down", old)
                commit, acked = nodes.replicas()[old]["commit"], acked_by(nodes, old)
                new_leader(nodes, old)
                nodes.wait_progress()
                equal(nodes.replicas()[old]["commit"], commit, "commit of the node cut off")
                equal(acked_by(nodes, old), acked, "records acknowledged by the node cut off")
                check(nodes.replicas()[old]["role"] != "leader", "it still believes that it leads")
                set_links(nodes, "up", old)
                nodes.wait_caught_up(old)
            one.finish()
            two.finish()
            witness.finish()
        verify(nodes, [one, two, witness])
        stop_and_compare(nodes)


def isolate_follower():
    """a follower cut off and healed: the others go on, it catches up"""
    with tap.small_cluster() as nodes:
        nodes.start()
        leader = nodes.leader()
        victim = others(nodes, leader)[0]
        with Stream(nodes, "one") as one, Witness(nodes) as witness:
            nodes.wait_progress()
            term = nodes.replicas()[leader]["term"]
            set_links(nodes, "down", victim)
            nodes.wait_progress()
            wait_for(lambda: nodes.replicas()[victim]["role"] == "pre-candidate", 20,
                     "the follower misses its leader")
            nodes.wait_progress()
            set_links(nodes, "up", victim)
            nodes.wait_caught_up(victim)
            diag(f"term {term} before, {nodes.replicas()[leader]['term']} after")
            one.finish()
            witness.finish()
        verify(nodes, [one, witness])
        stop_and_compare(nodes)


def one_link():
    """one link of the leader closed: a majority still hears it, and everything goes on"""
    with tap.small_cluster() as nodes:
        nodes.start()
        leader = nodes.leader()
        deaf = others(nodes, leader)[0]
        with Stream(nodes, "one") as one, Witness(nodes) as witness:
            nodes.link("down", leader, deaf)
            for _ in range(3):
                nodes.wait_progress()
            nodes.link("up", leader, deaf)
            for node in nodes.nodes:
                nodes.wait_caught_up(node)
            one.finish()
            witness.finish()
        verify(nodes, [one, witness])
        stop_and_compare(nodes)


def nobody_hears():
    """all links closed: nothing is acknowledged, 'append' says so within its bound; then healed"""
    with tap.small_cluster() as nodes:
        nodes.start()
        nodes.leader()
        nodes.quorate("append", "demo", input=b"before\n")
        for node in nodes.nodes:
            set_links(nodes, "down", node)
        done = nodes.quorate("append", "demo", "-o", "json", "--timeout", "2", input=b"lost?\n",
                             check=False)
        equal(done.returncode, 1, "exit status of append without a quorum")
        if done.stdout:
            equal(json.loads(done.stdout)["records"], 0, "records acknowledged without a quorum")
        diag(done.stderr.decode(errors="replace").strip())
        check(b"quorum" in done.stderr or b"no answer" in done.stderr, "the reason is not told")
        for node in nodes.nodes:
            set_links(nodes, "up", node)
        nodes.leader()
        nodes.quorate("append", "demo", input=b"after\n")
        lines = nodes.quorate("read", "demo", "--from", "start").stdout.split()
        check(lines in ([b"before", b"after"], [b"before", b"lost?", b"after"]), f"read {lines}")
        stop_and_compare(nodes)


def listed():
    """'link list' tells what is closed; wrong nodes are refused"""
    with tap.small_cluster() as nodes:
        nodes.start()
        nodes.link("down", 1, 3)
        links = json.loads(nodes.quorate("link", "list", "-o", "json").stdout)
        equal({link["node"]: link["down"] for link in links}, {1: [3], 2: [], 3: []}, "links")
        nodes.link("up", 1, 3)
        links = json.loads(nodes.quorate("link", "list", "-o", "json").stdout)
        equal([link["down"] for link in links], [[], [], []], "links")
        for node, peer, status in (("1", "1", 2), ("9", "1", 1), ("0", "1", 2)):
            done = nodes.quorate("link", "down", "--node", node, "--peer", peer, check=False)
            equal(done.returncode, status, f"exit status of link down {node} {peer}")


if __name__ == "__main__":
    tap.run([isolate_leader, isolate_follower, one_link, nobody_hears, listed])
