"""Failures are seen: what goes wrong is tried again, lands in the queue, moves a metric and tells the operators."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deployment.local.estate import IDENTIFICATION, INITIATION, REMEDIATION, REPORTING, Estate
from deployment.local.population import MASTER, SLAVE
from tests.pipeline.conftest import HOST_LOG_GROUP
from tests.world.log_filters import matches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deployment.local.scanned_accounts import UserSeed


QUEUE = "hammer-iam-user-inactive-keys-failures"
IDLE: UserSeed = {"keys": [{"created_days_ago": 300, "last_used_days_ago": 200, "service": "s3"}], "tags": {}}


def client(estate: Estate, service: str) -> Any:
    endpoint = estate.aws.environment()["AWS_ENDPOINT_URL"]
    return estate.aws.session.client(service, endpoint_url=endpoint)  # type: ignore[call-overload]


def message(account: str) -> dict[str, Any]:
    """What the topic hands to the identification."""
    return {"Records": [{"Sns": {"Message": json.dumps({"account_id": account, "account_name": "slave1"})}}]}


def counted(estate: Estate, metric: str, function: str) -> float:
    """The sum of a metric of a function, over the last minutes."""
    now = datetime.now(UTC)
    points = client(estate, "cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": "FunctionName", "Value": function}],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=10),
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


def log_metrics(estate: Estate, group: str) -> dict[str, list[float]]:
    """What the deployed metric filters make of a log group, by metric.

    ministack keeps metric filters, but does not run them. Of the pattern language this knows what the templates use:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """
    logs = client(estate, "logs")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    lines = [event["message"].rstrip() for page in pages for event in page["events"]]
    found: dict[str, list[float]] = {}
    for one in logs.describe_metric_filters(logGroupName=group)["metricFilters"]:
        (made,) = one["metricTransformations"]
        matching = [line for line in lines if matches(one["filterPattern"], line)]
        found.setdefault(made["metricName"], []).extend(float(made["metricValue"]) for _ in matching)
    return found


def embedded_metrics(estate: Estate, function: str, service: str) -> dict[str, list[float]]:
    """What CloudWatch makes of the lines of a function's log that say of themselves that they hold metrics.

    ministack does not read them. Only those that have the service as their one dimension, as dashboard and alarm ask:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    pages = client(estate, "logs").get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{function}")
    lines = (event["message"].strip() for page in pages for event in page["events"])
    found: dict[str, list[float]] = {}
    for line in (json.loads(line) for line in lines if line.startswith("{")):
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            if (directive["Namespace"], directive["Dimensions"], line["service"]) == (
                "Hammer",
                [["service"]],
                service,
            ):
                for metric in directive["Metrics"]:
                    found.setdefault(metric["Name"], []).extend(line[metric["Name"]])
    return found


