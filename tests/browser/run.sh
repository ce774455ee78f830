#!/usr/bin/env bash
# Opens the page of `rattle report` in Chromium: with the traces, and with text of an attacker.
#
#   tests/browser/run.sh [RATTLE]
#
# Screenshots go to target/report. Exit status: 0 all is well, 1 a fault, 77 there is no browser
# and none can be installed.
set -euo pipefail

folder=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$folder/../.." && pwd)
rattle=${1:-${CARGO_TARGET_DIR:-$root/target}/debug/rattle}
tools=$root/tests/.tools/browser
shots=${CARGO_TARGET_DIR:-$root/target}/report

browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

if ! browser >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    { apt-get update && apt-get install -y --no-install-recommends chromium; } >/dev/null 2>&1 || true
fi
if ! browser >/dev/null || ! command -v npm >/dev/null; then
    echo "skipped: needs Chromium and npm, and cannot install Chromium here"
    exit 77
fi
if ! cmp -s "$folder/package.json" "$tools/package.json" || [ ! -d "$tools/node_modules" ]; then
    mkdir -p "$tools"
    cp "$folder/package.json" "$tools/"
    npm install --prefix "$tools" --no-audit --no-fund --silent
fi

mkdir -p "$shots/traces" "$shots/hostile"
"$rattle" report "$root/events/traces" -o "$shots/traces/report.html"
node "$folder/page.mjs" "$tools" "$(browser)" "$shots/traces/report.html" "$shots/traces"

# Whatever a caller may choose: secret names, session, address, name of a federated user.
hostile='<script>alert(1)</script><img src=x onerror=alert(2)>"'"'"'&amp;</style></svg>]]>'
python3 - "$hostile" >"$shots/hostile/history.jsonl" <<'PYTHON'
import json, sys

hostile = sys.argv[1]
for kind, identity in {
    "role": {
        "type": "AssumedRole", "principalId": f"AROAEXAMPLE:{hostile}",
        "sessionContext": {"sessionIssuer": {"principalId": "AROAEXAMPLE", "userName": hostile,
                           "arn": f"arn:aws:iam::111122223333:role/{hostile}"}},
    },
    "federated": {"type": "FederatedUser", "principalId": f"111122223333:{hostile}",
                  "arn": f"arn:aws:sts::111122223333:federated-user/{hostile}"},
    "other": {"type": hostile, "principalId": hostile, "userName": hostile, "arn": hostile},
}.items():
    for i in range(40):
        print(json.dumps({
            "eventVersion": "1.11", "eventSource": "secretsmanager.amazonaws.com",
            "eventName": "GetSecretValue", "eventID": f"{kind}-{i}",
            "eventTime": f"2026-01-05T10:{i:02}:00Z", "awsRegion": hostile[:32],
            "sourceIPAddress": hostile, "recipientAccountId": "111122223333",
            "userAgent": hostile, "errorCode": "AccessDenied",
            "errorMessage": f"User: x is not authorized to perform: secretsmanager:GetSecretValue on "
                            f"resource: {hostile}{i} because no identity-based policy allows the "
                            "secretsmanager:GetSecretValue action",
            "userIdentity": identity,
        }))
PYTHON
"$rattle" report "$shots/hostile/history.jsonl" -o "$shots/hostile/report.html"
MUST_SHOW='<script>alert(1)</script>' \
    node "$folder/page.mjs" "$tools" "$(browser)" "$shots/hostile/report.html" "$shots/hostile"
