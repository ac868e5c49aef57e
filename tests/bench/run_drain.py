#!/usr/bin/env python3
"""Stops nodes in order (SIGTERM) under load: who notices?

Every answer on the two other nodes' ports has to be 200 or 404, and the stopped node ends with 0
inside its grace.
"""

import argparse
import random
import sys
import time

from bench_common import say
from cluster_nodes import Cluster, gate, percentile, program_in, Traffic, TTL, write_json

KEYS = 64
CONNECTIONS = 16  # to each node
GRACE = 60.0


class Watcher:
    def __init__(self):
        self.leaving = None
        self.bad = []
        self.answers = 0
        self.maybe_reads = 0
        self.maybe_writes = 0
        self.waits = []

    def hear(self, connection, answer, now):
        if connection.node is self.leaving:
            return
        self.answers += 1
        wait = now - connection.sent_at
        self.waits.append(wait)
        status = answer.status if answer else 0
        maybe = answer is not None and answer.headers.get("executed") == "maybe"
        if maybe:
            if connection.mark == "PUT":
                self.maybe_writes += 1
            else:
                self.maybe_reads += 1
        good = (200, 404) if connection.mark == "GET" else (200, 201, 204)
        if status not in good:
            self.bad.append((connection.mark, connection.key, connection.node.name, status,
                             answer.body.decode(errors="replace").strip() if answer else "connection lost"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release", help="where cohort-cache is built")
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--writes", type=float, default=0.1, help="share of requests that write")
    parser.add_argument("--json", help="write the numbers there")
    options = parser.parse_args()
    draw = random.Random(1)
    watcher = Watcher()
    codes, times, after = [], [], []
    with Cluster(program_in(options.build), settings={"COHORT_CLUSTER_TTL": f"{TTL:.0f}s"}) as cluster:
        cluster.wait_settled(quiet=1.0)
        keys = cluster.keys_in_different_shards(KEYS) + ["never-written"]
        for key in keys[:-1]:
            cluster.nodes[0].get(f"/cache-data/{key}", method="PUT", body="first")

        def load(traffic, until):
            while not until():
                for connection in traffic.connections:
                    if connection.sent_at is None and connection.node is not watcher.leaving:
                        connection.key = draw.choice(keys)
                        method = ("PUT" if connection.key != "never-written"
                                  and draw.random() < options.writes else "GET")
                        traffic.send(connection, method, b"again" if method == "PUT" else b"", method)
                traffic.poll(0.02)

        for number in range(options.stops):
            victim = cluster.nodes[number % len(cluster.nodes)]
            cluster.wait_settled(quiet=1.0)
            watcher.leaving = None
            traffic = Traffic(watcher.hear)
            for node in cluster.nodes:
                for _ in range(CONNECTIONS):
                    traffic.add(node, keys[0])
            begin = time.monotonic()
            load(traffic, lambda: time.monotonic() > begin + 1.0)
            watcher.leaving = victim
            watcher.waits.clear()
            victim.process.terminate()
            began = time.monotonic()
            load(traffic, lambda: victim.process.poll() is not None or time.monotonic() > began + GRACE)
            took = time.monotonic() - began
            if victim.process.poll() is None:
                victim.kill()
                codes.append(None)
            else:
                codes.append(victim.process.returncode)
            times.append(took)
            ended = time.monotonic()
            load(traffic, lambda: time.monotonic() > ended + 1.0)
            after.append(percentile(watcher.waits, 0.99))
            traffic.close()
            say(f"stop {number + 1} of {options.stops}: {victim.name} ended with {codes[-1]} after {took:.1f} s; "
                f"{len(watcher.bad)} bad answers of {watcher.answers} so far, p99 {after[-1] * 1000:.1f} ms, "
                f"longest {max(watcher.waits) * 1000:.0f} ms")
            victim.start()
    print(f"\n{options.stops} orderly stops under load, {watcher.answers} answers by the two other nodes; "
          f"stopping took {percentile(times, 0.5):.1f} s in the median, {max(times):.1f} s at most")
    print(f"executed = maybe: {watcher.maybe_reads} of reads, {watcher.maybe_writes} of writes")
    gates = [gate(f"exit codes {sorted(set(map(str, codes)))} inside {GRACE:.0f} s", set(codes) == {0}),
             gate(f"{len(watcher.bad)} answers that were not 200, 201, 204 or 404", not watcher.bad),
             gate(f"{watcher.maybe_reads} reads with executed = maybe", watcher.maybe_reads == 0)]
    for one in gates:
        print(f"  {one}")
    for method, key, node, status, text in watcher.bad[:10]:
        print(f"  bad: {method} {key} by {node}: {status} {text}")
    write_json(options.json, {"codes": codes, "seconds": times, "bad": watcher.bad})
    sys.exit(0 if all(one.passed for one in gates) else 1)


if __name__ == "__main__":
    main()
