#!/usr/bin/env python3
"""What no schema sees in a set of manifests: that its objects fit together, and that the cache can form a
cluster, be drained and be evicted with them.

    lint.py FILE ...     rendered manifests; prints FILE: Kind/name: sentence, and ends with 1 if there is one
"""

import re
import sys

import manifest
from manifest import ManifestError, cache_of, find, label, quantity

# What is made outside of these files.
EXTERNAL_SECRETS = {"cohort-cache-origin", "cohort-cache-tls"}
PRE_GA = re.compile(r"v\d+(alpha|beta)\d+$")
PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9](-?[a-z0-9])*$")
PASSWORD_IN_URL = re.compile(r"://[^/@:]+:[^/@]+@")
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
HANDLERS = ("httpGet", "tcpSocket", "grpc", "exec")


def workloads(documents):
    return [each for each in documents if each["kind"] in ("StatefulSet", "Deployment", "DaemonSet")]


def pod_of(workload):
    return workload["spec"]["template"].get("spec", {})


def containers(workload):
    return pod_of(workload).get("containers", []) + pod_of(workload).get("initContainers", [])


def labels_of(workload):
    return workload["spec"]["template"].get("metadata", {}).get("labels", {})


def matched(selector, labels):
    """Of a matchLabels map. An empty one matches everything."""
    return all(labels.get(name) == value for name, value in (selector or {}).items())


def selected(documents, selector):
    return [each for each in workloads(documents) if matched(selector, labels_of(each))]


def port_names(workload):
    return {port.get("name") for each in containers(workload) for port in each.get("ports", [])}


def check_versions(documents):
    for each in documents:
        if PRE_GA.search(each["apiVersion"].split("/")[-1]):
            yield each, f"{each['apiVersion']} is not a stable API"


def check_identity(documents):
    seen, namespaces = set(), {}
    for each in documents:
        key = (each["kind"], each["metadata"].get("name"))
        if key in seen:
            yield each, "is there twice"
        seen.add(key)
        namespaces.setdefault(each["metadata"].get("namespace"), each)
    if len(namespaces) > 1:
        yield documents[0], f"the objects are in several namespaces: {sorted(map(str, namespaces))}"


def check_selectors(documents):
    for each in workloads(documents):
        selector = each["spec"].get("selector", {}).get("matchLabels", {})
        if not selector or not matched(selector, labels_of(each)):
            yield each, "its selector does not match the labels of its own pods"
        if "app.kubernetes.io/version" in selector:
            yield each, "a version in a selector can never be changed"
        for spread in pod_of(each).get("topologySpreadConstraints", []):
            if not matched(spread.get("labelSelector", {}).get("matchLabels"), labels_of(each)):
                yield each, "a topology spread counts other pods than its own"


def check_services(documents):
    for each in documents:
        if each["kind"] != "Service":
            continue
        targets = selected(documents, each["spec"].get("selector"))
        if not each["spec"].get("selector") or not targets:
            yield each, "selects no pods"
            continue
        for port in each["spec"].get("ports", []):
            target = port.get("targetPort", port["port"])
            numbers = {own["containerPort"] for pod in targets for part in containers(pod)
                       for own in part.get("ports", [])}
            known = set().union(*map(port_names, targets)) if isinstance(target, str) else numbers
            if target not in known:
                yield each, f"its target port {target} is no port of the pods it selects"
        if each["spec"].get("publishNotReadyAddresses") and each["spec"].get("clusterIP") != "None":
            yield each, "sends clients to pods that are not ready"


def check_stateful_sets(documents):
    for each in documents:
        if each["kind"] != "StatefulSet":
            continue
        service = find(documents, "Service", each["spec"].get("serviceName"))
        if service is None:
            yield each, f"there is no Service/{each['spec'].get('serviceName')} that it names"
        elif service["spec"].get("clusterIP") != "None":
            yield each, f"its {label(service)} is not headless, so pods have no names"
        elif not matched(service["spec"].get("selector"), labels_of(each)):
            yield each, f"its {label(service)} does not select its pods"
        elif each["spec"].get("replicas", 1) > 1:
            if not service["spec"].get("publishNotReadyAddresses"):
                yield service, "does not publish pods that are not ready: nodes that wait for each other never are"
            if each["spec"].get("podManagementPolicy") != "Parallel":
                yield each, "is not started in parallel: the first node waits for a second that is never made"


