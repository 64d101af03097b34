"""A browser that reads a pod's log: it comes back again and again, each time to whichever pod the Service gives it."""

import collections
import http.client
import json
import threading

from cluster import kubectl

Entry = collections.namedtuple("Entry", "kind text")


class Reader(threading.Thread):
    """Reads `GET /api/pods/{pod}/logs`, and breaks off after some lines on purpose."""

    def __init__(self, address, pod, lines_at_a_time=7):
        super().__init__(daemon=True)
        self.address, self.pod, self.at_a_time = address, pod, lines_at_a_time
        self.entries, self.last, self.reconnects, self.stopped = [], None, 0, threading.Event()
        self.start()

    @property
    def lines(self):
        return [entry for entry in list(self.entries) if entry.kind == "line"]

    def run(self):
        while not self.stopped.is_set():
            try:
                self.read()
            except (OSError, http.client.HTTPException):
                self.stopped.wait(0.2)
            self.reconnects += 1

    def read(self):
        connection = http.client.HTTPConnection(self.address, timeout=3)
        try:
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": self.last} if self.last else {})
            connection.request("GET", f"/api/pods/{self.pod}/logs", headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:
                raise OSError(f"status {answer.status}")
            fields, lines = {}, 0
            while lines < self.at_a_time and not self.stopped.is_set():
                text = answer.readline().decode().rstrip("\n")
                if not text and "data" in fields:
                    lines += self.take(fields)
                    fields = {}
                elif text and not text.startswith(":"):
                    name, _, value = text.partition(":")
                    fields[name] = value.strip()
                elif answer.isclosed():
                    return
        finally:
            connection.close()

    def take(self, fields):
        entry = json.loads(fields["data"])
        # A note has no id; one that was read before the break comes again.
        if "id" in fields or Entry("note", entry["text"]) not in self.entries:
            self.entries.append(Entry(entry["kind"], entry["text"]))
        if "id" in fields:
            self.last = fields["id"]
            return 1
        return 0

    def position(self, note):
        return next((at for at, entry in enumerate(list(self.entries)) if entry.kind == "note" and note in entry.text), None)

    def note(self, note):
        at = self.position(note)
        return None if at is None else self.entries[at].text

    def before_note(self, note):
        at = self.position(note)
        return next((entry.text for entry in reversed(self.entries[:at]) if entry.kind == "line"), None) if at else None

    def after_note(self, note):
        at = self.position(note)
        return None if at is None else next((entry.text for entry in self.entries[at:] if entry.kind == "line"), None)

    def stop(self):
        self.stopped.set()
        self.join()


def of_kubernetes(pod):
    """What Kubernetes itself has of a pod that was started again once."""
    clean = lambda text: "".join(c for c in text if c == "\t" or ord(c) >= 32)
    said = kubectl("logs", pod, "--container", "evenlight", "--previous") + kubectl("logs", pod, "--container", "evenlight")
    return [clean(line) for line in said.splitlines()]
