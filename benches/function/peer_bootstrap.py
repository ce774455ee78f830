"""The loop that Lambda's Python runtime runs, with less in it than that has."""

import http.client
import json
import os
import sys

sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
import function  # noqa: E402

PATH = "/2018-06-01/runtime/invocation/"


def main():
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        api.request("GET", PATH + "next")
        answer = api.getresponse()
        event = json.loads(answer.read())
        request = answer.headers["Lambda-Runtime-Aws-Request-Id"]
        try:
            end, body = "/response", json.dumps(function.handler(event))
        except Exception as error:
            end, body = "/error", json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)})
        api.request("POST", PATH + request + end, body)
        api.getresponse().read()


main()
