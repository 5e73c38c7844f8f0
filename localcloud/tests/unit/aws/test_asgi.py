# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routing, validation, faults and settings."""

from __future__ import annotations

import boto3
import botocore.parsers
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from localcloud.aws import validate
from localcloud.aws.asgi import FaultInjector, fault
from localcloud.aws.errors import AwsError
from localcloud.aws.settings import EmulatorSettings

from .conftest import refused, unique


class TestSettings:
    def test_come_from_the_environment(self):
        environment = {"LOCALCLOUD_FAULTS": "rate=0.02,seed=7", "LOCALCLOUD_CLUSTER_SECONDS": "3"}
        settings = EmulatorSettings.from_env(environment)
        assert (settings.throttle_rate, settings.seed, settings.cluster_seconds) == (0.02, 7, 3.0)
        assert EmulatorSettings.from_env({}) == EmulatorSettings()

    @pytest.mark.parametrize("value", ["rate=2", "rate=x", "speed=1"])
    def test_name_what_they_cannot_read(self, value):
        with pytest.raises(ValueError, match="LOCALCLOUD_FAULTS"):
            EmulatorSettings.from_env({"LOCALCLOUD_FAULTS": value})


class TestValidation:
    def parameters(self, name, path=None, query=None, body=None):
        operation = validate.service_model().operation_model(name)
        return validate.parameters(operation, path or {}, query or {}, body or {})

    @pytest.mark.parametrize(
        ("method", "path", "operation", "labels"),
        [
            ("GET", "/clusters/a", "DescribeCluster", {"name": "a"}),
            ("POST", "/clusters/a/addons/b/update", "UpdateAddon", {"clusterName": "a", "addonName": "b"}),
            ("GET", "/addons/supported-versions", "DescribeAddonVersions", {}),
            (
                "DELETE",
                "/clusters/a/access-entries/arn:aws:iam::1:role/p/x/access-policies/arn:aws:eks::aws:c/P",
                "DisassociateAccessPolicy",
                {"name": "a", "principalArn": "arn:aws:iam::1:role/p/x", "policyArn": "arn:aws:eks::aws:c/P"},
            ),
            (
                "GET",
                "/clusters/a/access-entries/arn:aws:iam::1:role/p/x",
                "DescribeAccessEntry",
                {"name": "a", "principalArn": "arn:aws:iam::1:role/p/x"},
            ),
        ],
    )
    def test_routes(self, method, path, operation, labels):
        matched = validate.match(method, path)
        assert matched
        assert matched[0].name == operation
        assert set(matched[1].values()) == set(labels.values())

    def test_no_route(self):
        assert validate.match("PATCH", "/clusters/a") is None

    def test_query_parameters_have_their_types(self):
        found = self.parameters("ListClusters", query={"maxResults": ["5"], "include": ["all", "x"]})
        assert found == {"maxResults": 5, "include": ["all", "x"]}

    @pytest.mark.parametrize(
        ("body", "why"),
        [
            ({"flavour": 1}, "Unknown parameter in input: flavour."),
            ({"version": 1}, "version must be of type string"),
            ({"tags": []}, "tags must be a map"),
            ({"deletionProtection": "yes"}, "deletionProtection must be of type boolean"),
            ({"resourcesVpcConfig": {"subnets": []}}, "Unknown parameter in input: resourcesVpcConfig.subnets."),
            ({"roleArn": None}, "roleArn is a required parameter."),
            ({"encryptionConfig": [{}, {}]}, "length less than or equal to 1"),
        ],
    )
    def test_refuses(self, body, why):
        good = {"name": "a", "roleArn": "r", "resourcesVpcConfig": {}}
        with pytest.raises(AwsError) as caught:
            self.parameters("CreateCluster", body={**good, **body})
        assert caught.value.code == "InvalidParameterException"
        assert why in caught.value.message

    def test_what_is_not_emulated_says_so(self, eks, make_cluster):
        request = {"clusterName": make_cluster(), "fargateProfileName": "x"}
        assert refused(eks.describe_fargate_profile, **request) == "UnknownOperationException"


def scope(path="/clusters", service="eks"):
    authorization = f"AWS4-HMAC-SHA256 Credential=K/20261123/eu-central-1/{service}/aws4_request, Signature=x"
    headers = [(b"Authorization", authorization.encode())] if service else []
    return {"type": "http", "path": path, "headers": headers}


class TestFaults:
    def test_are_off_by_default(self):
        injector = FaultInjector(EmulatorSettings().throttle_rate, 0)
        assert not any(injector.next(scope()) for _ in range(200))

    def test_repeat_with_their_seed(self):
        def sequence(seed):
            injector = FaultInjector(0.2, seed)
            return [bool(injector.next(scope())) for _ in range(200)]

        assert sequence(7) == sequence(7)
        assert sequence(7) != sequence(8)
        assert 10 < sum(sequence(7)) < 80

    def test_do_not_affect_requests_that_are_not_aws_calls(self):
        injector = FaultInjector(1.0, 0)
        assert injector.next(scope()) is not None
        for path in ("/_ministack/eks-auth/x", "/_ministack/health", "/health", "/oidc/id/X/keys"):
            assert injector.next(scope(path)) is None
        assert injector.next(scope(service="")) is None

    @pytest.mark.parametrize("throttling", [True, False])
    @pytest.mark.parametrize(
        "service",
        ["eks", "ec2", "iam", "sts", "kms", "dynamodb", "secretsmanager", "ssm", "logs", "s3", "route53"],
    )
    def test_read_as_the_service_means_them(self, service, throttling):
        status, headers, body = fault(service, throttling=throttling)
        model = ServiceModel(Loader().load_service_model(service, "service-2"), service_name=service)
        parser = botocore.parsers.create_parser(model.resolved_protocol)
        parsed = parser.parse({"status_code": status, "headers": headers, "body": body}, None)
        code = parsed["Error"]["Code"]
        retried = boto3.session.Session()._session.get_data("_retry")
        assert retried
        if throttling:
            assert code in {
                "RequestLimitExceeded",
                "SlowDown",
                "Throttling",
                "ThrottlingException",
                "TooManyRequestsException",
            }
        else:
            assert status >= 500
            assert code


class TestRoute53:
    def test_dnssec_of_a_public_zone(self, server):
        route53 = server.client("route53")
        name = f"{unique('zone')}.example."
        zone = route53.create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]["Id"]
        assert route53.get_dnssec(HostedZoneId=zone)["Status"]["ServeSignature"] == "NOT_SIGNING"
        assert refused(route53.get_dnssec, HostedZoneId="ZABSENT") == "NoSuchHostedZone"
        assert route53.get_hosted_zone(Id=zone)["HostedZone"]["Name"] == name

    def test_no_dnssec_of_a_private_zone(self, server, make_network):
        route53 = server.client("route53")
        name = f"{unique('zone')}.internal."
        zone = route53.create_hosted_zone(
            Name=name,
            CallerReference=name,
            HostedZoneConfig={"PrivateZone": True},
            VPC={"VPCRegion": "eu-central-1", "VPCId": make_network().vpc_id},
        )["HostedZone"]["Id"]
        assert refused(route53.get_dnssec, HostedZoneId=zone) == "InvalidArgument"
