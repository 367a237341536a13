"""HTTP as the tests speak it: kept connections, one a thread, and a reply that explains itself when it is unexpected.

    site = Site("whatsapp", "127.0.0.1", 8080, "/api/v1")
    reply = site.request("POST", "/devices", {"deviceName": "x"}, {"Authorization": "Bearer " + token})
    assert reply.status == 401 and reply.json["title"]
"""
import http.client
import json
import threading
from urllib.parse import quote, urlencode

KEPT = threading.local()
#: A server may close a kept connection just as the next request leaves; such a request was not read and is sent again.
STALE = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)


class Reply:
    """Status, headers (names in lower case) and body of an answer."""

    def __init__(self, method, path, status, headers, body):
        self.method, self.path, self.status, self.body = method, path, status, body
        self.headers = {name.lower(): value for name, value in headers}

    @property
    def type(self):
        return self.headers.get("content-type", "").split(";")[0].strip()

    @property
    def json(self):
        return json.loads(self.body) if self.body else None

    def __str__(self):
        return f"{self.method} {self.path}: {self.status} {self.type} {self.body[:400]!r}"


class Site:
    """One surface of a farm: `request` takes paths below the mount; `raw` takes them as they are."""

    def __init__(self, name, host, port, mount, watch=None):
        self.name, self.host, self.port, self.mount, self.watch = name, host, port, mount, watch

    def __str__(self):
        return f"http://{self.host}:{self.port}"

    def request(self, method, path, body=None, headers=None, query=None, **how):
        return self.raw(method, self.mount + path, body, headers, query, **how)

    def raw(self, method, path, body=None, headers=None, query=None, keep=True, timeout=30):
        """Send body as JSON, or as it is when it is bytes; keep=False opens a connection for this request alone."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        target = quote(path, safe="/%:@!$&'()*+,;=~-._") + ("?" + urlencode(query) if query else "")
        reply = self._send(method, path, target, body, headers, keep, timeout)
        if self.watch:
            self.watch(self, reply)
        return reply

    def _send(self, method, path, target, body, headers, keep, timeout):
        kept = KEPT.__dict__.setdefault("connections", {})
        connection = kept.pop((self.host, self.port), None) if keep else None
        reused = connection is not None
        connection = connection or http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except STALE:
            connection.close()
            if reused:
                return self._send(method, path, target, body, headers, False, timeout)
            raise
        except BaseException:
            connection.close()
            raise
        if keep and not answer.will_close:
            kept[(self.host, self.port)] = connection
        else:
            connection.close()
        return Reply(method, path, answer.status, answer.getheaders(), content)
