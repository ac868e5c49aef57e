"""Rendered manifests: reading them, and the environment that Kubernetes would give to a pod."""

import math
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
RENDERED = ROOT / "k8s/test/rendered"
SCALES = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


class ManifestError(Exception):
    """What is wrong with a manifest, in a sentence."""


def load(path):
    """The objects of a file; what is no object is refused."""
    with open(path, encoding="utf-8") as file:
        documents = [each for each in yaml.safe_load_all(file) if each is not None]
    for each in documents:
        if not isinstance(each, dict) or not each.get("kind") or not each.get("apiVersion"):
            raise ManifestError("a document has no kind or no apiVersion")
    return documents


def label(thing):
    return f"{thing['kind']}/{thing.get('metadata', {}).get('name', '?')}"


def find(documents, kind, name):
    for each in documents:
        if each["kind"] == kind and each.get("metadata", {}).get("name") == name:
            return each
    return None


def quantity(text):
    """500m, 2, 64Mi as a number."""
    match = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", str(text))
    if not match or match[2] not in SCALES:
        raise ManifestError(f"'{text}' is no quantity")
    return float(match[1]) * SCALES[match[2]]


def expand(value, known):
    """$(NAME) of variables that were defined before; others stay as they are, $$ is a dollar sign."""
    return re.sub(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)",
                  lambda match: "$" if match[0] == "$$" else known.get(match[1], match[0]), value)


def data_of(documents, kind, reference, secrets):
    name = reference.get("name")
    found = find(documents, kind, name)
    if kind == "ConfigMap" and found is not None:
        return found.get("data", {})
    if kind == "Secret" and name in secrets:
        return secrets[name]
    raise ManifestError(f"there is no {kind}/{name}")


def value_from(source, documents, workload, container, pod_name, secrets):
    if "fieldRef" in source:
        path = source["fieldRef"]["fieldPath"]
        fields = {"metadata.name": pod_name,
                  "metadata.namespace": workload["metadata"].get("namespace", "default")}
        if path not in fields:
            raise ManifestError(f"this reader does not know the field {path}")
        return fields[path]
    if "resourceFieldRef" in source:
        kind, resource = source["resourceFieldRef"]["resource"].split(".")
        divisor = quantity(source["resourceFieldRef"].get("divisor", "1"))
        return str(math.ceil(quantity(container["resources"][kind][resource]) / divisor))
    for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if field in source:
            return data_of(documents, kind, source[field], secrets)[source[field]["key"]]
    raise ManifestError(f"this reader does not know {sorted(source)}")


def environment(documents, workload, container, ordinal, secrets):
    """The variables of a container in pod `ordinal`. Secrets: {name: {key: value}}, since their values are
    the caller's business."""
    pod_name = f"{workload['metadata']['name']}-{ordinal}"
    values = {}
    for source in container.get("envFrom", []):
        kind = "ConfigMap" if "configMapRef" in source else "Secret"
        values.update(data_of(documents, kind, source.get("configMapRef") or source["secretRef"], secrets))
    for entry in container.get("env", []):
        values[entry["name"]] = (
            value_from(entry["valueFrom"], documents, workload, container, pod_name, secrets)
            if "valueFrom" in entry else expand(str(entry.get("value", "")), values))
    return values


def cache_of(documents):
    """The set of cache nodes and its container."""
    for each in documents:
        if each["kind"] == "StatefulSet":
            for container in each["spec"]["template"]["spec"]["containers"]:
                if container["name"] == "cache":
                    return each, container
    raise ManifestError("no StatefulSet has a container named cache")
