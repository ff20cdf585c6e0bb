"""What CrowdSec would make of a log by the files of deploy/crowdsec/: the address of each event that
its scenarios count, or the network in IPv6, a line each. CrowdSec itself is no program of Debian's, so its patterns are written
out here (grok: %{NAME:field} is a named group) and matched by Python's re, whose syntax they share with
RE2, and the scenario's filter, of two comparisons, is read by a regular expression.

usage: crowdsec.py FOLDER LOG"""

import ast
import pathlib
import re
import sys

import yaml

folder, log = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])


def load(path):
    with open(folder / path, encoding="utf-8") as file:
        return yaml.safe_load(file)


acquis = load("acquis.d/redshift-iam-proxy.yaml")
parser = load("parsers/s01-parse/redshift-iam-proxy.yaml")
scenario = load("scenarios/redshift-iam-proxy-bf.yaml")
of_networks = load("scenarios/redshift-iam-proxy-bf6.yaml")

assert acquis["labels"]["type"] in parser["filter"]
assert parser["onsuccess"] == "next_stage" and scenario["type"] == "leaky"


def expanded(pattern):
    def group(match):
        name, _, field = match[1].partition(":")
        body = parser["pattern_syntax"][name]
        return f"(?P<{field}>{body})" if field else f"(?:{body})"

    pattern = re.sub(r"%\{([A-Z_]+(?::[a-z_]+)?)\}", group, pattern)
    assert "%{" not in pattern
    # RE2 and Python take a brace that begins no repetition for itself.
    return re.compile(pattern)


patterns = [expanded(node["grok"]["pattern"]) for node in parser["nodes"]]
statics = {static["meta"]: static for static in parser["statics"] if "meta" in static}
log_type, classes = re.fullmatch(
    r"evt\.Meta\.log_type == '(\w+)' && evt\.Meta\.class in (\[.*\])", scenario["filter"]
).groups()
assert log_type == statics["log_type"]["value"]
assert statics["source_ip"]["expression"] == "evt.Parsed.source_ip"
assert statics["class"]["expression"] == "evt.Parsed.class"
assert scenario["groupby"] == "evt.Meta.source_ip"
assert statics["client_net"]["expression"] == "evt.Parsed.client_net"
assert of_networks["groupby"] == of_networks["scope"]["expression"] == "evt.Meta.client_net"
assert of_networks["filter"].replace("evt.Meta.client_net != '' && ", "") == scenario["filter"]
classes = ast.literal_eval(classes)

# Only a line feed ends a line, as for whoever tails a file.
for line in log.read_text(encoding="utf-8").split("\n"):
    found = next(filter(None, (pattern.match(line) for pattern in patterns)), None)
    if found and found["class"] in classes:
        print(found["client_net"] or found["source_ip"])
