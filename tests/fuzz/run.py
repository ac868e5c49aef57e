#!/usr/bin/env python3
"""Runs the fuzz targets, as many at once as there are processors, and says how often each was run.

New inputs go to the build directory; tests/fuzz/corpus/NAME holds those that are kept.
"""

import argparse
import base64
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def targets_of(build):
    return sorted(each for each in (build / "fuzz").glob("fuzz_*")
                  if each.is_file() and os.access(each, os.X_OK))


def folders_of(target, found):
    """Where a target's inputs are: first where new ones go."""
    found.mkdir(parents=True, exist_ok=True)
    kept = ROOT / "tests/fuzz/corpus" / target.name
    return [str(found)] + ([str(kept)] if kept.is_dir() else [])


def options_of(target):
    words = ROOT / "tests/fuzz" / (target.name.removeprefix("fuzz_") + ".dict")
    return ["-timeout=30", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0"] + (
        [f"-dict={words}"] if words.is_file() else [])


def run(target, limit, found, more=(), environment=None):
    """Gives the numbers that a target says in the end, and everything it said if it failed."""
    ran = subprocess.run(
        [target, limit, *options_of(target), f"-artifact_prefix={found}.failed-",
         *folders_of(target, found), *more],
        capture_output=True, text=True, errors="replace", check=False,
        env=os.environ | (environment or {}))
    numbers = dict(re.findall(r"^stat::(\w+):\s+(\d+)", ran.stderr, re.MULTILINE))
    words = "".join(line for line in ran.stderr.splitlines(keepends=True) if "NEW_FUNC" not in line)
    return numbers, None if ran.returncode == 0 else words


def print_input(path):
    """For whoever has the words but not the machine: it makes the input again."""
    text = base64.encodebytes(zlib.compress(path.read_bytes(), 9)).decode()
    print(f"{path.name}, compressed by zlib, base64:\n{text}" if len(text) <= 16384
          else f"{path.name} is too long to print")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=pathlib.Path, help="of the preset fuzz")
    parser.add_argument("--seconds", type=int, default=20, help="for each target")
    parser.add_argument("--runs", type=int, help="of each target, instead of seconds")
    parser.add_argument("--only", help="one target")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    targets = [each for each in targets_of(given.build)
               if given.only in (None, each.name, each.name.removeprefix("fuzz_"))]
    if not targets:
        sys.exit(f"there is no fuzz target named {given.only}")
    limit = f"-runs={given.runs}" if given.runs else f"-max_total_time={given.seconds}"
    whole = 0
    failed = []
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        corpus = given.build / "corpus"
        running = {pool.submit(run, each, limit, corpus / each.name): each for each in targets}
        for each in concurrent.futures.as_completed(running):
            name = running[each].name
            numbers, words = each.result()
            if words is not None:
                failed.append(name)
                print(f"{words}\n{name} failed; the input is at {corpus / name}.failed-*")
                for each in corpus.glob(f"{name}.failed-*"):
                    print_input(each)
                continue
            times = int(numbers["number_of_executed_units"])
            whole += times
            print(f"{name:20} {times:10,} times, {int(numbers['average_exec_per_sec']):7,} a second, "
                  f"{int(numbers['new_units_added']):5,} new inputs", flush=True)
    if failed:
        sys.exit(f"fuzz targets failed: {', '.join(sorted(failed))}")
    print(f"{len(targets)} fuzz targets found nothing in {whole:,} runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
