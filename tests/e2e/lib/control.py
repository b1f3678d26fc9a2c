"""The control socket's API for tests: every answer is held to control/openapi.json."""

import http.client
import json
import pathlib
import re
import socket

try:
    import jsonschema
except ImportError:  # then only the status and the type are checked
    jsonschema = None

ROOT = pathlib.Path(__file__).resolve().parents[3]


# What the description says of every request: problems of HTTP itself.
ANYWHERE = (405, 408, 414, 417, 421, 431, 500, 501, 503, 505)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.type = self.headers.get("content-type", "").split(";")[0]
        self.text = response.read().decode()

    @property
    def json(self):
        return json.loads(self.text)


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Control:
    """One request, one connection. `expect`: the status that the test wants, None for any."""

    description = json.loads((ROOT / "control/openapi.json").read_text())

    def __init__(self, path):
        self.path = path

    def ask(self, method, target, body=None, expect=None, headers=None, connection=None):
        fields = dict(headers or {})
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        if body is not None:
            fields.setdefault("Content-Type", "application/json")
        connection = connection or Connection(self.path)
        connection.request(method, target, body, fields)
        answer = Answer(connection.getresponse())
        connection.close()
        self.hold_to_description(method, target, answer)
        assert expect is None or answer.status == expect, f"{method} {target}: {answer.status} {answer.text}"
        return answer

    def get(self, target, **options):
        return self.ask("GET", target, **{"expect": 200, **options})

    def post(self, target, body=None, **options):
        return self.ask("POST", target, body, **options)

    def patch(self, target, body, **options):
        return self.ask("PATCH", target, body, **options)

    def delete(self, target, **options):
        return self.ask("DELETE", target, **options)

    def resolved(self, node):
        while "$ref" in node:
            place = self.description
            for step in node["$ref"][2:].split("/"):
                place = place[step]
            node = place
        return node

    def hold_to_description(self, method, target, answer):
        path = target.split("?")[0]
        for pattern, item in self.description["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path) and method.lower() in item:
                responses = item[method.lower()]["responses"]
                if answer.status in ANYWHERE and str(answer.status) not in responses:
                    assert answer.type == "application/problem+json" and answer.json["status"] == answer.status
                    return
                assert str(answer.status) in responses, f"{method} {target}: {answer.status} is not described"
                content = self.resolved(responses[str(answer.status)]).get("content")
                if content is None:
                    assert not answer.text
                    return
                assert answer.type in content, f"{method} {target}: {answer.type} is not described"
                if jsonschema and answer.type.endswith("json"):
                    self.validate(answer.json, content[answer.type]["schema"])
                return

    def validate(self, value, schema):
        whole = {**schema, "components": self.description["components"]}
        jsonschema.Draft202012Validator(whole).validate(value)
