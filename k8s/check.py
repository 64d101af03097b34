"""What a schema can't say of the manifests. Usage: check.py NAME=FILE…, each file what `kubectl kustomize overlays/NAME` wrote."""

import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
UNITS = {"": 1, "s": 1, "min": 60, "Mi": 2**20, "Gi": 2**30, "MiB": 2**20, "GiB": 2**30}


def amount(text):
    """A number with its unit: 20s in seconds, 768MiB in bytes."""
    number, unit = re.fullmatch(r"(\d+)(\w*)", str(text)).groups()
    return int(number) * UNITS[unit]


class Overlay:
    """What one overlay builds, and what is wrong with it."""

    def __init__(self, name, path):
        self.name, self.wrong = name, []
        self.objects = {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all(path.read_text()) if o}
        self.deployment = self.objects["Deployment", "evenlight"]["spec"]
        self.pod = self.deployment["template"]["spec"]
        self.container = next(c for c in self.pod["containers"] if c["name"] == "evenlight")

    def expect(self, holds, sentence):
        if not holds:
            self.wrong.append(f"{self.name}: {sentence}")

    def workloads(self):
        return [(name, o["spec"]["template"]["spec"]) for (kind, name), o in self.objects.items() if kind in ("Deployment", "StatefulSet")]

    def options(self):
        """The options that the pods get as variables, but for those that differ from pod to pod."""
        maps = [source["configMapRef"]["name"] for source in self.container["envFrom"] if "configMapRef" in source]
        return {key: value for name in maps for key, value in self.objects["ConfigMap", name]["data"].items()}

    def the_label_selects_nothing_but_the_service(self):
        selector = self.deployment["selector"]["matchLabels"]
        self.expect("role" not in selector, "role is part of the Deployment's selector: a relabelled pod would be replaced")
        self.expect(self.objects["Service", "master-service"]["spec"]["selector"] == {**selector, "role": "master"},
                    "master-service must select the Deployment's pods with role=master")
        self.expect(self.objects["Service", "evenlight"]["spec"]["selector"] == selector, "the Service evenlight must select all pods")
        self.expect(self.objects["PodDisruptionBudget", "evenlight"]["spec"]["selector"]["matchLabels"] == selector,
                    "the disruption budget must count all pods")
        self.expect(self.deployment["template"]["metadata"]["labels"].get("role") == "worker", "a pod must begin as worker")

    def the_role_has_the_least_it_needs(self):
        rules = sorted((rule["apiGroups"], rule["resources"], sorted(rule["verbs"])) for rule in self.objects["Role", "evenlight"]["rules"])
        self.expect(rules == [([""], ["pods"], ["get", "list", "patch", "watch"]), ([""], ["pods/log"], ["get"])], f"the Role allows {rules}")
        self.expect(not any(kind.startswith("ClusterRole") for kind, _ in self.objects), "nothing of Evenlight may hold for the whole cluster")
        tokens = [name for name, pod in self.workloads() if pod.get("automountServiceAccountToken") is not False]
        self.expect(tokens == ["evenlight"], f"these get a token of the API: {tokens}")

    def every_container_is_confined(self):
        for name, pod in self.workloads():
            self.expect(pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, f"{name} has no seccomp profile")
            for container in pod["containers"] + pod.get("initContainers", []):
                own, where = container.get("securityContext", {}), f"{name}/{container['name']}"
                root = container["name"] == "own-the-store"
                self.expect(own.get("runAsNonRoot", pod["securityContext"]["runAsNonRoot"]) is not root, f"{where} runs as root")
                self.expect(own.get("readOnlyRootFilesystem") is True, f"{where} may write to its root")
                self.expect(own.get("allowPrivilegeEscalation") is False, f"{where} may gain privileges")
                self.expect(own["capabilities"]["drop"] == ["ALL"], f"{where} keeps capabilities")
                self.expect("memory" in container["resources"]["limits"] and container["resources"].get("requests"), f"{where} has no bounds")

    def options_are_known_and_fit(self):
        options = self.options()
        arguments = "".join(file.read_text() for file in (ROOT / "server/src/cli").glob("*.rs"))
        known = set(re.findall(r'env = "(EVENLIGHT_\w+)"', arguments))
        named = {name for name in [*options, *(env["name"] for env in self.container["env"])] if name.startswith("EVENLIGHT_")}
        self.expect(named <= known, f"evenlight serve doesn't know {sorted(named - known)}")
        grace, needs = self.pod["terminationGracePeriodSeconds"], sum(amount(options[f"EVENLIGHT_{name}"]) for name in ("DRAIN", "LINGER"))
        self.expect(grace > needs + 2, f"a pod is ended after {grace} s and needs {needs} s to drain and linger, and 2 s for its connections")
        memory = max(amount(options["EVENLIGHT_MEMORY"]), amount(options["EVENLIGHT_MAX_WHOLE_DECODE"]))
        limit = amount(self.container["resources"]["limits"]["memory"])
        self.expect(memory * 3 // 2 <= limit, f"pixels may take {memory} bytes and the container has {limit}: leave half as much again")

    def what_is_named_is_there(self):
        for name, pod in self.workloads():
            for volume in pod.get("volumes", []):
                if "configMap" in volume:
                    self.expect(("ConfigMap", volume["configMap"]["name"]) in self.objects, f"{name} mounts an unknown ConfigMap")
                if "persistentVolumeClaim" in volume:
                    self.expect(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in self.objects,
                                f"{name} mounts an unknown claim")
        for kind in ("zookeeper", "evenlight"):
            self.expect(("NetworkPolicy", kind) in self.objects, f"{kind} has no NetworkPolicy")
        servers = self.objects["StatefulSet", "zookeeper"]["spec"]["replicas"]
        named = self.options()["EVENLIGHT_ZOOKEEPER"].count(":2181")
        self.expect(servers == named, f"{servers} ZooKeeper servers run and pods know {named}")

    def check(self):
        for rule in (self.the_label_selects_nothing_but_the_service, self.the_role_has_the_least_it_needs, self.every_container_is_confined,
                     self.options_are_known_and_fit, self.what_is_named_is_there):
            rule()
        return self.wrong


wrong = [sentence for name, _, path in (argument.partition("=") for argument in sys.argv[1:])
         for sentence in Overlay(name, pathlib.Path(path)).check()]
print("\n".join(wrong) or f"{len(sys.argv) - 1} overlays say what Evenlight needs")
sys.exit(bool(wrong))