def check_budgets(documents):
    protected = []
    for each in documents:
        if each["kind"] != "PodDisruptionBudget":
            continue
        spec = each["spec"]
        targets = selected(documents, spec.get("selector", {}).get("matchLabels"))
        protected += targets
        if not spec.get("selector", {}).get("matchLabels") or not targets:
            yield each, "protects no pods"
        if "minAvailable" in spec and "maxUnavailable" in spec:
            yield each, "has minAvailable and maxUnavailable"
        elif spec.get("maxUnavailable") != 1:
            yield each, "maxUnavailable is not 1: a majority of three allows for one"
        if spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield each, "a pod that is not ready would block the draining of its machine"
    for each in workloads(documents):
        if each["spec"].get("replicas", 1) > 1 and each not in protected:
            yield each, "has no disruption budget"


def check_ingresses(documents):
    for each in documents:
        if each["kind"] != "Ingress":
            continue
        backends = [path.get("backend", {}) for rule in each["spec"].get("rules", [])
                    for path in rule.get("http", {}).get("paths", [])]
        for backend in backends + [each["spec"].get("defaultBackend", {})]:
            wanted = backend.get("service")
            if not wanted:
                continue
            service = find(documents, "Service", wanted["name"])
            if service is None:
                yield each, f"there is no Service/{wanted['name']} behind it"
                continue
            port = wanted.get("port", {})
            if not any(port.get("number") == own["port"] or port.get("name", "") == own.get("name")
                       for own in service["spec"]["ports"]):
                yield each, f"its {label(service)} has no port {port.get('name', port.get('number'))}"
            if service["spec"].get("publishNotReadyAddresses"):
                yield each, f"its {label(service)} is not for clients"


def check_network_policies(documents):
    covered = []
    for each in documents:
        if each["kind"] != "NetworkPolicy":
            continue
        targets = selected(documents, each["spec"].get("podSelector", {}).get("matchLabels"))
        if not targets:
            yield each, "applies to no pods"
            continue
        covered += targets
        if set(each["spec"].get("policyTypes", [])) != {"Ingress", "Egress"}:
            yield each, "does not refuse both ways by default"
        for rule in each["spec"].get("ingress", []):
            ports = [port.get("port") for port in rule.get("ports", [])]
            if not ports:
                yield each, "a rule lets every port in"
            for port in ports:
                if isinstance(port, str) and not any(port in port_names(pod) for pod in targets):
                    yield each, f"no pod that it applies to has a port {port}"
            for peer in rule.get("from", [{}]):
                own = peer.get("podSelector", {}).get("matchLabels")
                foreign = "namespaceSelector" in peer or not own or not all(
                    matched(own, labels_of(pod)) for pod in targets)
                if foreign and {"remoting", 2551} & set(ports):
                    yield each, "lets others than the nodes reach the remoting port"
    for each in workloads(documents):
        if each not in covered:
            yield each, "no network policy applies to it"


def check_scalers(documents):
    for each in documents:
        if each["kind"] != "HorizontalPodAutoscaler":
            continue
        target = each["spec"].get("scaleTargetRef", {})
        workload = find(documents, target.get("kind"), target.get("name"))
        if workload is None:
            yield each, f"there is no {target.get('kind')}/{target.get('name')} to scale"
        elif "replicas" in workload["spec"]:
            yield workload, "names replicas although a scaler sets them: every apply would undo it"


def check_profile(documents):
    """The restricted profile, without the API server that would enforce it."""
    for each in workloads(documents):
        pod = pod_of(each)
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.get(field):
                yield each, f"{field} is not allowed"
        if pod.get("automountServiceAccountToken") is not False:
            yield each, "mounts a service account's token"
        if pod.get("enableServiceLinks") is not False:
            yield each, "enableServiceLinks is not false: variables of services would be read as options"
        for volume in pod.get("volumes", []):
            if "hostPath" in volume:
                yield each, f"the volume {volume['name']} is a path of the machine"
        for part in containers(each):
            security = {**pod.get("securityContext", {}), **part.get("securityContext", {})}
            wanted = (security.get("runAsNonRoot") is True and security.get("runAsUser", 0) != 0,
                      security.get("seccompProfile", {}).get("type") == "RuntimeDefault",
                      security.get("allowPrivilegeEscalation") is False and not security.get("privileged"),
                      security.get("capabilities", {}) == {"drop": ["ALL"]},
                      security.get("readOnlyRootFilesystem") is True)
            sentences = ("may run as root", "has no seccomp profile", "may gain privileges",
                         "keeps capabilities", "can write to its root")
            for holds, sentence in zip(wanted, sentences):
                if not holds:
                    yield each, f"the container {part['name']} {sentence}"