def operators_hear(estate: Estate) -> str:
    """Subscribe a queue to the operators' topic, and return its URL."""
    sqs = client(estate, "sqs")
    url: str = sqs.create_queue(QueueName="operators")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topics = [one["TopicArn"] for one in client(estate, "sns").list_topics()["Topics"]]
    (topic,) = [one for one in topics if one.endswith(":hammer-operators")]
    client(estate, "sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url


def publish(estate: Estate, namespace: str, name: str, values: Sequence[float]) -> None:
    """Give CloudWatch the values that AWS would; ministack looks at its alarms then."""
    data = [{"MetricName": name, "Value": value} for value in values]
    client(estate, "cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)


def alarms_told(estate: Estate, queue: str) -> set[str]:
    """The alarms that the operators were told of since the last time."""
    messages = client(estate, "sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    told = [json.loads(json.loads(message["Body"])["Message"]) for message in messages]
    return {one["AlarmName"] for one in told if one["NewStateValue"] == "ALARM"}


@pytest.mark.parametrize(
    ("function", "event", "said"),
    [
        (IDENTIFICATION, message(SLAVE), "Access denied in Account(id='210987654321', name='slave1', role="),
        (INITIATION, {"source": "aws.events"}, "could not be asked for"),
    ],
    ids=["scan", "initiation"],
)
def test_what_fails_is_tried_again_lands_in_the_queue_and_raises_an_alarm(
    estate: Estate, function: str, event: dict[str, Any], said: str
) -> None:
    operators = operators_hear(estate)
    estate.aws.accounts.populate({SLAVE: {"idle": IDLE}}, datetime.now(UTC))
    estate.aws.accounts.fail(SLAVE, "ListUsers", "AccessDenied")
    if function == INITIATION:
        client(estate, "lambda").update_function_configuration(
            FunctionName=INITIATION, Environment={"Variables": {"SNS_ARN": "arn:aws:sns:eu-west-1:123456789012:gone"}}
        )
    sqs = client(estate, "sqs")
    queue = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    runs = estate.aws.finished_runs(function)
    estate.aws.invoke(function, event)

    def waiting() -> int:
        names = ["ApproximateNumberOfMessages"]
        return int(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"][names[0]])

    estate.aws.wait_for(waiting, "the event in the queue", seconds=60)
    (failed,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    record = json.loads(failed["Body"])
    assert record["requestPayload"] == event
    assert said in record["responsePayload"]["errorMessage"]
    assert estate.aws.finished_runs(function) == runs + 3
    # ministack counts the errors only of runs that somebody waits for.
    assert estate.invoke_and_wait(function, event)
    assert counted(estate, "Errors", function) == 1
    publish(estate, "AWS/SQS", "ApproximateNumberOfMessagesVisible", [1])
    assert {f"{function}-errors", "hammer-iam-user-inactive-keys-failures"} <= alarms_told(estate, operators)
    assert estate.issues() == []


def test_the_log_of_the_scans_gives_the_metrics_of_the_dashboard_and_of_the_alarm_for_missing_scans(
    estate: Estate,
) -> None:
    (alarm,) = client(estate, "cloudwatch").describe_alarms(AlarmNames=["hammer-iam-user-inactive-keys-no-scan"])[
        "MetricAlarms"
    ]
    (dimension,) = alarm["Dimensions"]
    assert (alarm["Namespace"], dimension["Name"]) == ("Hammer", "service")
    estate.aws.accounts.populate({MASTER: {"one": IDLE, "two": IDLE}, SLAVE: {"three": IDLE}}, datetime.now(UTC))
    estate.aws.accounts.fail(SLAVE, "ListUsers", "AccessDenied")
    estate.scan()
    found = embedded_metrics(estate, IDENTIFICATION, dimension["Value"])
    assert len(found[alarm["MetricName"]]) == 1, "a scan that failed is none"
    assert (found["opened"], found["resolved"]) == ([2], [0])

    estate.aws.accounts.heal()
    estate.let_time_pass(3)
    estate.use_key(MASTER, "one")
    estate.scan()
    found = embedded_metrics(estate, IDENTIFICATION, dimension["Value"])
    assert len(found[alarm["MetricName"]]) == 3
    assert sorted(found["opened"]) == [0, 1, 2]
    assert sum(found["resolved"]) == 1
    assert max(found["oldest_open_issue_days"]) == 3


def test_a_key_that_cannot_be_switched_off_counts_as_an_error_and_one_that_was_as_switched_off(
    estate: Estate,
) -> None:
    estate.aws.accounts.populate({MASTER: {"one": IDLE}, SLAVE: {"two": IDLE}}, datetime.now(UTC))
    operators = operators_hear(estate)
    estate.scan()
    estate.run(REPORTING)
    found = log_metrics(estate, HOST_LOG_GROUP)
    assert (found["host_errors"], found["switched_off"]) == ([], [])
    estate.let_time_pass(15)
    estate.aws.accounts.fail(SLAVE, "UpdateAccessKey", "AccessDenied")
    estate.run(REMEDIATION, "--batch", expected=(1,))
    found = log_metrics(estate, HOST_LOG_GROUP)
    assert found["switched_off"] == [1]
    assert set(found["host_errors"]) == {1}
    assert alarms_told(estate, operators) == set()
    publish(estate, "Hammer", "host_errors", found["host_errors"])
    assert alarms_told(estate, operators) == {"hammer-reporting-remediation-errors"}


@pytest.mark.parametrize("name", ["config.json", "whitelist.json"])
def test_a_broken_configuration_on_the_host_counts_as_an_error(estate: Estate, name: str) -> None:
    source = Path(estate.folder)
    kept = (source / name).read_bytes()
    (source / name).write_text("{", encoding="utf-8")
    try:
        estate.run(REPORTING, expected=(2,))
    finally:
        (source / name).write_bytes(kept)
    found = log_metrics(estate, HOST_LOG_GROUP)
    assert (found["host_errors"], found["switched_off"]) == ([1], [])
