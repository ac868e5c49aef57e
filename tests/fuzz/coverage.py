#!/usr/bin/env python3
"""Replays the inputs that are kept and says how many lines of each decoder they run.

Fails when they run less than its share of a decoder. A line of a template counts once, however many
types the template was made for. What is no decoder but stands in the same file is left out by the
name of its function, never by lines.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from run import ROOT, folders_of, run, targets_of

LEAST = 90.0

# Everything that takes apart what comes from outside: the file, and the functions in it that no input
# of its decoder reaches.
DECODERS = {
    # Messages of other nodes, and what is in them.
    "framework/cohort/runtime/codec.hpp": "",
    "framework/cohort/runtime/codec.cpp": "",
    "framework/cohort/runtime/detail/codec_io.hpp": "",
    "framework/cohort/runtime/detail/codec_types.hpp": "",
    "framework/cohort/runtime/detail/codec_containers.hpp": "",
    "framework/cohort/actor/ref_codec.hpp":
        r"::make\(\)|codec<.*ref<.*>::write<",  # the compiler's, and what a node writes
    # What a connection between nodes carries.
    "modules/cohort/remoting/handshake.cpp":
        r"^cohort::name\(",  # words for people
    "modules/cohort/remoting/frame.hpp": "",
    "modules/cohort/remoting/frame.cpp": "",
    "modules/cohort/remoting/frame_reader.cpp": "",
    # What nodes agree on, and which views are refused.
    "modules/cohort/cluster/embedded/messages.hpp": "",
    "modules/cohort/cluster/view.cpp":
        r"^cohort::name\(",  # words for people
    "modules/cohort/cluster/view_rules.cpp": "",
    # Messages for entities of other nodes.
    "modules/cohort/sharding/detail/messages.hpp":
        r"flight_of<|make_flight<|wrap_as<|dispatch<|make_mail<",  # a node's own messages
    # Requests over HTTP.
    "modules/cohort/http/request_reader.cpp": "",
    "modules/cohort/http/request.cpp": "",
    "modules/cohort/http/percent.cpp": "",
    "modules/cohort/http/caching.cpp":
        r"append_item|cache_status|cache_hit|cache_miss|^cohort::age",  # of answers
    # Configuration: its file, its arguments, its environment.
    "framework/cohort/runtime/config.cpp": "",
    "framework/cohort/runtime/detail/config_file.cpp": "",
    "framework/cohort/runtime/detail/config_text.cpp": "",
    "framework/cohort/world/network.cpp": "",
    # Rows that are imported.
    "apps/distributed-cache/import_formats.cpp": "",
    "apps/distributed-cache/line_splitter.cpp": "",
    # Lines that replay a simulation.
    "framework/cohort/testkit/schedule.cpp":
        r"make_schedule|make_swarm|make_amount|spread|shrink|without_stretches|changed",  # how schedules are made and get smaller
}


def replay(target, scratch, seconds, found):
    """Runs the inputs that are kept, and for some seconds those that come to mind."""
    profile = scratch / f"{target.name}.profraw"
    limit = f"-max_total_time={seconds}" if seconds else "-runs=0"
    more = [str(found / target.name)] if found and (found / target.name).is_dir() else []
    _, words = run(target, limit, scratch / target.name, more,
                   {"LLVM_PROFILE_FILE": str(profile)})
    if words is not None:
        sys.exit(f"{words}\n{target.name} failed")
    return profile


def exported(programs, profile, *options):
    objects = [word for program in programs[1:] for word in ("-object", str(program))]
    return subprocess.run(
        ["llvm-cov-19", "export", str(programs[0]), *objects, f"-instr-profile={profile}", *options,
         "-sources", *(str(ROOT / path) for path in DECODERS)],
        capture_output=True, text=True, check=True).stdout


def lines_of(programs, profile):
    """For each file, whether each line with code has run, in any instantiation."""
    out = {}
    for line in exported(programs, profile, "-format=lcov").splitlines():
        if line.startswith("SF:"):
            lines = out.setdefault(os.path.relpath(line[3:], ROOT), {})
        elif line.startswith("DA:"):
            number, count = line[3:].split(",")[:2]
            lines[int(number)] = lines.get(int(number), False) or count != "0"
    return out


def functions_of(programs, profile):
    """For each file, its functions by their names and first and last lines."""
    out = {}
    found = json.loads(exported(programs, profile, "-skip-expansions"))["data"][0]["functions"]
    names = subprocess.run(["llvm-cxxfilt-19"], input="\n".join(
        each["name"].split(":")[-1] for each in found), capture_output=True, text=True,
        check=True).stdout.splitlines()
    for each, name in zip(found, names):
        first, _, last, *_ = each["regions"][0]
        path = os.path.relpath(each["filenames"][0], ROOT)
        out.setdefault(path, set()).add((name, first, last))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=pathlib.Path, help="of the preset coverage")
    parser.add_argument("--seconds", type=int, help="to look for more inputs, for each target")
    parser.add_argument("--found", type=pathlib.Path, help="a folder with more inputs")
    parser.add_argument("--missed", action="store_true", help="names the lines that have not run")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    programs = targets_of(given.build)
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
            profiles = list(pool.map(
                lambda each: replay(each, scratch, given.seconds, given.found), programs))
        merged = scratch / "all.profdata"
        subprocess.run(["llvm-profdata-19", "merge", "-o", merged, *profiles], check=True)
        lines = lines_of(programs, merged)
        functions = functions_of(programs, merged)
    short = []
    for path, others in DECODERS.items():
        seen = lines.get(path, {})
        for name, first, last in functions.get(path, ()):
            if others and re.search(others, name):
                seen = {line: hit for line, hit in seen.items() if not first <= line <= last}
        ran = sum(seen.values())
        share = 100.0 * ran / max(len(seen), 1)
        if share < LEAST:
            short.append(path)
        print(f"{share:5.1f} %  {ran:4} of {len(seen):4} lines  {path}")
        if given.missed and ran != len(seen):
            print("    not:", ", ".join(str(line) for line, hit in seen.items() if not hit))
    if short:
        sys.exit(f"less than {LEAST:.0f} % of the lines have run of: {', '.join(short)}")
    print(f"all decoders have run in at least {LEAST:.0f} % of their lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
