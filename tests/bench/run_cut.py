#!/usr/bin/env python3
"""Cuts one node off from the two others for a minute, in network namespaces; needs root.

The lone node has to answer 503 with a reason and to serve again after healing, without a restart; the
others serve throughout, but for a moment of the lone node's shards.
"""

import argparse
import os
import subprocess
import sys
import time

from bench_common import say
from cluster_nodes import Cluster, gate, program_in, Traffic, TTL, write_json

KEYS = 64
EVERY = 0.05


def run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more)


class Hosts:
    """Three network namespaces on one bridge, which the bench itself can reach too."""

    NAMES = ["cohort-cut-0", "cohort-cut-1", "cohort-cut-2"]
    ADDRESSES = ["10.88.91.10", "10.88.91.11", "10.88.91.12"]

    def __enter__(self):
        self.__exit__()
        run("ip", "link", "add", "cohort-cut", "type", "bridge")
        run("ip", "address", "add", "10.88.91.1/24", "dev", "cohort-cut")
        run("ip", "link", "set", "cohort-cut", "up")
        for index, (name, address) in enumerate(zip(self.NAMES, self.ADDRESSES)):
            run("ip", "netns", "add", name)
            run("ip", "link", "add", f"cohort-c{index}", "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "link", "set", f"cohort-c{index}", "master", "cohort-cut", "up")
            run("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0")
            run("ip", "-n", name, "link", "set", "eth0", "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *ignored):
        for index, name in enumerate(self.NAMES):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
            subprocess.run(["ip", "link", "delete", f"cohort-c{index}"], check=False, capture_output=True)
        subprocess.run(["ip", "link", "delete", "cohort-cut"], check=False, capture_output=True)

    def cut(self, index):
        others = ", ".join(address for other, address in enumerate(self.ADDRESSES) if other != index)
        rules = f"""table inet cut {{
            chain i {{ type filter hook input priority 0; ip saddr {{ {others} }} drop; }}
            chain o {{ type filter hook output priority 0; ip daddr {{ {others} }} drop; }}
        }}"""
        run("ip", "netns", "exec", self.NAMES[index], "nft", "-f", "-", input=rules)

    def heal(self, index):
        run("ip", "netns", "exec", self.NAMES[index], "nft", "delete", "table", "inet", "cut")


class Watch:
    def __init__(self, lone):
        self.lone = lone
        self.cut_at = None  # begins
        self.cut_by = None  # is made
        self.healed_at = None
        self.last_bad = {}
        self.first_good = {}
        self.lone_good_in_cut = 0
        self.lone_refusals = {}
        self.reasons = set()

    def hear(self, connection, answer, now):
        if self.cut_at is None:
            return
        status = answer.status if answer else 0
        if connection.node is self.lone:
            if self.healed_at is None and connection.sent_at > self.cut_by + TTL:
                self.lone_refusals[status] = self.lone_refusals.get(status, 0) + 1
                if status == 200:
                    self.lone_good_in_cut += 1
                elif answer is not None:
                    self.reasons.add(answer.body.decode(errors="replace").strip())
            return
        if self.healed_at is not None:
            return
        if status != 200 or now - connection.sent_at > 2 * EVERY:
            self.last_bad[connection.key] = now

    def gaps(self):
        return [at - self.cut_at for at in self.last_bad.values()]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release", help="where cohort-cache is built")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each cut")
    parser.add_argument("--json", help="write the numbers there")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("network namespaces need root")
    results, gates = [], []
    with Hosts() as hosts:
        wraps = [("ip", "netns", "exec", name) for name in hosts.NAMES]
        settings = {"COHORT_CLUSTER_TTL": f"{TTL:.0f}s", "COHORT_REMOTING_INSECURE": "true"}
        with Cluster(program_in(options.build), settings=settings, hosts=hosts.ADDRESSES,
                     wraps=wraps) as cluster:
            keys = cluster.keys_in_different_shards(KEYS)
            for key in keys:
                cluster.nodes[0].get(f"/cache-data/{key}", method="PUT", body="value")
            for lone in cluster.nodes:
                cluster.wait_settled()
                pid = lone.process.pid
                watch = Watch(lone)
                traffic = Traffic(watch.hear)
                for node in cluster.nodes:
                    for key in keys:
                        traffic.add(node, key)

                def load(seconds):
                    until = time.monotonic() + seconds
                    due = time.monotonic()
                    while time.monotonic() < until:
                        if time.monotonic() >= due:
                            due = time.monotonic() + EVERY
                            for connection in traffic.connections:
                                if connection.sent_at is None:
                                    traffic.send(connection)
                        traffic.poll(min(due, until) - time.monotonic())

                load(1.0)
                watch.cut_at = time.monotonic()
                hosts.cut(lone.index)
                watch.cut_by = time.monotonic()
                load(options.seconds)
                watch.healed_at = time.monotonic()
                hosts.heal(lone.index)
                cluster.wait_ready()
                back = time.monotonic() - watch.healed_at
                good = lone.get(f"/cache-data/{keys[0]}").status == 200
                traffic.close()
                longest = max(watch.gaps(), default=0.0)
                results.append({"node": lone.name, "gap": longest, "back": back,
                                "lone": watch.lone_refusals, "reasons": sorted(watch.reasons)})
                say(f"{lone.name} alone for {options.seconds:.0f} s: it answered {watch.lone_refusals}, "
                    f"{sorted(watch.reasons)[:3]}; the others' longest gap {longest:.2f} s; "
                    f"back {back:.1f} s after healing")
                gates += [gate(f"{lone.name}: the others' longest gap {longest:.2f} s of at most 4.0 s",
                               longest <= 4.0),
                          gate(f"{lone.name} alone served {watch.lone_good_in_cut} requests",
                               watch.lone_good_in_cut == 0),
                          gate(f"{lone.name} alone said why ({watch.lone_refusals})",
                               set(watch.lone_refusals) == {503} and all(watch.reasons)),
                          gate(f"{lone.name} serves again, the same process",
                               good and lone.process.poll() is None and lone.process.pid == pid)]
    print()
    for one in gates:
        print(f"  {one}")
    write_json(options.json, results)
    sys.exit(0 if all(one.passed for one in gates) else 1)


if __name__ == "__main__":
    main()
