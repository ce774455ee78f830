#!/usr/bin/env python3
"""Deploys template.yaml, as it is, to the local AWS.

    stack.py --endpoint URL --binary target/release/rattle-lambda [--parameter NAME=VALUE]...

prints `{"account":…,"region":…,"endpoint":…,"name":…,"outputs":{…}}`. Each deployment gets
its own account, so that tests can run side by side. The account's number is the access key
id, and any secret key is accepted.
"""

import argparse
import dataclasses
import functools
import io
import json
import pathlib
import secrets
import zipfile

import boto3
import botocore.config
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
REGION = "eu-west-1"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--binary", required=True, type=pathlib.Path)
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--account", help="12 digits; a new one by default")
    parser.add_argument("--region", default=REGION)
    parser.add_argument("--name", default="rattle")
    arguments = parser.parse_args()
    account = Account(arguments.endpoint, arguments.account or new_account_id(), arguments.region)
    parameters = dict(parameter.split("=", 1) for parameter in arguments.parameter)
    stack = deploy(arguments.binary, parameters, account=account, name=arguments.name)
    print(
        json.dumps(
            {
                "account": account.id,
                "region": account.region,
                "endpoint": account.endpoint,
                "name": stack.name,
                "outputs": stack.outputs,
            }
        )
    )


@dataclasses.dataclass(frozen=True)
class Account:
    """One account and Region of the local AWS at `endpoint`."""

    endpoint: str
    id: str
    region: str = REGION

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.id,
            aws_secret_access_key="unused",
            # Without retries a failing test fails at once.
            config=botocore.config.Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )


@dataclasses.dataclass(frozen=True)
class Stack:
    account: Account
    name: str
    outputs: dict
    # Bucket and key of the function's code.
    code: tuple


def new_account_id():
    # No leading zero, because a shell or a YAML reader would read an octal number.
    return str(10**11 + secrets.randbelow(9 * 10**11))


def deploy(binary, parameters=None, *, account, name="rattle", template=None):
    """Creates the stack with `binary` as the function's `bootstrap`, and returns it once it
    is complete. `template` is a parsed template; by default the one of this repository."""
    template = load_template(TEMPLATE) if template is None else template
    code = upload(account, zip_of(binary))
    body = json.dumps(packaged(template, *code))
    cloudformation = account.client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=body,
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in (parameters or {}).items()
        ],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    try:
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
        )
    except Exception as fault:
        raise RuntimeError(f"the stack was not created: {failures(cloudformation, name)}") from fault
    (described,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
    return Stack(account, name, outputs, code)


def update(deployed, template, parameters=None):
    """Updates the stack to another template with the same code."""
    cloudformation = deployed.account.client("cloudformation")
    cloudformation.update_stack(
        StackName=deployed.name,
        TemplateBody=json.dumps(packaged(template, *deployed.code)),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in (parameters or {}).items()
        ],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    cloudformation.get_waiter("stack_update_complete").wait(
        StackName=deployed.name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
    )


def upload(account, archive):
    s3 = account.client("s3")
    bucket, key = f"artifacts-{account.id}-{account.region}", f"{secrets.token_hex(8)}.zip"
    # S3 accepts no location constraint for its oldest Region.
    place = {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
    s3.create_bucket(Bucket=bucket, **(place if account.region != "us-east-1" else {}))
    s3.put_object(Bucket=bucket, Key=key, Body=archive)
    return bucket, key


def zip_of(binary):
    binary = pathlib.Path(binary)
    return zip_of_version(binary, binary.stat().st_mtime_ns)


@functools.lru_cache(maxsize=2)
def zip_of_version(binary, _modified):
    archive = io.BytesIO()
    entry = zipfile.ZipInfo("bootstrap")
    entry.external_attr = 0o755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(entry, binary.read_bytes())
    return archive.getvalue()


def packaged(template, bucket, key):
    """The template with its functions' code in S3 and no other change, as `sam package`
    would write it."""
    template = json.loads(json.dumps(template))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = f"s3://{bucket}/{key}"
    return template


def failures(cloudformation, name):
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in events
        if event["ResourceStatus"].endswith("FAILED")
    ]


def load_template(path):
    return parse_template(pathlib.Path(path).read_text())


def parse_template(text):
    """A template with its short forms (`!Ref`, `!GetAtt a.b`, …) written out."""
    return yaml.load(text, Loader=TemplateLoader)  # noqa: S506: derives from SafeLoader


class TemplateLoader(yaml.SafeLoader):
    pass


def intrinsic(loader, tag, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if tag in ("Ref", "Condition"):
        return {tag: value}
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {f"Fn::{tag}": value}


TemplateLoader.add_multi_constructor("!", intrinsic)


if __name__ == "__main__":
    main()
