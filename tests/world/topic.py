"""The topic between the two functions."""

from __future__ import annotations

import json

import boto3


class Topic:
    """A topic, and what arrives in a queue that is subscribed to it."""

    def __init__(self) -> None:
        sns = boto3.Session().client("sns")
        self.arn = sns.create_topic(Name="hammer-describe-iam-user-inactive-keys-lambda")["TopicArn"]
        self._queue = boto3.Session().resource("sqs").create_queue(QueueName="arrived")
        sns.subscribe(TopicArn=self.arn, Protocol="sqs", Endpoint=self._queue.attributes["QueueArn"])

    def arrived(self) -> list[dict[str, str]]:
        """The messages that arrived since the last time, by account id."""
        found: list[dict[str, str]] = []
        while batch := self._queue.receive_messages(MaxNumberOfMessages=10):
            found += [json.loads(json.loads(message.body)["Message"]) for message in batch]
            for message in batch:
                message.delete()
        return sorted(found, key=lambda message: message["account_id"])
