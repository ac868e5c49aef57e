#!/usr/bin/env python3
"""Every overlay's pods start the real program with their own environment and print what it understood.

    environment_test.py PROGRAM
"""

import re
import subprocess
import sys
import unittest

import manifest

PROGRAM = None


def understood(variables):
    """Option -> (value, where it came from), or the program's words when it refuses."""
    done = subprocess.run([PROGRAM, "--print-config"], env=variables, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"ended with {done.returncode}: {done.stderr}")
    if done.stderr:
        raise AssertionError(f"complains: {done.stderr}")
    lines = (re.fullmatch(r"(\S+) = (.*?) +# (.*)", line) for line in done.stdout.splitlines())
    return {match[1]: (match[2], match[3]) for match in lines if match}


class Environment(unittest.TestCase):
    def of(self, overlay, ordinal):
        documents = manifest.load(manifest.RENDERED / f"{overlay}.yaml")
        workload, container = manifest.cache_of(documents)
        address = "postgresql://cohort:secret@database/cohort"
        secrets = {each["metadata"]["name"]: {"url": address} for each in documents if each["kind"] == "Secret"}
        secrets.setdefault("cohort-cache-origin", {"url": address})
        ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
        return manifest.environment(documents, workload, container, ordinal, secrets), ports

    def test_the_pods_of_dev_and_prod_are_understood(self):
        for overlay, memory, cores in (("dev", "150MiB", "1"), ("prod", "2400MiB", "2")):
            for ordinal in range(3):
                variables, ports = self.of(overlay, ordinal)
                options = understood(variables)
                domain = "cohort-cache-peers.cohort.svc.cluster.local"
                seeds = ",".join(f"cohort-cache-{each}.{domain}:2551" for each in range(3))
                expected = {
                    "cluster.name": ("cohort-cache", "COHORT_CLUSTER_NAME"),
                    "node.name": (f"cohort-cache-{ordinal}", "POD_NAME"),
                    "remoting.domain": (domain, "COHORT_REMOTING_DOMAIN"),
                    "remoting.port": (ports["remoting"], "COHORT_REMOTING_PORT"),
                    "http.port": (ports["http"], "COHORT_HTTP_PORT"),
                    "cluster.seed_nodes": (seeds, "COHORT_CLUSTER_SEED_NODES"),
                    "runtime.cores": (cores, "COHORT_RUNTIME_CORES"),
                    "runtime.shutdown_grace": ("50s", "COHORT_RUNTIME_SHUTDOWN_GRACE"),
                    "cache.memory_max": (memory, "COHORT_CACHE_MEMORY_MAX"),
                    "origin.connect_time": ("45s", "COHORT_ORIGIN_CONNECT_TIME"),
                    "log.format": ("json", "COHORT_LOG_FORMAT"),
                }
                expected["remoting.insecure" if overlay == "dev" else "remoting.certificate"] = (
                    ("true", "COHORT_REMOTING_INSECURE") if overlay == "dev"
                    else ("/etc/cohort/tls/tls.crt", "COHORT_REMOTING_CERTIFICATE"))
                self.assertNotIn("secret", options["cache.origin"][0])
                for option, (value, variable) in expected.items():
                    self.assertEqual(options[option], (value, f"environment {variable}"), f"{overlay}: {option}")

    def test_the_variables_of_the_article_are_understood(self):
        variables, _ = self.of("seed-compat", 1)
        options = understood(variables)
        domain = "distributed-cache.default.svc.cluster.local"
        seeds = ",".join(f"distributed-cache-{each}.{domain}:2551" for each in range(3))
        for option, value, variable in (("cluster.name", "distributed-cache-system", "AKKA_ACTOR_SYSTEM_NAME"),
                                        ("node.name", "distributed-cache-1", "POD_NAME"),
                                        ("remoting.domain", domain, "AKKA_REMOTING_BIND_DOMAIN"),
                                        ("remoting.port", "2551", "AKKA_REMOTING_BIND_PORT"),
                                        ("cluster.seed_nodes", seeds, "AKKA_SEED_NODES")):
            self.assertEqual(options[option], (value, f"environment {variable}"))

    def test_a_misspelt_variable_is_refused(self):
        variables, _ = self.of("prod", 0)
        with self.assertRaisesRegex(AssertionError, "COHORT_HTTP_PROT: no such option"):
            understood({**variables, "COHORT_HTTP_PROT": "9000"})


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
