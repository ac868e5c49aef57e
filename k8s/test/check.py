#!/usr/bin/env python3
"""Judges the manifests: rendered as the repository says they are, right by the lint and by the schemas of
Kubernetes, while every planted fault is refused for its own reason. `./dev k8s check` runs this.

    check.py --kubectl PROGRAM --schema FOLDER --faults FOLDER [--write]
        --kubectl   renders the overlays; without it the renderings in the repository are judged as they are
        --schema    has the modules of schema/package.json; without it no schema is asked
        --faults    where manifests with a fault are written
        --write     writes the renderings instead of comparing them
"""

import argparse
import copy
import difflib
import pathlib
import re
import subprocess
import sys

import yaml

import lint
import manifest

HERE = pathlib.Path(__file__).resolve().parent
OVERLAYS = manifest.ROOT / "k8s/overlays"


def names(folder, pattern):
    return sorted(each for each in folder.glob(pattern))


def render(kubectl, write):
    """Compares each overlay with its rendering in the repository; gives the sentences of what differs."""
    for overlay in names(OVERLAYS, "*/kustomization.yaml"):
        overlay = overlay.parent
        kept = manifest.RENDERED / f"{overlay.name}.yaml"
        done = subprocess.run([kubectl, "kustomize", str(overlay)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            yield f"{overlay.name} cannot be rendered: {done.stderr.strip()}"
        elif write:
            kept.write_text(done.stdout, encoding="utf-8")
        else:
            before = kept.read_text(encoding="utf-8") if kept.exists() else ""
            changes = list(difflib.unified_diff(before.splitlines(), done.stdout.splitlines(), "kept", "now", n=1))
            if changes:
                yield f"{overlay.name} is rendered otherwise (./dev k8s render keeps it):\n" + "\n".join(changes)


def parts_of(path):
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def change(thing, operation):
    """One operation of a JSON patch: add, replace or remove. What is to be changed has to be there."""
    *way, last = parts_of(operation["path"])
    for part in way:
        thing = thing[int(part)] if isinstance(thing, list) else thing[part]
    if isinstance(thing, list):
        if operation["op"] == "add":
            thing.insert(len(thing) if last == "-" else int(last), operation["value"])
        elif operation["op"] == "remove":
            del thing[int(last)]
        else:
            thing[int(last)] = operation["value"]
    elif operation["op"] == "remove":
        del thing[last]
    else:
        if operation["op"] == "replace" and last not in thing:
            raise KeyError(last)
        thing[last] = operation["value"]


class Fault:
    """One way in which a good rendering is made bad, and who has to refuse it with which words."""

    def __init__(self, path, folder):
        text = path.read_text(encoding="utf-8")
        self.name = path.stem
        self.by = re.search(r"^# By: (lint|schema)$", text, re.M)[1]
        self.reason = re.search(r"^# Refused: (.+)$", text, re.M)[1]
        given = yaml.safe_load(text)
        documents = copy.deepcopy(manifest.load(manifest.RENDERED / f"{given['overlay']}.yaml"))
        for operation in given.get("change", []):
            kind, name = operation["in"].split("/")
            thing = manifest.find(documents, kind, name)
            if thing is None:
                raise manifest.ManifestError(f"{path.name}: there is no {operation['in']} to change")
            change(thing, operation)
        self.documents = documents + given.get("objects", [])
        self.file = folder / path.name
        self.file.write_text(yaml.safe_dump_all(self.documents, sort_keys=False), encoding="utf-8")


def ask_schemas(schema, files):
    """Problems by file, of all files in one run."""
    done = subprocess.run(["node", "validate.mjs", *map(str, files)], cwd=schema, text=True, check=False,
                          stdout=subprocess.PIPE)
    found = {str(file): [] for file in files}
    for line in done.stdout.splitlines():
        file, _, problem = line.partition(": ")
        if file not in found:
            sys.exit(f"the validator of schemas failed: {line}")
        found[file].append(problem)
    if done.returncode not in (0, 1) or (done.returncode == 1) != any(found.values()):
        sys.exit(f"the validator of schemas failed with {done.returncode}")
    return found


def judge(fault, said):
    if not said:
        return "is accepted"
    if not any(fault.reason in problem for problem in said):
        return f"is refused, but nobody says '{fault.reason}':\n    " + "\n    ".join(said)
    return None


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--kubectl")
    options.add_argument("--schema")
    options.add_argument("--faults", type=pathlib.Path, required=True)
    options.add_argument("--write", action="store_true")
    options = options.parse_args()
    failed = list(render(options.kubectl, options.write)) if options.kubectl else []
    good = names(manifest.RENDERED, "*.yaml")
    for file in good:
        failed += [f"{file.name}: {problem}" for problem in lint.problems(manifest.load(file))]
    options.faults = options.faults.resolve()
    options.faults.mkdir(parents=True, exist_ok=True)
    faults = [Fault(path, options.faults) for path in names(HERE / "faults", "*.yaml")]
    schemas = ask_schemas(options.schema, good + [each.file for each in faults]) if options.schema else {}
    for file in good:
        failed += [f"{file.name}: {problem}" for problem in schemas.get(str(file), [])]
    refused = skipped = 0
    for fault in faults:
        if fault.by == "schema" and not options.schema:
            skipped += 1
            continue
        said = lint.problems(fault.documents) if fault.by == "lint" else schemas[str(fault.file)]
        wrong = judge(fault, said)
        if wrong:
            failed.append(f"the fault {fault.name} {wrong}")
            continue
        print(f"refused by the {fault.by}: {fault.name}: {fault.reason}")
        refused += 1
    for each in failed:
        print(each, file=sys.stderr)
    schema_says = "by lint and schemas" if options.schema else "by lint (schemas: skipped)"
    print(f"{len(good)} overlays judged {schema_says}, {refused} of {len(faults)} faults refused, {skipped} skipped"
          + ("" if options.kubectl else " (rendering: skipped)"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
