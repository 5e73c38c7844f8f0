"""A fake AWS with EKS clusters and a configurable latency, limited to the calls of discovery.

``python fake_eks.py WORLD LATENCY`` serves the JSON file WORLD on a free port of the loopback, says which, and ends
with its standard input. A world is ``{account: {region: [cluster, ...] or {"error": [status, code, message]}}}``.
Access keys are account numbers; a role can be assumed if its account is in the world and its name is not ``denied``.
``GET /requests`` tells how many calls there were.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

World = dict[str, dict[str, Any]]
CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/")
EC2 = "http://ec2.amazonaws.com/doc/2016-11-15/"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, world: World, latency: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.world = world
        self.latency = latency
        self.calls: Counter[str] = Counter()
        self.lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    server: Server

    def do_GET(self) -> None:
        if self.path == "/requests":
            self.answer(200, dict(self.server.calls))
            return
        self.call(self.rest)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        if "Action" in form:
            self.call(lambda account, _region: self.query(account, {key: value[0] for key, value in form.items()}))
        else:
            self.call(self.rest)

    def call(self, handle: Any) -> None:
        match = CREDENTIAL.search(self.headers.get("Authorization", ""))
        if not match:
            self.answer(403, {"message": "Missing Authentication Token"}, "MissingAuthenticationTokenException")
            return
        with self.server.lock:
            self.server.calls[match[3]] += 1
        time.sleep(self.server.latency)
        handle(match[1].removeprefix("ASIA"), match[2])

    def rest(self, account: str, region: str) -> None:
        if account not in self.server.world:
            self.answer(403, {"message": "The security token is invalid."}, "UnrecognizedClientException")
            return
        content = self.server.world[account].get(region, [])
        if isinstance(content, dict):
            status, code, message = content["error"]
            self.answer(status, {"message": message}, code)
            return
        clusters = {cluster["name"]: cluster for cluster in content}
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if len(parts) == 1:
            self.answer(200, {"clusters": sorted(clusters)})
            return
        if parts[1] not in clusters:
            self.answer(404, {"message": f"No cluster found for name: {parts[1]}."}, "ResourceNotFoundException")
            return
        cluster = clusters[parts[1]]
        match parts[2:]:
            case []:
                self.answer(200, {"cluster": describe(cluster, account, region)})
            case ["node-groups"]:
                self.answer(200, {"nodegroups": [each["nodegroupName"] for each in cluster.get("nodegroups", [])]})
            case ["node-groups", name]:
                found = {each["nodegroupName"]: each for each in cluster["nodegroups"]}
                self.answer(200, {"nodegroup": found[name]})
            case ["addons"]:
                self.answer(200, {"addons": [each["addonName"] for each in cluster.get("addons", [])]})
            case ["addons", name]:
                self.answer(200, {"addon": {each["addonName"]: each for each in cluster["addons"]}[name]})
            case ["insights"]:
                if cluster.get("insights") is None:
                    self.answer(403, {"message": "not authorized: eks:ListInsights"}, "AccessDeniedException")
                else:
                    self.answer(200, {"insights": cluster["insights"]})

    def query(self, account: str, form: dict[str, str]) -> None:
        if form["Action"] == "AssumeRole":
            arn = form["RoleArn"]
            target = arn.split(":")[4]
            if target not in self.server.world or arn.endswith("/denied"):
                self.xml(
                    403,
                    f"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized to assume {arn}"
                    "</Message></Error></ErrorResponse>",
                )
                return
            self.xml(
                200,
                "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
                f"<AccessKeyId>ASIA{target}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
                "<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
                "</Credentials></AssumeRoleResult></AssumeRoleResponse>",
            )
        elif "ec2" in self.server.world.get(account, {}):
            self.xml(
                403,
                "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error>"
                "</Errors></Response>",
            )
        else:
            items = "".join(
                f"<item><regionName>{name}</regionName></item>" for name in self.server.world.get(account, {})
            )
            self.xml(
                200,
                f'<DescribeRegionsResponse xmlns="{EC2}"><regionInfo>{items}</regionInfo></DescribeRegionsResponse>',
            )

    def xml(self, status: int, text: str) -> None:
        self.send(status, text.encode(), "text/xml")

    def answer(self, status: int, content: dict[str, Any], error: str = "") -> None:
        self.send(status, json.dumps(content).encode(), "application/json", error)

    def send(self, status: int, body: bytes, kind: str, error: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if error:
            self.send_header("x-amzn-ErrorType", error)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Stay silent."""


def describe(cluster: dict[str, Any], account: str, region: str) -> dict[str, Any]:
    """A cluster as EKS describes it."""
    name = cluster["name"]
    return {
        "arn": f"arn:aws:eks:{region}:{account}:cluster/{name}",
        "createdAt": 1790000000.5,
        "version": "1.36",
        "platformVersion": "eks.4",
        "status": "ACTIVE",
        "endpoint": f"https://{name}.{region}.example.com",
        "certificateAuthority": {"data": "Y2E="},
        "roleArn": f"arn:aws:iam::{account}:role/{name}",
        "resourcesVpcConfig": {"vpcId": "vpc-1", "subnetIds": ["subnet-1", "subnet-2"], "endpointPublicAccess": True},
        "kubernetesNetworkConfig": {"serviceIpv4Cidr": "172.20.0.0/16", "ipFamily": "ipv4"},
        "upgradePolicy": {"supportType": "EXTENDED"},
        "accessConfig": {"authenticationMode": "API"},
        "health": {"issues": []},
        "tags": {},
        **{key: value for key, value in cluster.items() if key not in ("nodegroups", "addons", "insights")},
    }


def main() -> None:
    server = Server(json.loads(Path(sys.argv[1]).read_text()), float(sys.argv[2]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
