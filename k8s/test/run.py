"""What must show in a real cluster, with figures. Usage: run.py BINARY REPORT; `make k8s-test` brings the cluster up first.

Every check is a sentence; those that don't hold are listed at the end, and the exit status is theirs."""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

import logs
from cluster import ACCOUNT, Cluster, await_, kubectl
from picture import gray_tiff
from traffic import Prober, Uploader, get_json, result_hash, state

PODS = 5
# kube-proxy writes its rules within about a second of a change of endpoints.
ROUTES = 2.0
SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "server/tests/samples/moon.png"


class Rehearsal:
    """The cluster, what people do meanwhile, and what was found."""

    def __init__(self, binary, report):
        self.binary, self.report = binary, report
        self.cluster, self.figures, self.wrong = Cluster(), {}, []
        self.any_pod, self.master_service = self.cluster.reach("evenlight"), None
        self.uploader = Uploader(self.any_pod, SAMPLE.name, SAMPLE.read_bytes(), pause=0.5)

    def expect(self, holds, sentence):
        print(f"    {'yes' if holds else 'NO '}  {sentence}", flush=True)
        if not holds:
            self.wrong.append(sentence)

    def figure(self, name, **values):
        self.figures[name] = {key: round(value, 2) if isinstance(value, float) else value for key, value in values.items()}
        print(f"    {name}: {self.figures[name]}", flush=True)

    def part(self, part):
        print(f"==> {part.__doc__}", flush=True)
        try:
            part()
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            self.expect(False, f"{part.__name__}: {error}")

    def oracle(self, image):
        """The hash of what `evenlight equalize` makes of a file."""
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / image.name
            subprocess.run([self.binary, "equalize", str(image), str(out)], check=True, capture_output=True)
            return subprocess.run(["sha256sum", str(out)], check=True, capture_output=True, text=True).stdout.split()[0]

    # ---- the parts

    def five_pods_and_one_master(self):
        """Five pods, a real ZooKeeper, and exactly one role=master"""
        pods = self.cluster.ready(PODS)
        master = self.cluster.master()
        self.master_service = self.cluster.reach("master-service")
        self.expect(len(pods) == PODS, f"{PODS} pods are ready, whatever their role")
        view = json.loads(kubectl("get", "--raw", f"/api/v1/namespaces/evenlight/pods/{master}:3000/proxy/api/cluster"))
        self.expect(view["coordinator"] == "zookeeper" and len(view["pods"]) >= PODS, "they coordinate through ZooKeeper")
        self.expect(view["leader"]["pod"] == master, "the pod that says master is the elected one")
        shown = await_("the label to be shown", 20, lambda: self.label() == "set" and "set")
        self.expect(shown == "set", "any pod shows that the label is set")
        selector = json.loads(kubectl("get", "deployment", "evenlight", "--output", "json"))["spec"]["selector"]["matchLabels"]
        self.expect("role" not in selector, "role is no part of the Deployment's selector")

    def label(self):
        view = get_json(self.any_pod, "/api/cluster")
        return view["leader"]["label"] if view.get("leader") else None

    def master_is_deleted(self):
        """The master's pod is deleted: it hands over"""
        old = self.cluster.master()
        self.fault("delete", old, lambda: self.cluster.delete(old))
        self.cluster.ready(PODS)

    def master_is_killed(self):
        """The master's process is killed with -9"""
        old = self.cluster.master()
        restarts = self.cluster.restarts(old)
        self.fault("kill -9", old, lambda: self.cluster.signal(old, "KILL"))
        await_("its container to be started again", 60, lambda: self.cluster.restarts(old) > restarts)
        self.cluster.ready(PODS)
        self.expect(old not in self.cluster.masters(), "the process that came back in its pod calls itself worker")

    def master_is_frozen(self):
        """The master's process is frozen, deposed, and thaws"""
        old = self.cluster.master()
        prober = self.fault("freeze", old, lambda: self.cluster.signal(old, "STOP"), stop=False)
        self.cluster.signal(old, "CONT")
        thawed = time.monotonic()
        self.cluster.ready(PODS)
        time.sleep(5)
        prober.stop()
        late = [pod for began, _, pod in prober.answers if began > thawed and pod == old]
        self.expect(not late, "once it has thawed, the old master gets no traffic of master-service")
        self.expect(self.cluster.roles.since(old, "master", thawed) is None, "and never says master again")

    def fault(self, name, old, act, stop=True):
        """Plays a fault on the master while somebody asks master-service; gives who asks."""
        prober = Prober(self.master_service)
        await_("master-service to answer", 20, lambda: prober.answers)
        began = time.monotonic()
        act()
        done = time.monotonic()
        outage = await_("another to answer for master-service", 60, lambda: prober.outage(began, old))
        new = self.cluster.master(other_than=old)
        labelled = self.cluster.roles.since(new, "master", began)
        time.sleep(ROUTES + 2)
        last = prober.outage(began, old)["old_last_asked"]
        if stop:
            prober.stop()
        self.figure(name, until_next_answers=outage["until_next"], longest_without_answer=outage["gap"],
                    fault_took=done - began, labelled_after=labelled - began, old_answered_last_after_label=last - labelled)
        self.expect(last < labelled + ROUTES, f"{name}: the old master gets no traffic once the new one is labelled")
        return prober

    def escalation_is_refused(self):
        """The ServiceAccount may do nothing else"""
        def may(verb, resource, namespace="evenlight"):
            _, said = kubectl("auth", "can-i", verb, resource, "--namespace", namespace, "--as", ACCOUNT, check=False)
            return said.strip().splitlines()[-1] == "yes"
        for verb, resource in [("get", "pods"), ("list", "pods"), ("watch", "pods"), ("patch", "pods"), ("get", "pods/log")]:
            self.expect(may(verb, resource), f"it may {verb} {resource}")
        forbidden = [("get", "secrets"), ("list", "secrets"), ("get", "configmaps"), ("create", "pods"), ("delete", "pods"), ("update", "pods"),
                     ("create", "pods/exec"), ("create", "pods/ephemeralcontainers"), ("create", "serviceaccounts/token"),
                     ("patch", "deployments.apps"), ("create", "rolebindings.rbac.authorization.k8s.io"), ("get", "nodes")]
        for verb, resource in forbidden:
            self.expect(not may(verb, resource), f"it may not {verb} {resource}")
        for namespace in ("default", "kube-system"):
            self.expect(not any(may(verb, "pods", namespace) for verb in ("get", "list", "patch")), f"nor see or touch pods of {namespace}")
        code, said = kubectl("get", "secret", "evenlight-catalog", "--as", ACCOUNT, check=False)
        self.expect(code != 0 and "forbidden" in said.lower(), "a real request for the catalog's Secret is refused")

    def rolling_update(self):
        """A rolling update to another image while uploads run"""
        prober, changes, before = Prober(self.master_service), len(self.cluster.roles.changes), len(self.uploader.accepted)
        began = time.monotonic()
        kubectl("set", "image", "deployment/evenlight", "evenlight=evenlight:test-2")
        kubectl("rollout", "status", "deployment/evenlight", "--timeout=400s")
        self.cluster.ready(PODS)
        took = time.monotonic() - began
        self.cluster.master()
        time.sleep(ROUTES)
        prober.stop()
        images = {c["image"] for pod in self.cluster.pods().values() for c in pod["spec"]["containers"] if c["name"] == "evenlight"}
        self.expect(images == {"evenlight:test-2"}, "every pod runs the new image")
        masters = sum(role == "master" for _, _, role in self.cluster.roles.changes[changes:])
        done = [at for _, at, _ in prober.answers]
        self.figure("rolling update", took=took, masters=masters, uploads_meanwhile=len(self.uploader.accepted) - before,
                    longest_without_answer=max(later - earlier for earlier, later in zip(done, done[1:])),
                    failed_requests=len(prober.failures), requests=len(prober.answers))

    def scale_while_a_large_job_runs(self):
        """5 → 2 → 8 pods while a job of 100 megapixels runs"""
        with tempfile.TemporaryDirectory() as folder:
            image = pathlib.Path(folder) / "large.tif"
            image.write_bytes(gray_tiff(10_000, 10_000))
            expected = self.oracle(image)
            began = time.monotonic()
            upload = self.uploader.upload(image.read_bytes(), image.name, timeout=120.0)
        accepted = time.monotonic()
        kubectl("scale", "deployment", "evenlight", "--replicas=2")
        time.sleep(3)
        at_two = state(self.any_pod, upload)
        kubectl("scale", "deployment", "evenlight", "--replicas=8")
        ended = await_("the large job to end", 300, lambda: (s := state(self.any_pod, upload)) and s[0] in ("done", "failed") and s)
        done = time.monotonic()
        self.expect(ended[0] == "done", f"the large job is done ({ended[1]})")
        self.expect(result_hash(self.any_pod, upload) == expected, "its file is the one that `evenlight equalize` writes")
        self.cluster.ready(8)
        self.cluster.master()
        self.figure("scale", upload=accepted - began, job=done - accepted, state_when_scaled_up=at_two[0] if at_two else "?",
                    eight_ready=time.monotonic() - done)
        kubectl("scale", "deployment", "evenlight", f"--replicas={PODS}")
        self.cluster.ready(PODS)

    def logs_survive_a_crash(self):
        """A pod crashes and is started again; its log shows both"""
        master = self.cluster.master()
        victim = next(pod for pod in sorted(self.cluster.pods()) if pod != master)
        reader = logs.Reader(self.any_pod, victim)
        await_("its log", 20, lambda: reader.lines)
        before = self.cluster.restarts(victim)
        self.cluster.signal(victim, "KILL")
        fault = time.monotonic()
        await_("the container to be started again", 60, lambda: self.cluster.restarts(victim) > before)
        await_("lines of the new start", 60, lambda: reader.after_note("exit code 137"))
        took = time.monotonic() - fault
        self.cluster.ready(PODS)
        time.sleep(2)
        reader.stop()
        texts = logs.of_kubernetes(victim)
        got = [entry.text for entry in reader.lines]
        self.expect(reader.reconnects > 0, "the reader came back to other pods meanwhile, with the id of its last line")
        self.expect(contained(got, texts), "every line once, in order, over the crash and over the pods that passed them on")
        self.figure("logs", first_line_after_crash=took, lines=len(got), reconnects=reader.reconnects,
                    last_before=reader.before_note("exit code 137"), note=reader.note("exit code 137"), first_after=reader.after_note("exit code 137"))

    def everything_was_finished(self):
        """Everything that was accepted meanwhile is done"""
        self.uploader.stop()
        accepted = self.uploader.accepted
        waiting = dict.fromkeys(accepted)

        def all_ended():
            for image in [image for image, ended in waiting.items() if ended is None]:
                found = state(self.any_pod, image)
                waiting[image] = found if found and found[0] in ("done", "failed") else None
            return all(waiting.values())
        await_("all jobs to end", 300, all_ended)
        failed = [reason for name, reason in waiting.values() if name == "failed"]
        self.expect(not failed, f"none of {len(accepted)} failed {failed[:1]}")
        hashes = {result_hash(self.any_pod, image) for image in accepted}
        self.expect(hashes == {self.oracle(SAMPLE)}, "every result is the file that `evenlight equalize` writes")
        self.expect(self.cluster.roles.most == 1, f"never did two pods say master at a time ({self.cluster.roles.most})")
        self.figure("uploads", accepted=len(accepted), done=len(accepted) - len(failed), sent_again=self.uploader.repeated)

    def run(self):
        for part in (self.five_pods_and_one_master, self.master_is_deleted, self.master_is_killed, self.master_is_frozen,
                     self.escalation_is_refused, self.rolling_update, self.scale_while_a_large_job_runs, self.logs_survive_a_crash,
                     self.everything_was_finished):
            self.part(part)
        self.cluster.close()
        pathlib.Path(self.report).write_text(json.dumps({"figures": self.figures, "wrong": self.wrong}, indent=2) + "\n")
        print("\n".join(["", *(f"NOT SO: {sentence}" for sentence in self.wrong)]) if self.wrong else "==> everything holds")
        return not self.wrong


def contained(part, whole):
    """Whether one list is a stretch of another."""
    return any(whole[start:start + len(part)] == part for start in range(len(whole) - len(part) + 1))


if __name__ == "__main__":
    sys.exit(not Rehearsal(sys.argv[1], sys.argv[2]).run())
