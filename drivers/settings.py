"""What the runner tells each driver."""

import os

HOST = os.environ["PROXY_HOST"]
PORT = int(os.environ["PROXY_PORT"])
# Of the proxy that also takes sessions without TLS.
PLAIN_PORT = int(os.environ["PROXY_PLAIN_PORT"])
USER = os.environ["PROXY_USER"]
PASSWORD = os.environ["PROXY_PASSWORD"]
DATABASE = os.environ["PROXY_DATABASE"]
# The name that the warehouse has for it; and the conn_ids of two connections to it, of which that was the first.
REAL_DATABASE = os.environ["PROXY_REAL_DATABASE"]
CONN_IDS = [DATABASE, os.environ["PROXY_OTHER_DATABASE"]]
CA = os.environ["PROXY_CA"]
# Of the same name, but it did not sign the proxy's certificate.
WRONG_CA = os.environ["PROXY_WRONG_CA"]


def url(form):
    """What `redshift-iam-proxy url --format` prints for this proxy: no password, and not which CA to trust."""
    return os.environ[f"PROXY_URL_{form.upper()}"]
