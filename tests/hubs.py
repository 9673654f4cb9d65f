"""A small Hub on this machine, as huggingface_hub's own client asks one."""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub(ThreadingHTTPServer):
    """Repositories as `{name: {revision: {path: bytes}}}`, and what was asked.

    `refusals` maps a repository to the status, code and message that every request for it gets.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.repositories, self.refusals, self.asked = {}, {}, []
        self.address = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Say nothing."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        hub, path = self.server, self.path.split("?")[0]
        hub.asked.append((self.command, path, self.headers.get("Authorization")))
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path):
            name, revision = found.groups()
            if (files := self.files(name, revision)) is not None:
                siblings = [{"rfilename": part} for part in files]
                told = {"id": name, "modelId": name, "siblings": siblings}
                self.send({**told, "sha": commit_of(files)})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)(?:/.*)?", path):
            if (files := self.files(*found.groups())) is not None:
                self.send(
                    [
                        {"type": "file", "path": part, "size": len(content), "oid": digest(content)}
                        for part, content in files.items()
                    ]
                )
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            name, revision, part = found.groups()
            if (files := self.files(name, revision)) is not None:
                if part not in files:
                    self.send({}, 404, {"X-Error-Code": "EntryNotFound"})
                else:
                    etag = {"ETag": f'"{digest(files[part])}"', "X-Repo-Commit": commit_of(files)}
                    self.send(files[part], 200, etag)
        else:
            self.send({}, 404)

    def do_POST(self):
        hub, path = self.server, self.path.split("?")[0]
        hub.asked.append((self.command, path, self.headers.get("Authorization")))
        length, sent = self.headers.get("Content-Length"), b""
        while length is None and (size := int(self.rfile.readline(), 16)):
            sent += self.rfile.read(size)
            self.rfile.readline()
        sent = sent or self.rfile.read(int(length or 0))
        if path == "/api/repos/create":
            told = json.loads(sent)
            name = f"{told['organization']}/{told['name']}"
            if not self.is_refused(name):
                hub.repositories.setdefault(name, {"main": {}})
                self.send({"url": f"{hub.address}/{name}", "name": name, "id": name})
        elif path == "/api/validate-yaml":
            self.send({"errors": [], "warnings": []})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/branch/(.+)", path):
            revisions = hub.repositories[found[1]]
            revisions.setdefault(found[2], dict(revisions["main"]))
            self.send({})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/(.+)", path):
            asked = [each["path"] for each in json.loads(sent)["files"]]
            modes = [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in asked]
            self.send({"files": modes})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/(.+)", path):
            name, revision = found.groups()
            self.commit(hub.repositories[name][revision], map(json.loads, sent.splitlines()))
            commit = commit_of(hub.repositories[name][revision])
            address = f"{hub.address}/{name}/commit/{commit}"
            self.send({"success": True, "commitUrl": address, "commitOid": commit})
        else:
            self.send({}, 404)

    def commit(self, files, operations):
        """Carry out the operations of a commit."""
        for operation in operations:
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "deletedFile":
                del files[value["path"]]

    def files(self, name, revision):
        """Return the files of a repository; None where an error was sent."""
        revisions = self.server.repositories.get(name)
        if self.is_refused(name):
            return None
        if revisions is None:
            self.send({}, 401, {"X-Error-Code": "RepoNotFound"})
            return None
        commits = {commit_of(files): files for files in revisions.values()}
        if revision not in revisions | commits:
            self.send({}, 404, {"X-Error-Code": "RevisionNotFound"})
            return None
        return (revisions | commits)[revision]

    def is_refused(self, name):
        """Return whether a repository's requests are refused, and refuse this one."""
        if name not in self.server.refusals:
            return False
        status, code, message = self.server.refusals[name]
        self.send({}, status, {"X-Error-Code": code, "X-Error-Message": message})
        return True

    def send(self, content, status=200, headers=()):
        """Send bytes, or what becomes JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def commit_of(files):
    """Return what tells the files of a repository from those of another commit."""
    return digest(json.dumps({name: digest(files[name]) for name in sorted(files)}).encode())


def digest(content):
    """Return what tells a file from others."""
    return hashlib.sha1(content).hexdigest()
