#!/usr/bin/env python3
"""Runs the same seeds in several builds of cohort-sim: every build has to see the same run.

    same_hash.py [--seeds N] [--from S] PROGRAM PROGRAM ...

What differs between builds is what should not matter: how much is optimised, where objects lie, what a
sanitizer adds. A hash that differs says that something of it does: an address that orders things, a value
that was never set, the order in which a call's arguments are evaluated.
"""

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys

WORKLOADS = ("kv", "remoting", "remoting_impatient", "remoting_corrupted", "sharding", "cache")


def hashes(program, workload, first, seeds):
    ran = subprocess.run(
        [program, "--hashes", "--workload", workload, "--from", str(first), "--seeds", str(seeds)],
        capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        sys.exit(f"{program}: {workload} ended with {ran.returncode}\n{ran.stdout[-300:]}{ran.stderr[-3000:]}")
    return ran.stdout.splitlines()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", nargs="+", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--from", dest="first", type=int, default=1)
    given = parser.parse_args()
    runs = [(program, workload) for workload in WORKLOADS for program in given.programs]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        seen = dict(zip(runs, pool.map(lambda run: hashes(*run, given.first, given.seeds), runs)))
    different = 0
    for workload in WORKLOADS:
        lines = [seen[program, workload] for program in given.programs]
        if any(len(each) != given.seeds for each in lines):
            sys.exit(f"{workload}: a build has not run every seed")
        for each in zip(*lines):
            if len(set(each)) != 1:
                different += 1
                for program, line in zip(given.programs, each):
                    print(f"{line}  {program}")
    total = given.seeds * len(WORKLOADS)
    print(f"{total - different} of {total} seeds give the same hash in {len(given.programs)} builds")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
