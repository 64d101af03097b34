"""The cluster under test: kubectl, the API through `kubectl proxy`, and what its pods' labels say over time."""

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request

NAMESPACE = "evenlight"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:evenlight"
SELECTOR = "app.kubernetes.io/name%3Devenlight"


def await_(what, seconds, test):
    """The first true value of test(), asked again and again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = test()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


def kubectl(*arguments, check=True):
    done = subprocess.run(["kubectl", "--namespace", NAMESPACE, *arguments], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout if check else (done.returncode, done.stdout + done.stderr)


class Cluster:
    """Evenlight's namespace."""

    def __init__(self):
        self.proxy = subprocess.Popen(["kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True)
        self.api = "http://" + self.proxy.stdout.readline().split()[-1]
        self.roles = Roles(self)

    def close(self):
        self.proxy.terminate()
        self.proxy.wait()

    def call(self, path, method="GET"):
        request = urllib.request.Request(f"{self.api}/api/v1/namespaces/{NAMESPACE}/{path}", method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def pods(self):
        """Evenlight's pods that aren't about to go, by name."""
        items = self.call(f"pods?labelSelector={SELECTOR}")["items"]
        return {pod["metadata"]["name"]: pod for pod in items if "deletionTimestamp" not in pod["metadata"]}

    def ready(self, number):
        """Waits until so many pods are ready and there are no others."""
        def all_ready():
            pods = self.pods()
            good = [name for name, pod in pods.items()
                    if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))]
            return len(pods) == len(good) == number and sorted(good)
        return await_(f"{number} pods ready", 240, all_ready)

    def masters(self):
        return [name for name, pod in self.pods().items() if pod["metadata"]["labels"].get("role") == "master"]

    def master(self, other_than=None):
        """The one pod that says master."""
        def one():
            masters = self.masters()
            return len(masters) == 1 and masters[0] != other_than and masters[0]
        return await_("one master by its label", 120, one)

    def delete(self, pod):
        self.call(f"pods/{pod}", method="DELETE")

    def signal(self, pod, name):
        """A signal to Evenlight's process in a pod, from the container beside it."""
        kubectl("exec", pod, "--container", "tools", "--", "sh", "-c", f"kill -{name} $(pidof evenlight)")

    def restarts(self, pod):
        statuses = self.call(f"pods/{pod}")["status"]["containerStatuses"]
        return next(status["restartCount"] for status in statuses if status["name"] == "evenlight")

    def reach(self, service):
        """host:port of a Service, from this machine: its own address where that is routed here, else a node's port."""
        spec = json.loads(kubectl("get", "service", service, "--output", "json"))["spec"]
        own = f"{spec['clusterIP']}:{spec['ports'][0]['port']}"
        if answers(own):
            return own
        kubectl("patch", "service", service, "--patch", '{"spec":{"type":"NodePort"}}')
        port = json.loads(kubectl("get", "service", service, "--output", "json"))["spec"]["ports"][0]["nodePort"]
        nodes = json.loads(kubectl("get", "nodes", "--output", "json"))["items"]
        addresses = [a["address"] for node in nodes for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
        return await_(f"{service} to be reached", 30, lambda: next((f"{a}:{port}" for a in addresses if answers(f"{a}:{port}")), None))


def answers(address):
    try:
        urllib.request.urlopen(f"http://{address}/healthz", timeout=2).close()
        return True
    except OSError:
        return False


class Roles(threading.Thread):
    """What a watch says of the label `role`, with times."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.changes, self.most, self.now = cluster, [], 0, {}
        self.start()

    def run(self):
        while True:
            try:
                self.follow()
            except (OSError, ValueError):
                # It ends by itself now and then; the pods are listed anew, so no change is missed for long.
                time.sleep(0.2)

    def follow(self):
        url = f"{self.cluster.api}/api/v1/namespaces/{NAMESPACE}/pods?watch=1&timeoutSeconds=3600&labelSelector={SELECTOR}"
        with urllib.request.urlopen(url, timeout=3600) as stream:
            self.now = {}
            for line in stream:
                event = json.loads(line)
                name, role = event["object"]["metadata"]["name"], event["object"]["metadata"]["labels"].get("role")
                if event["type"] == "DELETED":
                    role = None
                if self.now.get(name) != role:
                    self.now[name] = role
                    self.changes.append((time.monotonic(), name, role))
                    self.most = max(self.most, sum(role == "master" for role in self.now.values()))

    def since(self, pod, role, then):
        """When a pod first said so after a moment; None if it hasn't."""
        return next((at for at, name, said in list(self.changes) if at >= then and name == pod and said == role), None)
