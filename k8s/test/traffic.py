"""What people do meanwhile: they ask master-service all the time, and upload."""

import hashlib
import http.client
import json
import threading
import time
import uuid


def request(address, method, path, body=None, headers=None, timeout=1.0):
    """Status and body of one request on a connection of its own."""
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def get_json(address, path, timeout=10.0):
    status, body = request(address, "GET", path, timeout=timeout)
    if status != 200:
        raise OSError(f"{path}: status {status}")
    return json.loads(body)


class Prober(threading.Thread):
    """Asks a Service who answers, every 20 ms, each time on a new connection."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.answers, self.failures, self.stopped = address, [], [], threading.Event()
        self.start()

    def run(self):
        while not self.stopped.wait(0.02):
            began = time.monotonic()
            try:
                pod = get_json(self.address, "/api/cluster", timeout=1.0)["seen"]["pod"]
                self.answers.append((began, time.monotonic(), pod))
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append((began, time.monotonic(), repr(error)))

    def stop(self):
        self.stopped.set()
        self.join()

    def outage(self, fault, old):
        """Of a fault at this moment: seconds until another pod than the old master answers; the longest time without any
        answer; the last answer of the old one. None while there is no other's answer."""
        answers = list(self.answers)
        other = next((done for _, done, pod in answers if done > fault and pod != old), None)
        if other is None:
            return None
        around = [done for _, done, _ in answers if fault - 1 <= done <= other]
        gap = max((later - earlier for earlier, later in zip(around, around[1:])), default=other - fault)
        last = max((began for began, _, pod in answers if pod == old), default=None)
        return {"until_next": other - fault, "gap": gap, "old_last_asked": last}


class Uploader(threading.Thread):
    """Uploads an image again and again to a Service, each until it is accepted, and remembers each."""

    def __init__(self, address, name, image, pause):
        super().__init__(daemon=True)
        self.address, self.name, self.image, self.pause = address, name, image, pause
        self.accepted, self.repeated, self.refused, self.stopped = [], 0, [], threading.Event()
        self.start()

    def run(self):
        while not self.stopped.wait(self.pause):
            self.accepted.append(self.upload(self.image, self.name))

    def upload(self, image, name, timeout=30.0):
        key, boundary = str(uuid.uuid4()), uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
        body = head.encode() + image + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Idempotency-Key": key}
        while True:
            try:
                status, answer = request(self.address, "POST", "/api/images", body, headers, timeout)
                if status == 202:
                    return json.loads(answer)["image_id"]
                if status < 500:
                    self.refused.append(answer.decode())
                    raise AssertionError(f"an upload was refused: {status} {answer.decode()}")
            except (OSError, http.client.HTTPException):
                pass
            # Unknown whether it was taken: the key makes the repetition the same upload.
            self.repeated += 1
            time.sleep(0.2)

    def stop(self):
        self.stopped.set()
        self.join()


def state(address, image):
    """The state of an image's latest job and why; None if nobody answers just now."""
    try:
        shown = get_json(address, f"/api/images/{image}")
        return shown["state"], shown.get("reason")
    except (OSError, http.client.HTTPException):
        return None


def result_hash(address, image):
    status, body = request(address, "GET", f"/api/images/{image}/result", timeout=120.0)
    if status != 200:
        raise AssertionError(f"the result of {image}: status {status}")
    return hashlib.sha256(body).hexdigest()
