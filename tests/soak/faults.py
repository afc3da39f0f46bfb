"""The faults of the soak, each drawn from one generator of pseudo-random numbers.

A fault is done to a round and ends by itself; Round.recover() then waits until everything serves
again, and so every fault has to be got over within the bound.
"""

import signal
import time

ELECTION_S = 0.15  # the election timeout of the profile dev
NO_SPACE_S = 15


def _nodes(round_, draw, most=None):
    """Some nodes, at least one."""
    nodes = round_.cluster.nodes
    return draw.sample(nodes, draw.randint(1, most or len(nodes)))


def _a_leader(round_, draw):
    """The leader of some partition."""
    partition = draw.randrange(round_.options.partitions)
    return round_.leader(partition) or draw.choice(round_.cluster.nodes)


def _victims(round_, draw):
    """One node, the leader as often as any other; or all; or any of them."""
    kind = draw.choices(("leader", "node", "all", "some"), (40, 30, 20, 10))[0]
    if kind == "leader":
        return [_a_leader(round_, draw)]
    if kind == "all":
        return list(round_.cluster.nodes)
    return _nodes(round_, draw, 1 if kind == "node" else None)


def _kill(round_, nodes):
    """At once: all get the signal before any is waited for."""
    processes = [round_.cluster.processes.pop(node) for node in nodes]
    for process in processes:
        process.kill()
    for process in processes:
        process.wait(10)
    round_.soak.counts["processes_killed"] += len(nodes)


# ---- kill -9 ----

def kill(round_, draw):
    """kill -9, and a restart at once, later, or twice."""
    victims = _victims(round_, draw)
    how = draw.choices(("plain", "late", "again", "stopped", "cut"), (45, 20, 20, 8, 7))[0]
    if how == "stopped":  # it dies in the middle of whatever it did when it stopped
        _signal(round_, victims, signal.SIGSTOP)
        round_.pause(draw.uniform(0, 2 * ELECTION_S))
    if how == "cut":
        _cut(round_, _links(round_, draw))
        round_.pause(draw.uniform(0, 3 * ELECTION_S))
    _kill(round_, victims)
    round_.stopped.clear()
    if how == "late":  # the others elect, or nobody does
        round_.pause(draw.uniform(0, 4 * ELECTION_S))
    if how == "again":  # while it recovers
        for node in victims:
            round_.cluster.start(node, wait=False)
        round_.pause(draw.uniform(0, 0.3))
        _kill(round_, victims)
    round_.cut = {(node, peer) for node, peer in round_.cut if node not in victims}
    round_.soak.counts["kills"] += 1


# ---- SIGSTOP ----

def _signal(round_, nodes, number):
    for node in nodes:
        round_.cluster.signal(node, number)


def stop(round_, draw):
    """SIGSTOP for about an election timeout, of some nodes one after the other, then SIGCONT."""
    nodes = [_a_leader(round_, draw)] if draw.random() < 0.6 else _nodes(round_, draw)
    _signal(round_, nodes, signal.SIGSTOP)
    try:
        round_.pause(draw.choice((draw.uniform(0, ELECTION_S), draw.uniform(0, 4 * ELECTION_S))))
    finally:
        _signal(round_, nodes, signal.SIGCONT)
    round_.soak.counts["stops"] += 1


# ---- links ----

def _links(round_, draw):
    """(node, peer) pairs: the node neither sends to the peer nor hears it."""
    nodes = round_.cluster.nodes
    kind = draw.choice(("isolate", "isolate", "one", "chain", "all"))
    if kind == "one":
        return [tuple(draw.sample(nodes, 2))]
    if kind == "chain":  # every node hears its neighbours only
        order = draw.sample(nodes, len(nodes))
        return [(a, b) for i, a in enumerate(order) for b in order[i + 2:]]
    if kind == "all":
        return [(a, b) for a in nodes for b in nodes if a != b]
    alone = _a_leader(round_, draw)
    return [(alone, peer) for peer in nodes if peer != alone]


def _cut(round_, links):
    for node, peer in links:
        round_.cluster.link("down", node, peer)
        round_.cut.add((node, peer))


def cut(round_, draw):
    """Links closed for up to a second; Round.recover() opens them."""
    _cut(round_, _links(round_, draw))
    round_.pause(draw.uniform(0, 7 * ELECTION_S))
    round_.soak.counts["cuts"] += 1


# ---- disk full ----

def full(round_, draw):
    """The small disk fills up, the node may be killed meanwhile, and then there is room again."""
    node, disk = round_.small_node, round_.small
    if not disk.fill(draw.randint(1, 8) << 20):
        return
    reached = False
    try:
        end = time.monotonic() + NO_SPACE_S
        while not reached and time.monotonic() < end:
            round_.pause(0.05)
            reached = round_.condition(node) == "NO_SPACE"
        if reached and draw.random() < 0.3:
            disk.fill_to_the_last_byte()
        if reached and draw.random() < 0.5:
            _kill(round_, [node])
            round_.soak.counts["kills"] += 1
            round_.cluster.start(node, wait=False)
            round_.wait_ready()
        round_.pause(draw.uniform(0, 1))
    finally:
        disk.free()
    round_.wait(lambda: round_.condition(node) == "OK", round_.options.bound,
                f"room again at node {node}")
    round_.soak.counts["fulls"] += reached


# ---- clients ----

def client(round_, _draw):
    """kill -9 of the load; another follows it."""
    round_.kill_load()
    round_.soak.counts["clients_killed"] += 1


FAULTS = {"kill": (kill, 60), "stop": (stop, 15), "cut": (cut, 15), "client": (client, 5),
          "full": (full, 5)}


def step(round_, draw):
    """One fault, and what it takes to get over it; then a little time without any."""
    enabled = [FAULTS[name] for name in round_.options.faults]
    fault = draw.choices([fault for fault, _ in enabled], [weight for _, weight in enabled])[0]
    fault(round_, draw)
    round_.recover()
    if draw.random() < 0.5:
        round_.pause(draw.uniform(0, 0.3))
