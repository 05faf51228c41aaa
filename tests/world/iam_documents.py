"""The policies that a template makes with given parameters, without any AWS, to ask a simulation of IAM about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfnlint.decode import decode  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).resolve().parents[2] / "deployment" / "cloudformation"
REGION = "eu-west-1"
_NOTHING = object()
_ARNS = {
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/{TableName}",
    "AWS::Events::Rule": "events:{region}:{account}:rule/{Name}",
    "AWS::IAM::Role": "iam::{account}:role{Path}{RoleName}",
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{FunctionName}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{LogGroupName}:*",
    "AWS::S3::Bucket": "s3:::{BucketName}",
    "AWS::SNS::Topic": "sns:{region}:{account}:{TopicName}",
    "AWS::SQS::Queue": "sqs:{region}:{account}:{QueueName}",
}


@cache
def _template(file: str) -> dict[str, Any]:
    template, problems = decode(str(FOLDER / file))
    assert not problems
    return dict(template)


@dataclass(frozen=True)
class Stack:
    """A template of `deployment/cloudformation` with parameters, as a stack of one account."""

    template: Mapping[str, Any]
    parameters: Mapping[str, Any]
    account: str
    partition: str = "aws"

    @staticmethod
    def parameters_of(file: str) -> set[str]:
        """The names of a template's parameters."""
        return set(_template(file).get("Parameters", {}))

    @classmethod
    def of(cls, file: str, account: str, partition: str = "aws", **given: str) -> Stack:
        """The template of this name; a parameter that it does not have, or lacks, is an error."""
        template = _template(file)
        declared = template.get("Parameters", {})
        defaults = {name: one["Default"] for name, one in declared.items() if "Default" in one}
        assert given.keys() <= declared.keys()
        assert given.keys() | defaults.keys() == declared.keys()
        return cls(template, defaults | given, account, partition)

    def arn(self, name: str) -> str:
        """The ARN of a resource by its logical id."""
        resource = self.template["Resources"][name]
        properties = {"Path": "/"} | self._value(resource["Properties"])
        place = _ARNS[resource["Type"]].format(region=REGION, account=self.account, **properties)
        return f"arn:{self.partition}:{place}"

    def trust(self, role: str) -> dict[str, Any]:
        """Whom a role trusts."""
        return dict(self._value(self.template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]))

    def policies(self, role: str) -> list[dict[str, Any]]:
        """All that a role may do: its own policies, and those that the template attaches to it."""
        resources = self.template["Resources"]
        documents = [one["PolicyDocument"] for one in resources[role]["Properties"]["Policies"]]
        for one in resources.values():
            if one["Type"] == "AWS::IAM::Policy" and {"Ref": role} in one["Properties"]["Roles"]:
                documents += [one["Properties"]["PolicyDocument"]] if self._is_there(one) else []
        return [self._value(document) for document in documents]

    def policy_of(self, resource: str) -> dict[str, Any]:
        """The policy of a queue, a topic or a bucket, by the logical id of the policy."""
        return dict(self._value(self.template["Resources"][resource]["Properties"]["PolicyDocument"]))

    def _is_there(self, resource: Mapping[str, Any]) -> bool:
        return "Condition" not in resource or self._holds({"Condition": resource["Condition"]})

    def _holds(self, condition: Mapping[str, Any]) -> bool:
        ((function, arguments),) = condition.items()
        match function:
            case "Condition":
                return self._holds(self.template["Conditions"][arguments])
            case "Fn::Equals":
                one, other = map(self._value, arguments)
                return bool(one == other)
            case "Fn::Not":
                return not self._holds(arguments[0])
            case "Fn::Or":
                return any(map(self._holds, arguments))
            case "Fn::And":
                return all(map(self._holds, arguments))
        raise NotImplementedError(function)

    def _value(self, node: Any) -> Any:
        """A node of the template with its functions carried out."""
        if isinstance(node, list):
            return [one for one in map(self._value, node) if one is not _NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1 and next(iter(node)).startswith(("Fn::", "Ref")):
            ((function, arguments),) = node.items()
            return self._carried_out(function, arguments)
        return {name: value for name, one in node.items() if (value := self._value(one)) is not _NOTHING}

    def _carried_out(self, function: str, arguments: Any) -> Any:
        match function:
            case "Ref":
                return self._named(arguments)
            case "Fn::GetAtt":
                name, attribute = arguments
                return self.arn(name) if attribute == "Arn" else self._named(name)
            case "Fn::If":
                condition, if_so, if_not = arguments
                return self._value(if_so if self._holds({"Condition": condition}) else if_not)
            case "Fn::Sub":
                text, variables = arguments if isinstance(arguments, list) else (arguments, {})
                return re.sub(r"\$\{([\w.:]+)}", lambda one: self._substituted(one[1], variables), text)
            case "Fn::Select":
                index, items = arguments
                return self._value(items)[int(index)]
            case "Fn::Split":
                separator, text = arguments
                return self._value(text).split(separator)
        raise NotImplementedError(function)

    def _substituted(self, name: str, variables: Mapping[str, Any]) -> str:
        if name in variables:
            return str(self._value(variables[name]))
        resource, _, attribute = name.partition(".")
        return self.arn(resource) if attribute == "Arn" else str(self._named(name))

    def _named(self, name: str) -> Any:
        pseudo = {
            "AWS::NoValue": _NOTHING,
            "AWS::Partition": self.partition,
            "AWS::Region": REGION,
            "AWS::AccountId": self.account,
            "AWS::URLSuffix": "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com",
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        # A topic is referred to by its ARN, a resource of another kind by its name, which is the end of its ARN.
        arn = self.arn(name)
        return arn if ":sns:" in arn else re.split("[:/]", arn)[-1]