def check_containers(documents):
    for each in workloads(documents):
        volumes = {volume["name"] for volume in pod_of(each).get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", [])}
        names = [port.get("name") for part in containers(each) for port in part.get("ports", [])]
        for part in containers(each):
            image = part.get("image", "")
            tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
            if "@sha256:" not in image and tag in ("", "latest"):
                yield each, f"the image {image} is not pinned by a tag"
            for mount in part.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    yield each, f"there is no volume {mount['name']} to mount"
            for port in part.get("ports", []):
                name = port.get("name")
                if not name:
                    yield each, f"port {port['containerPort']} has no name"
                elif len(name) > 15 or not PORT_NAME.fullmatch(name):
                    yield each, f"'{name}' is no name of a port: at most 15 of a-z, 0-9 and -"
                elif names.count(name) > 1:
                    yield each, f"two ports are named {name}"
            yield from check_resources(each, part)
            yield from check_probes(each, part)


def check_resources(workload, part):
    requests = part.get("resources", {}).get("requests", {})
    limits = part.get("resources", {}).get("limits", {})
    for resource in sorted(set(requests) & set(limits)):
        if quantity(requests[resource]) > quantity(limits[resource]):
            yield workload, f"the container {part['name']} requests more {resource} than its limit"
    if "cpu" in limits:
        yield workload, f"the container {part['name']} has a CPU limit: throttling looks like death to its peers"
    if "cpu" not in requests:
        yield workload, f"the container {part['name']} requests no CPU"
    if "memory" not in requests or requests.get("memory") != limits.get("memory"):
        yield workload, f"the container {part['name']} has another memory request than limit"


def check_probes(workload, part):
    names = {port.get("name") for port in part.get("ports", [])}
    for kind in PROBES:
        probe = part.get(kind)
        if probe is None:
            continue
        handlers = [each for each in HANDLERS if each in probe]
        if len(handlers) != 1:
            yield workload, f"its {kind} has {'no handler' if not handlers else 'several handlers'}"
        port = probe.get("httpGet", {}).get("port")
        if isinstance(port, str) and port not in names:
            yield workload, f"its {kind} asks the port {port}, which the container has not"


def check_references(documents):
    for each in workloads(documents):
        for volume in pod_of(each).get("volumes", []):
            name = volume.get("secret", {}).get("secretName")
            if name and name not in EXTERNAL_SECRETS and find(documents, "Secret", name) is None:
                yield each, f"there is no Secret/{name}"
        account = pod_of(each).get("serviceAccountName")
        if account and find(documents, "ServiceAccount", account) is None:
            yield each, f"there is no ServiceAccount/{account}"
        for part in containers(each):
            sources = part.get("envFrom", []) + [entry.get("valueFrom", {}) for entry in part.get("env", [])]
            for source in sources:
                for field, kind in (("configMapRef", "ConfigMap"), ("configMapKeyRef", "ConfigMap"),
                                    ("secretRef", "Secret"), ("secretKeyRef", "Secret")):
                    name = source.get(field, {}).get("name")
                    if name and find(documents, kind, name) is None and not (
                            kind == "Secret" and name in EXTERNAL_SECRETS):
                        yield each, f"there is no {kind}/{name}"
            for entry in part.get("env", []):
                value = str(entry.get("value", ""))
                if value and (re.search("PASSWORD|TOKEN", entry["name"]) or PASSWORD_IN_URL.search(value)):
                    yield each, f"{entry['name']} has a password in it: it belongs into a secret"


def seconds(text):
    match = re.fullmatch(r"(\d+)(ms|s|m)", text)
    if not match:
        raise ManifestError(f"'{text}' is no time")
    return int(match[1]) * {"ms": 0.001, "s": 1, "m": 60}[match[2]]


def check_cache(documents):
    """What is special to the cache: probes, ports, seeds and the time that it has to end."""
    workload, part = cache_of(documents)
    paths = [part.get(kind, {}).get("httpGet", {}).get("path") for kind in PROBES]
    if paths != ["/health/startup", "/health/live", "/health"]:
        yield workload, f"its probes ask {paths}: liveness and readiness are other questions"
    with open(manifest.ROOT / "k8s/Containerfile", encoding="utf-8") as file:
        exposed = re.search(r"^EXPOSE (.*)$", file.read(), re.M)
    ports = {port.get("name"): port["containerPort"] for port in part.get("ports", [])}
    if set(ports.values()) != set(map(int, exposed[1].split())):
        yield workload, f"its ports {sorted(ports.values())} are not those of the Containerfile"
    secrets = {name: {"url": "postgresql://host/name"} for name in EXTERNAL_SECRETS}
    for each in documents:
        if each["kind"] == "Secret":
            secrets[each["metadata"]["name"]] = {key: "postgresql://host/name" for key in each["data"]}
    values = manifest.environment(documents, workload, part, 0, secrets)
    yield from check_seeds(workload, ports, values)
    yield from check_encryption(workload, part, values)
    grace = pod_of(workload).get("terminationGracePeriodSeconds", 30)
    pause = part.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    drain = seconds(values.get("COHORT_RUNTIME_SHUTDOWN_GRACE", "55s"))
    if pause == 0:
        yield workload, "has no preStop pause: it stops listening before the proxies know"
    if pause + drain >= grace:
        yield workload, f"is killed after {grace} s, before preStop ({pause} s) and stop ({drain:g} s) are over"


def check_encryption(workload, part, values):
    files = [values.get(f"COHORT_REMOTING_{each}") for each in ("CERTIFICATE", "KEY", "AUTHORITY")]
    mounts = [mount["mountPath"] for mount in part.get("volumeMounts", [])]
    if values.get("COHORT_REMOTING_INSECURE") == "true":
        if any(files):
            yield workload, "has certificates and is insecure"
    elif not all(files):
        yield workload, "its nodes have no certificates, and it does not say that it is insecure"
    for file in filter(None, files):
        if file.rpartition("/")[0] not in mounts:
            yield workload, f"nothing is mounted where {file} should be"


def check_seeds(workload, ports, values):
    name, service = workload["metadata"]["name"], workload["spec"].get("serviceName")
    namespace = workload["metadata"].get("namespace", "default")
    domain = values.get("COHORT_REMOTING_DOMAIN", values.get("AKKA_REMOTING_BIND_DOMAIN"))
    if domain != f"{service}.{namespace}.svc.cluster.local":
        yield workload, f"its nodes call themselves by the domain {domain}, which is not that of their service"
    port = values.get("COHORT_REMOTING_PORT", values.get("AKKA_REMOTING_BIND_PORT"))
    if port != str(ports.get("remoting")):
        yield workload, f"the node listens on port {port} for others, the container has {ports.get('remoting')}"
    if values.get("COHORT_HTTP_PORT", "9000") != str(ports.get("http")):
        yield workload, "the node's HTTP port is not the container's"
    seeds = values.get("COHORT_CLUSTER_SEED_NODES", values.get("AKKA_SEED_NODES", "")).split(",")
    replicas = workload["spec"].get("replicas", 3)
    if len(seeds) < min(replicas, 3) or len(set(seeds)) != len(seeds):
        yield workload, f"has {len(set(seeds))} different seeds for {replicas} replicas"
    for index, seed in enumerate(seeds):
        if index >= replicas:
            yield workload, f"the seed {seed} is no pod of {replicas} replicas"
        elif seed != f"{name}-{index}.{domain}:{port}":
            yield workload, f"the seed {seed} should be {name}-{index}.{domain}:{port}"


CHECKS = (check_versions, check_identity, check_selectors, check_services, check_stateful_sets, check_budgets,
          check_ingresses, check_network_policies, check_scalers, check_profile, check_containers,
          check_references, check_cache)


def problems(documents):
    """Sentences, each with the object it is about. A rule that meets what it cannot read says so."""
    found = []
    for check in CHECKS:
        try:
            found += [f"{label(thing)}: {sentence}" for thing, sentence in check(documents)]
        except (ManifestError, KeyError, TypeError, AttributeError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            found.append(f"{check.__name__.replace('_', ' ')}: {reason}")
    return found


def main(paths):
    failed = False
    for path in paths:
        for problem in problems(manifest.load(path)):
            print(f"{path}: {problem}")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
