#!/usr/bin/env python3
"""Stops the process of a loaded owner (SIGSTOP) for 0.1 to 5 ttl and looks for two owners.

The auditor: a request that was sent after an answer with a newer epoch of its shard had been seen
must not get an answer with an older one; and in the origin no write of an older epoch stands behind
one of a newer epoch.
"""

import argparse
import random
import signal
import subprocess
import sys
import time

from bench_common import say
from cluster_nodes import Cluster, gate, program_in, Traffic, TTL, write_json

KEYS = 64
CONNECTIONS = 12  # to each node
WRITES = 0.2


class Auditor:
    def __init__(self):
        self.newest = {}  # shard: (epoch, when the answer with it was seen)
        self.stale = []
        self.answers = 0
        self.writes = 0
        self.failed = {}
        self.bytes_after_resume = 0
        self.late_old = 0
        self.resumed = None  # (node, when)

    def hear(self, connection, answer, now):
        if answer is None or answer.status not in (200, 201, 204, 404):
            status = answer.status if answer else 0
            self.failed[status] = self.failed.get(status, 0) + 1
            return
        self.answers += 1
        fence = answer.fence
        if fence is None:
            raise SystemExit("an answer without Cohort-Epoch: the nodes are not audited")
        shard, epoch = fence
        known, seen_at = self.newest.get(shard, (0, 0.0))
        if epoch < known:
            if connection.sent_at > seen_at:
                self.stale.append((connection.key, shard, epoch, known))
            else:
                self.late_old += 1
        elif epoch > known:
            self.newest[shard] = (epoch, now)
        if self.resumed and self.resumed[0] is connection.node and connection.sent_at < self.resumed[1]:
            self.bytes_after_resume += len(answer.body)


class Load:
    """Closed loop over every node, so that an owner is asked by itself and by the others."""

    def __init__(self, cluster, keys, auditor, seed):
        self.random = random.Random(seed)
        self.keys = keys
        self.auditor = auditor
        self.written = 0
        self.traffic = Traffic(auditor.hear)
        for node in cluster.nodes:
            for _ in range(CONNECTIONS):
                self.traffic.add(node, keys[0])

    def run(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            now = time.monotonic()
            for connection in self.traffic.connections:
                # A lost connection is tried again after a moment, not in a loop.
                if connection.sent_at is not None or (connection.mark or 0) > now:
                    continue
                connection.key = self.random.choice(self.keys)
                if self.random.random() < WRITES:
                    self.written += 1
                    sent = self.traffic.send(connection, "PUT", f"value {self.written}".encode())
                else:
                    sent = self.traffic.send(connection)
                if not sent:
                    connection.mark = now + 0.2
            self.traffic.poll(min(0.02, until - time.monotonic()))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release", help="where cohort-cache is built")
    parser.add_argument("--pauses", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", help="write the numbers there")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    auditor = Auditor()
    fenced = 0
    program = program_in(options.build)
    settings = {"COHORT_CLUSTER_TTL": f"{TTL:.0f}s", "COHORT_ORIGIN_AUDIT": "true"}
    with Cluster(program, settings=settings) as cluster:
        cluster.wait_settled(quiet=1.0)
        keys = cluster.keys_in_different_shards(KEYS)
        load = Load(cluster, keys, auditor, options.seed)
        load.run(2.0)
        for number in range(options.pauses):
            victim = cluster.nodes[number % len(cluster.nodes)]
            # Evenly over the orders of magnitude, 0.1 to 5 ttl.
            length = TTL * 0.1 * 50 ** draw.random()
            before = len(auditor.stale)
            load.run(0.5)
            victim.signal(signal.SIGSTOP)
            load.run(length)
            auditor.resumed = (victim, time.monotonic())
            victim.signal(signal.SIGCONT)
            load.run(1.5)
            limit = time.monotonic() + 60
            while not all(node.ready() for node in cluster.nodes):
                load.run(0.2)
                if time.monotonic() > limit:
                    raise TimeoutError("not ready again within 60 s")
            fenced += length > TTL
            say(f"pause {number + 1} of {options.pauses}: {victim.name} for {length:.2f} s, "
                f"{len(auditor.stale) - before} stale answers, {auditor.answers} answers so far")
        load.traffic.close()
        audit = subprocess.run([program, "audit", "--origin", cluster.origin], text=True, check=False,
                               capture_output=True)
    writes = len(audit.stdout.splitlines())
    print(f"\n{options.pauses} pauses of 0.1 to 5 ttl ({fenced} longer than the ttl of {TTL:.0f} s) under load: "
          f"{auditor.answers} answers, {writes} writes in the origin, "
          f"failed by status {auditor.failed}")
    print(f"After SIGCONT {auditor.bytes_after_resume} bytes left for requests sent before it; "
          f"{auditor.late_old} answers of an older epoch had been asked for before the newer one was seen")
    gates = [gate(f"{len(auditor.stale)} stale answers", not auditor.stale),
             gate("no stale write in the origin" if audit.returncode == 0
                  else f"the origin's audit says: {audit.stderr.strip()}",
                  audit.returncode == 0 and writes > 0)]
    for one in gates:
        print(f"  {one}")
    for key, shard, epoch, known in auditor.stale[:10]:
        print(f"  stale: {key} of shard {shard} answered with epoch {epoch} after {known} had been seen")
    write_json(options.json, {"answers": auditor.answers, "writes": writes, "stale": auditor.stale,
                              "bytes_after_resume": auditor.bytes_after_resume})
    sys.exit(0 if all(one.passed for one in gates) else 1)


if __name__ == "__main__":
    main()
