"""The templates together, in an embedded AWS: created, updated, deleted."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from deployment.local.embedded_aws import STACK, EmbeddedAws
from tests.deployment.test_embedded_aws import HANDLERS
from tests.deployment.test_templates import FOLDER


class Stacks:
    """CloudFormation of an embedded AWS."""

    def __init__(self, aws: EmbeddedAws) -> None:
        self.aws = aws
        self._client = self.client("cloudformation")

    def client(self, service: str) -> Any:
        """A client in the main account."""
        return self.aws.session.client(service, endpoint_url=self.aws.environment()["AWS_ENDPOINT_URL"])  # type: ignore[call-overload]

    def update(self, name: str, parameters: Mapping[str, str]) -> None:
        """Give the stack these parameters, and keep the others."""
        (stack,) = self._client.describe_stacks(StackName=name)["Stacks"]
        kept = [
            {"ParameterKey": one["ParameterKey"], "UsePreviousValue": True} for one in stack.get("Parameters", [])
        ]
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        self._client.update_stack(
            StackName=name,
            UsePreviousTemplate=True,
            Parameters=given + [one for one in kept if one["ParameterKey"] not in parameters],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        self._wait("stack_update_complete", name)

    def delete(self, name: str) -> None:
        """Delete the stack."""
        self._client.delete_stack(StackName=name)
        self._wait("stack_delete_complete", name)

    def _wait(self, what: str, name: str) -> None:
        try:
            self._client.get_waiter(what).wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        except WaiterError as error:
            pytest.fail(f"{error}\n{self._client.describe_stack_events(StackName=name)['StackEvents']}")


def test_all_stacks_can_be_created_updated_and_deleted(tmp_path: Path) -> None:
    package = tmp_path / "functions.zip"
    with zipfile.ZipFile(package, "w") as archive:
        for name, text in HANDLERS.items():
            archive.writestr(name, text)
    with EmbeddedAws() as aws:
        stacks = Stacks(aws)
        bucket = aws.create_stack("bucket", FOLDER / "bucket.yaml", {})["BucketName"]
        main = aws.deploy(package)
        subnet = stacks.client("ec2").describe_subnets()["Subnets"][0]
        settings = {
            "VpcId": subnet["VpcId"],
            "SubnetId": subnet["SubnetId"],
            "ArtifactBucket": bucket,
            "HostPackageKey": "packages/host-1.zip",
            "HostPackageDigest": "1" * 64,
            "OperatorsTopicArn": main["OperatorsTopicArn"],
            # The only one of these images that ministack knows.
            "ImageId": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
        }
        host = aws.create_stack("host", FOLDER / "reporting-remediation-host.yaml", settings)
        trusted = {
            name: main[name] if name in main else host[name] for name in ("IdentificationRoleArn", "ReportingRoleArn")
        }
        aws.create_stack("roles", FOLDER / "scanned-account-roles.yaml", trusted)

        stacks.update(STACK, {"OperatorsEmail": "operators@example.com", "ConfigSource": f"s3://{bucket}/config"})
        another = {"HostPackageKey": "packages/host-2.zip", "HostPackageDigest": "2" * 64}
        stacks.update("host", another | {"SshCidr": "192.0.2.0/24", "KeyName": "any"})
        stacks.update("roles", {"ExternalId": "open-sesame"})
        subscribed = stacks.client("sns").list_subscriptions_by_topic(TopicArn=main["OperatorsTopicArn"])
        assert [one["Endpoint"] for one in subscribed["Subscriptions"]] == ["operators@example.com"]
        for name, widgets in {main["DashboardName"]: 9, "hammer-reporting-remediation": 4}.items():
            dashboard = stacks.client("cloudwatch").get_dashboard(DashboardName=name)
            assert len(json.loads(dashboard["DashboardBody"])["widgets"]) == widgets
            assert "${" not in dashboard["DashboardBody"]
        latest = stacks.client("ec2").describe_launch_template_versions(
            LaunchTemplateName="hammer-reporting-remediation", Versions=["$Latest"]
        )["LaunchTemplateVersions"][0]
        assert latest["VersionNumber"] == 2
        (group,) = stacks.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        assert group["LaunchTemplate"]["Version"] == "2"

        for name in ("roles", "host", STACK, "bucket"):
            stacks.delete(name)
        # What must not be lost with a stack.
        names = ["hammer-iam-user-keys-inactive", "hammer-iam-user-keys-inactive-state"]
        assert sorted(stacks.client("dynamodb").list_tables()["TableNames"]) == names
        assert bucket in [one["Name"] for one in stacks.client("s3").list_buckets()["Buckets"]]
        groups = stacks.client("logs").describe_log_groups()["logGroups"]
        assert "/aws/ec2/hammer-reporting-remediation" in [one["logGroupName"] for one in groups]
        assert stacks.client("lambda").list_functions()["Functions"] == []
        assert stacks.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
