"""CloudTrail log files for measuring: the shape, the mix and the entropy of real ones.

Everything follows from the seed. Accounts, addresses and keys are the ones reserved for
documentation.
"""

import gzip
import json
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

ACCOUNTS = ["111122223333", "444455556666"]
REGIONS = ["eu-west-1", "us-east-1", "eu-central-1"]
NETWORKS = ["198.51.100", "203.0.113", "192.0.2"]
START = datetime(2026, 1, 5, tzinfo=timezone.utc)
DENIED_SHARE = 0.002
GZIP_LEVEL = 6
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

USER_AGENTS = [
    "aws-sdk-java/2.29.20 md/io#sync md/http#Apache ua/2.1 os/Linux#6.1.102 lang/java#21.0.5 "
    "md/OpenJDK_64-Bit_Server_VM md/vendor#Amazon.com_Inc. md/en_US",
    "aws-sdk-java/2.25.60 Linux/5.10.220 OpenJDK_64-Bit_Server_VM/17.0.12 Java/17.0.12 "
    "vendor/Eclipse_Adoptium io/sync http/Apache cfg/retry-mode/legacy",
    "Boto3/1.35.36 md/Botocore#1.35.36 ua/2.0 os/linux#6.1.102 md/arch#x86_64 "
    "lang/python#3.12.6 md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.35.36",
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.6 (+https://www.terraform.io) "
    "terraform-provider-aws/5.69.0 (+https://registry.terraform.io/providers/hashicorp/aws) "
    "aws-sdk-go-v2/1.31.0 ua/2.1 os/linux lang/go#1.23.1 md/GOOS#linux md/GOARCH#amd64",
    "aws-cli/2.17.32 md/awscrt#0.20.11 ua/2.0 os/linux#6.1.102 md/arch#x86_64 "
    "lang/python#3.11.9 md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe",
    "aws-sdk-go-v2/1.30.4 os/linux lang/go#1.22.7 md/GOOS#linux md/GOARCH#arm64 "
    "api/secretsmanager#1.32.6",
    "aws-sdk-js/3.654.0 ua/2.1 os/linux#5.10.225 lang/js md/nodejs#20.17.0",
]
SERVICES = ["autoscaling", "ecs-tasks", "lambda", "cloudformation", "elasticloadbalancing"]
ROLES = [
    "web-frontend", "checkout", "catalog", "payments-worker", "ci-deploy", "etl-nightly",
    "metrics-agent", "backup", "search-indexer", "mailer", "eks-node", "audit-reader",
]


class Writer:
    """Makes records of one stream of events, in the order of their times."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.time = START
        self.callers = [self.caller(number) for number in range(400)]
        self.weights = [1 / (1 + number) for number in range(len(self.callers))]
        self.burst = 0

    # small pieces

    def hex(self, digits):
        return f"{self.random.getrandbits(4 * digits):0{digits}x}"

    def uuid(self):
        text = self.hex(32)
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def letters(self, count):
        return "".join(self.random.choices(LETTERS, k=count))

    def address(self):
        return f"{self.random.choice(NETWORKS)}.{self.random.randrange(1, 255)}"

    def now(self):
        return self.time.strftime("%Y-%m-%dT%H:%M:%SZ")

    def secret_name(self, number):
        kind = self.random.choice(["db", "smtp", "api", "signing-key"])
        return f"prod/{self.random.choice(ROLES)}-{number}/{kind}"

    # who calls

    def caller(self, number):
        account = self.random.choice(ACCOUNTS)
        kind = self.random.choices(["role", "user", "service"], [80, 8, 12])[0]
        name = f"{self.random.choice(ROLES)}-{number:03}"
        return {
            "kind": kind,
            "account": account,
            "name": name,
            "id": self.letters(10) + "EXAMPLE",
            "region": self.random.choice(REGIONS),
            "agent": self.random.choice(USER_AGENTS),
            "service": f"{self.random.choice(SERVICES)}.amazonaws.com",
            "addresses": [self.address() for _ in range(self.random.randrange(1, 9))],
            "sessions": [f"i-{self.hex(17)}" for _ in range(self.random.randrange(1, 9))],
            "keys": [self.letters(9) + "EXAMPLE" for _ in range(3)],
            "machines": [self.hex(17) for _ in range(12)],
            "kms_keys": [self.uuid() for _ in range(2)],
            "secrets": [self.secret_name(number) for _ in range(4)],
        }

    def identity(self, caller):
        account, name = caller["account"], caller["name"]
        if caller["kind"] == "service":
            return {"type": "AWSService", "invokedBy": caller["service"]}
        if caller["kind"] == "user":
            return {
                "type": "IAMUser",
                "principalId": "AIDA" + caller["id"],
                "arn": f"arn:aws:iam::{account}:user/{name}",
                "accountId": account,
                "accessKeyId": "AKIA" + self.random.choice(caller["keys"]),
                "userName": name,
            }
        session = self.random.choice(caller["sessions"])
        began = self.time - timedelta(minutes=self.random.randrange(60))
        return {
            "type": "AssumedRole",
            "principalId": f"AROA{caller['id']}:{session}",
            "arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
            "accountId": account,
            "accessKeyId": "ASIA" + self.random.choice(caller["keys"]),
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": "AROA" + caller["id"],
                    "arn": f"arn:aws:iam::{account}:role/{name}",
                    "accountId": account,
                    "userName": name,
                },
                "attributes": {
                    "creationDate": began.strftime("%Y-%m-%dT%H:%M:00Z"),
                    "mfaAuthenticated": "false",
                },
                "ec2RoleDelivery": "2.0",
            },
        }

    # what is called: (request, response, further members)

    def describe_instances(self, caller):
        machines = caller["machines"][: self.random.choice([1, 2, 3, 12])]
        ids = [{"instanceId": f"i-{machine}"} for machine in machines]
        return {"instancesSet": {"items": ids}, "filterSet": {}}, None, {}

    def describe_interfaces(self, caller):
        filters = [
            {"name": name, "valueSet": {"items": [{"value": f"{prefix}-{machine}"}]}}
            for name, prefix in [("vpc-id", "vpc"), ("group-id", "sg"), ("subnet-id", "subnet")]
            for machine in caller["machines"][:2]
        ]
        request = {"networkInterfaceIdSet": {}, "filterSet": {"items": filters}}
        return request, None, {}

    def describe_volumes(self, caller):
        return {"maxResults": 1000, "volumeSet": {}, "filterSet": {}}, None, {}

    def run_instances(self, caller):
        machines = [
            {
                "instanceId": f"i-{self.hex(17)}",
                "imageId": "ami-0abcdef1234567890",
                "instanceState": {"code": 0, "name": "pending"},
                "privateDnsName": f"ip-{self.address().replace('.', '-')}.ec2.internal",
                "amiLaunchIndex": index,
                "instanceType": "m7g.large",
                "launchTime": int(self.time.timestamp() * 1000),
                "placement": {"availabilityZone": caller["region"] + "a", "tenancy": "default"},
                "monitoring": {"state": "disabled"},
                "subnetId": f"subnet-{caller['machines'][0]}",
                "vpcId": "vpc-0a1b2c3d4e5f67890",
                "groupSet": {"items": [{"groupId": f"sg-{caller['machines'][1]}"}]},
                "tagSet": {"items": [{"key": "Name", "value": caller["name"]}]},
                "networkInterfaceSet": {"items": [{"networkInterfaceId": f"eni-{self.hex(17)}"}]},
                "enaSupport": True,
            }
            for index in range(self.random.randrange(1, 5))
        ]
        request = {
            "instancesSet": {"items": [{"minCount": 1, "maxCount": len(machines)}]},
            "userData": "<sensitiveDataRemoved>",
            "instanceType": "m7g.large",
            "clientToken": self.uuid(),
        }
        response = {"reservationId": f"r-{self.hex(17)}", "instancesSet": {"items": machines}}
        return request, response, {}

    def list_objects(self, caller):
        bucket = f"example-{self.random.choice(ROLES)}-logs"
        request = {
            "list-type": "2",
            "bucketName": bucket,
            "encoding-type": "url",
            "prefix": f"year=2026/month=01/day={self.time.day:02}/hour={self.time.hour:02}/",
            "Host": f"{bucket}.s3.{caller['region']}.amazonaws.com",
        }
        return request, None, self.object_members(bucket, caller, bytes_in=0)

    def put_object(self, caller):
        bucket = f"example-{self.random.choice(ROLES)}-data"
        request = {
            "bucketName": bucket,
            "Host": f"{bucket}.s3.{caller['region']}.amazonaws.com",
            "key": f"{caller['name']}/{self.now()[:10]}/{self.hex(16)}.parquet",
            "x-amz-server-side-encryption": "aws:kms",
        }
        response = {"x-amz-server-side-encryption": "aws:kms"}
        size = self.random.randrange(1 << 20)
        return request, response, self.object_members(bucket, caller, bytes_in=size)

    def object_members(self, bucket, caller, bytes_in):
        arn = f"arn:aws:s3:::{bucket}"
        return {
            "additionalEventData": {
                "SignatureVersion": "SigV4",
                "CipherSuite": "TLS_AES_128_GCM_SHA256",
                "bytesTransferredIn": bytes_in,
                "AuthenticationMethod": "AuthHeader",
                "x-amz-id-2": self.hex(60) + "=",
                "bytesTransferredOut": self.random.randrange(4096),
            },
            "resources": [
                {"type": "AWS::S3::Object", "ARNPrefix": arn + "/"},
                {"accountId": caller["account"], "type": "AWS::S3::Bucket", "ARN": arn},
            ],
        }

    def assume_role(self, caller):
        role = f"arn:aws:iam::{caller['account']}:role/{self.random.choice(ROLES)}"
        session = f"{self.random.choice(ROLES)}-{self.hex(8)}"
        response = {
            "credentials": {
                "accessKeyId": "ASIA" + self.letters(9) + "EXAMPLE",
                "sessionToken": "EXAMPLE" + self.hex(40),
                "expiration": self.time.strftime("%b %d, %Y, %I:%M:%S %p"),
            },
            "assumedRoleUser": {
                "assumedRoleId": f"AROA{caller['id']}:{session}",
                "arn": f"{role.replace(':iam:', ':sts:')}/{session}",
            },
        }
        request = {"roleArn": role, "roleSessionName": session, "durationSeconds": 3600}
        return request, response, {"sharedEventID": self.uuid()}

    def decrypt(self, caller):
        key_id = self.random.choice(caller["kms_keys"])
        key = f"arn:aws:kms:{caller['region']}:{caller['account']}:key/{key_id}"
        request = {
            "encryptionContext": {"aws:s3:arn": f"arn:aws:s3:::example-{caller['name']}-data"},
            "encryptionAlgorithm": "SYMMETRIC_DEFAULT",
        }
        resources = [{"accountId": caller["account"], "type": "AWS::KMS::Key", "ARN": key}]
        return request, None, {"resources": resources}

    def put_role_policy(self, caller):
        allowed = [
            {
                "Sid": f"Allow{number}",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:ListBucket", "kms:Decrypt", "logs:PutLogEvents"],
                "Resource": f"arn:aws:s3:::example-{self.random.choice(ROLES)}-{self.hex(6)}/*",
            }
            for number in range(self.random.randrange(2, 9))
        ]
        policy = json.dumps({"Version": "2012-10-17", "Statement": allowed}, indent=2)
        request = {"roleName": caller["name"], "policyName": "inline", "policyDocument": policy}
        return request, None, {}

    def get_role(self, caller):
        return {"roleName": self.random.choice(ROLES)}, None, {}

    def describe_table(self, caller):
        table = f"{self.random.choice(ROLES)}-state"
        arn = f"arn:aws:dynamodb:{caller['region']}:{caller['account']}:table/{table}"
        resources = [{"accountId": caller["account"], "type": "AWS::DynamoDB::Table", "ARN": arn}]
        return {"tableName": table}, None, {"resources": resources}

    def create_stream(self, caller):
        request = {
            "logGroupName": f"/aws/lambda/{caller['name']}",
            "logStreamName": f"{self.now()[:10].replace('-', '/')}/[$LATEST]{self.hex(32)}",
        }
        return request, None, {"apiVersion": "20140328"}

    def get_function(self, caller):
        name = f"{self.random.choice(ROLES)}-handler"
        arn = f"arn:aws:lambda:{caller['region']}:{caller['account']}:function:{name}"
        return {"functionName": arn}, None, {}

    def update_function(self, caller):
        request, _, _ = self.get_function(caller)
        variables = {f"SETTING_{number}": "" for number in range(12)}
        response = {
            "functionName": request["functionName"].rsplit(":", 1)[1],
            "functionArn": request["functionName"],
            "runtime": "provided.al2023",
            "codeSize": self.random.randrange(1 << 24),
            "codeSha256": self.hex(43) + "=",
            "memorySize": 512,
            "timeout": 30,
            "lastModified": self.now(),
            "revisionId": self.uuid(),
            "environment": {"variables": variables},
            "layers": [{"arn": f"arn:aws:lambda:::layer:base:{n}"} for n in range(3)],
        }
        return request, response, {}

    def get_secret(self, caller):
        name = self.random.choice(caller["secrets"])
        return {"secretId": self.secret_arn(caller, name)}, None, {}

    def secret_arn(self, caller, name):
        region, account = caller["region"], caller["account"]
        return f"arn:aws:secretsmanager:{region}:{account}:secret:{name}-AbCdEf"

    # a record

    def record(self):
        """A call that was allowed."""
        self.time += timedelta(milliseconds=self.random.randrange(40))
        caller, (source, name, read_only, call) = self.next_call()
        request, response, further = call(self, caller)
        return self.finished(caller, source, name, read_only, request, response, further)

    def next_call(self):
        """Callers repeat a call several times before another one comes."""
        if self.burst == 0:
            self.burst = self.random.choice([1, 1, 2, 3, 6, 12])
            caller = self.random.choices(self.callers, self.weights)[0]
            self.calling = caller, self.random.choices(CALLS, CALL_WEIGHTS)[0]
        self.burst -= 1
        return self.calling

    def denied(self, number):
        """A refused read of a secret, by one of a few hundred principals. Every fourth is by
        the same one, which goes through all names."""
        self.time += timedelta(milliseconds=self.random.randrange(40))
        # A service has no policy that could refuse it.
        callers = [caller for caller in self.callers if caller["kind"] != "service"]
        caller = callers[0 if number % 4 == 0 else number % len(callers)]
        identity = self.identity(caller)
        arn = self.secret_arn(caller, self.secret_name(number % 500))
        message = (
            f"User: {identity['arn']} is not authorized to perform: secretsmanager:GetSecretValue "
            f"on resource: {arn} because no identity-based policy allows the "
            "secretsmanager:GetSecretValue action"
        )
        error = {"errorCode": "AccessDenied", "errorMessage": message}
        source, name = "secretsmanager.amazonaws.com", "GetSecretValue"
        return self.finished(caller, source, name, True, None, None, {}, identity, error)

    def finished(
        self, caller, source, name, read_only, request, response, further, identity=None, error=None
    ):
        by_service = caller["kind"] == "service"
        address = caller["service"] if by_service else self.random.choice(caller["addresses"])
        record = {
            "eventVersion": "1.11",
            "userIdentity": identity or self.identity(caller),
            "eventTime": self.now(),
            "eventSource": source,
            "eventName": name,
            "awsRegion": caller["region"],
            "sourceIPAddress": address,
            "userAgent": caller["service"] if by_service else caller["agent"],
            **(error or {}),
            "requestParameters": request,
            "responseElements": response,
            "requestID": self.uuid(),
            "eventID": self.uuid(),
            "readOnly": read_only,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": caller["account"],
            **further,
            "eventCategory": "Management",
        }
        if not by_service:
            endpoint = f"{source.split('.')[0]}.{caller['region']}.amazonaws.com"
            record["tlsDetails"] = {
                "tlsVersion": "TLSv1.3",
                "cipherSuite": "TLS_AES_128_GCM_SHA256",
                "clientProvidedHostHeader": endpoint,
            }
        return record


# source, name, whether it only reads, call, weight
CALL_TABLE = [
    ("ec2", "DescribeInstances", True, Writer.describe_instances, 12),
    ("ec2", "DescribeNetworkInterfaces", True, Writer.describe_interfaces, 8),
    ("ec2", "DescribeVolumes", True, Writer.describe_volumes, 6),
    ("ec2", "RunInstances", False, Writer.run_instances, 2),
    ("s3", "ListObjects", True, Writer.list_objects, 6),
    ("s3", "PutObject", False, Writer.put_object, 6),
    ("sts", "AssumeRole", True, Writer.assume_role, 18),
    ("kms", "Decrypt", True, Writer.decrypt, 16),
    ("iam", "GetRole", True, Writer.get_role, 3),
    ("iam", "PutRolePolicy", False, Writer.put_role_policy, 1),
    ("dynamodb", "DescribeTable", True, Writer.describe_table, 5),
    ("logs", "CreateLogStream", False, Writer.create_stream, 7),
    ("lambda", "GetFunction20150331v2", True, Writer.get_function, 3),
    ("lambda", "UpdateFunctionConfiguration20150331v2", False, Writer.update_function, 1),
    ("secretsmanager", "GetSecretValue", True, Writer.get_secret, 6),
]
CALLS = [(f"{row[0]}.amazonaws.com", *row[1:4]) for row in CALL_TABLE]
CALL_WEIGHTS = [row[4] for row in CALL_TABLE]


def write_file(path, records):
    """Writes one log file, and says what it holds."""
    texts, denied = [], 0
    for record in records:
        texts.append(json.dumps(record, separators=(",", ":")))
        denied += "errorCode" in record
    text = ('{"Records":[' + ",".join(texts) + "]}").encode()
    packed = gzip.compress(text, GZIP_LEVEL, mtime=0)
    path.write_bytes(packed)
    return {
        "file": path.name,
        "bytes": len(text),
        "packed": len(packed),
        "records": len(texts),
        "denials": denied,
    }


def mixed(writer, count, denied_before):
    """Records of all kinds, of them the usual share denied."""
    every = round(1 / DENIED_SHARE)
    for number in range(count):
        if number % every == every // 2:
            yield writer.denied(denied_before + number // every)
        else:
            yield writer.record()


def quiet(writer, count):
    """Records without a denial."""
    return (writer.record() for _ in range(count))


def denials(writer, count):
    """Nothing but denials."""
    return (writer.denied(number) for number in range(count))


def make(folder, size_mb, denial_counts):
    """Writes all log files into `folder`, and says what they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    # A small run gets small files, so that it still has several.
    most = min(33_000, 200 * size_mb)
    made = {"mixed": [], "quiet": [], "denials": []}
    writer, denied, total = Writer(1), 0, 0
    while total < size_mb * 1_000_000:
        count = writer.random.randrange(most // 3, most)
        path = folder / f"mixed-{len(made['mixed']):03}.json.gz"
        file = write_file(path, mixed(writer, count, denied))
        denied, total = denied + file["denials"], total + file["bytes"]
        made["mixed"].append(file)
    made["quiet"].append(write_file(folder / "quiet.json.gz", quiet(Writer(2), most // 2)))
    for count in denial_counts:
        path = folder / f"denials-{count}.json.gz"
        made["denials"].append(write_file(path, denials(Writer(3), count)))
    return made
