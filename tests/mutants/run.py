#!/usr/bin/env python3
"""Plants each fault of framework/cohort/world/mutant.hpp in turn, and lets the simulation find it.

Every fault has to be found within its budget of seeds, and the same seeds without a fault have to
be well: tests that cannot see a broken rule are worth nothing.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WORKLOADS = ("remoting", "remoting_corrupted", "remoting_impatient", "protocol", "protocol_seats",
             "protocol_clocks", "protocol_restarts", "protocol_phases", "sharding", "cache")
# Only where bits flip does anybody send a length that is wrong; only where nodes give each other up
# and come back are there older connections that anybody could forget; only where views do not come
# over the links that are cut is a message on its way while its shard is given away and comes back.
OTHER_WORKLOADS = {"frame_length_unchecked": "remoting_corrupted",
                   "order_broken": "remoting_impatient", "doom_off": "protocol_clocks",
                   "arrival_epoch_unread": "sharding"}
# Rules of the register: their workload is the bare protocol.
PROTOCOL = ("lease_from_receipt", "rho_ignored", "guard_off", "silence_after_start_off",
            "silence_after_voters_off", "silence_from_accept", "taken_without_release",
            "unknown_is_expired", "amnesia", "own_epoch_kept", "older_cluster_stays")
OTHER_WORKLOADS.update(dict.fromkeys(PROTOCOL, "protocol"))
# Only faults between two steps of a decision show what these rules are for.
PHASES = ("ballots_ignored", "commit_by_new_voters_only", "granted_behind_a_fence",
          "configs_mixed", "most_held_value", "seat_unasked", "removed_returns")
OTHER_WORKLOADS.update(dict.fromkeys(PHASES, "protocol_phases"))
# What a node does with its shards, its store and its lease only the whole app shows.
WHOLE = ("gate_unread", "gate_by_turn", "gate_at_admission", "shown_unguarded", "fence_not_raised",
         "fence_unchecked", "released_early", "taken_before_release", "round_unread",
         "maybe_sent_again", "not_recalled")
OTHER_WORKLOADS.update(dict.fromkeys(WHOLE, "cache"))


def mutants():
    text = (ROOT / "framework/cohort/world/mutant.hpp").read_text()
    return [name for name in re.findall(r'std::string_view\{"(\w+)"\}', text)]


def run(program, workload, bug, seeds):
    began = time.monotonic()
    ran = subprocess.run([str(program), "--workload", workload, "--bug", bug, "--seeds", str(seeds),
                          "--twice-every", "0", "--as-found"], capture_output=True, text=True, check=False,
                         errors="replace")
    return ran, time.monotonic() - began


def what_was_found(ran):
    for line in ran.stdout.splitlines():
        if line.startswith("seed ") or line.startswith("FAILED: seed"):
            return line.removesuffix("; shrinking")
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=pathlib.Path, help="cohort-sim, built with COHORT_MUTANTS")
    parser.add_argument("--seeds", type=int, default=1000, help="the budget of each")
    asked = parser.parse_args()
    missed = []
    for workload in WORKLOADS:
        ran, seconds = run(asked.program, workload, "none", asked.seeds)
        well = ran.returncode == 0
        print(f"{'well  ' if well else 'BROKEN'} {workload} without a fault, {asked.seeds} seeds, "
              f"{seconds:.0f} s", flush=True)
        if not well:
            print(ran.stdout[-2000:])
            missed.append(workload)
    for name in mutants():
        ran, seconds = run(asked.program, OTHER_WORKLOADS.get(name, "remoting"), name, asked.seeds)
        found = what_was_found(ran) if ran.returncode != 0 else None
        print(f"{'found ' if found else 'MISSED'} {name}: {found or 'nothing in all seeds'}, "
              f"{seconds:.0f} s", flush=True)
        if not found:
            missed.append(name)
    print(f"{len(mutants())} faults, {len(missed)} not as they should be")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
