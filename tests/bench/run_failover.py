#!/usr/bin/env python3
"""How long a key is not served after its node was killed (kill -9), by real processes.

64 keys in 64 shards are asked for every 50 ms through both survivors. The gap of a key is the time
from the kill to the first good answer after the last one that failed or was still owed at the kill.
"""

import argparse
import sys
import time

from bench_common import say
from cluster_nodes import Cluster, gate, histogram, percentile, program_in, Traffic, TTL, write_json

KEYS = 64
EVERY = 0.05
WATCHED = 10.0


class Gaps:
    """The answers of one kill, for each key and survivor."""

    def __init__(self):
        self.killed_at = None
        self.killed_wall = None
        self.bad = {}
        self.good_after = {}
        self.failed = {}
        self.statuses = {}

    def hear(self, connection, answer, now):
        if self.killed_at is None:
            return
        place = (connection.key, connection.node.index)
        status = answer.status if answer else 0
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status == 200:
            # An answer that took long is one that was owed meanwhile.
            if now - connection.sent_at > 2 * EVERY:
                self.bad[place] = now
            if place not in self.good_after or self.bad.get(place, 0) >= self.good_after[place]:
                self.good_after[place] = now
        else:
            self.bad[place] = now
            self.failed[place] = self.failed.get(place, 0) + 1
            self.good_after.pop(place, None)

    def of(self, keys):
        gaps = {}
        for place in [(key, node) for key in keys for node in {node for _, node in self.good_after}]:
            if place not in self.good_after:
                gaps[place] = None
            elif place in self.bad:
                gaps[place] = self.good_after[place] - self.killed_at
            else:
                gaps[place] = 0.0
        return gaps


def one_kill(cluster, victim, keys):
    """The gaps of the victim's keys through both survivors, and what was answered."""
    survivors = [node for node in cluster.nodes if node is not victim]
    owned = [key for key in keys if survivors[0].get(f"/cache-data/{key}").owner == victim.name]
    gaps = Gaps()
    traffic = Traffic(gaps.hear)
    for node in survivors:
        for key in keys:
            traffic.add(node, key)
    began = time.monotonic()
    due = began
    kill_at = began + 1.0
    end = kill_at + WATCHED
    while time.monotonic() < end:
        now = time.monotonic()
        if gaps.killed_at is None and now >= kill_at:
            gaps.killed_at = time.monotonic()
            gaps.killed_wall = time.time()
            victim.kill()
            end = gaps.killed_at + WATCHED
        if now >= due:
            due = max(due + EVERY, now)
            for connection in traffic.connections:
                if connection.sent_at is None:
                    traffic.send(connection)
        traffic.poll(min(due, end) - time.monotonic())
    traffic.close()
    return gaps.of(owned), gaps


def second_kill(cluster):
    """What an operator sees when a second node dies before the first one's seat is taken again."""
    first, second, last = cluster.nodes
    say("two kills at once: two of three voters are gone")
    first.kill()
    second.kill()
    time.sleep(2 * TTL)
    answer = last.get("/cache-data/probe-0")
    print(f"\nTwo of three nodes killed at once: the third answers {answer.status}: "
          f"{answer.body.decode(errors='replace').strip()}")
    begin = time.monotonic()
    first.start()
    second.start()
    cluster.wait_ready()
    print(f"Both started again: ready after {time.monotonic() - begin:.1f} s; "
          f"the key is answered {last.get('/cache-data/probe-0').status}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release", help="where cohort-cache is built")
    parser.add_argument("--kills", type=int, default=20, help="of each node")
    parser.add_argument("--json", help="write the numbers there")
    options = parser.parse_args()
    every = []
    lost = 0
    with Cluster(program_in(options.build), settings={"COHORT_CLUSTER_TTL": f"{TTL:.0f}s"}) as cluster:
        keys = cluster.keys_in_different_shards(KEYS)
        for key in keys:
            cluster.nodes[0].get(f"/cache-data/{key}", method="PUT", body=f"value of {key}")
        for round_number in range(options.kills):
            for victim in cluster.nodes:
                cluster.wait_settled()
                gaps, seen = one_kill(cluster, victim, keys)
                good = [gap for gap in gaps.values() if gap is not None]
                lost += len(gaps) - len(good)
                every += good
                times = f"median {percentile(good, 0.5):.2f} s, longest {max(good):.2f} s, " if good else ""
                say(f"kill {round_number * 3 + victim.index + 1} of {options.kills * 3}: {victim.name}, "
                    f"{len(good)} gaps, {times}answers {seen.statuses}")
                if not good or len(good) < len(gaps) or max(good) > 4.0:
                    say(f"killed at {seen.killed_wall:.3f}; what the nodes said:")
                    cluster.say_logs()
                victim.start()
        cluster.wait_settled()
        second_kill(cluster)
    p50, p99, longest = percentile(every, 0.5), percentile(every, 0.99), max(every)
    print(f"\n{options.kills * 3} kills, ttl {TTL:.0f} s, {len(every)} gaps "
          f"(keys of the victim, through each survivor)\n")
    histogram(every, 0.25)
    gates = [gate(f"p99 {p99:.2f} s of at most 4.0 s", p99 <= 4.0),
             gate(f"longest {longest:.2f} s of at most 5.0 s", longest <= 5.0),
             gate(f"{lost} keys not served again within {WATCHED:.0f} s", lost == 0)]
    print(f"\n  median {p50:.2f} s, p99 {p99:.2f} s, longest {longest:.2f} s")
    for one in gates:
        print(f"  {one}")
    write_json(options.json, {"gaps": every, "lost": lost})
    sys.exit(0 if all(one.passed for one in gates) else 1)


if __name__ == "__main__":
    main()
