"""AWS's own driver, as for any Redshift cluster with a database user: no IAM on its side. It cannot do SCRAM, so the
proxy asks for a cleartext password, inside TLS."""

import os
import ssl
from contextlib import closing

import redshift_connector
from redshift_connector.config import ClientProtocolVersion

import checks
from checks import Skip
from dbapi import DbApi
from settings import CA, DATABASE, HOST, PASSWORD, PLAIN_PORT, PORT, USER


class RedshiftConnector(DbApi):
    name = "redshift_connector"

    def connect(self, *, ca=CA, port=PORT, password=PASSWORD, **more):
        # It trusts what its own bundle holds, and OpenSSL's defaults: these.
        os.environ["SSL_CERT_FILE"] = ca or CA
        tls = {"ssl": True, "sslmode": "verify-full"} if ca else {"ssl": False}
        return redshift_connector.connect(
            host=HOST, port=port, user=USER, password=password, database=DATABASE, iam=False, **tls, **more
        )

    def sqlstate(self, error):
        return error.args[0]["C"]

    def in_tls(self, connection):
        return isinstance(connection._usock, ssl.SSLSocket)  # pylint: disable=protected-access

    def typed_parameters(self):
        # By default it has numbers in a binary format that is Redshift's own; the rig's PostgreSQL has another.
        # Octets are VARBYTE to it, which PostgreSQL does not have.
        typed = [column for column in checks.TYPED if column[0] != "bytea"]
        with closing(self.connect(client_protocol_version=ClientProtocolVersion.EXTENDED_RESULT_METADATA)) as connection:
            self.check_typed(connection, typed)

    def cancel(self):
        raise Skip("redshift_connector has no call that cancels")

    def plaintext(self):
        # It cannot do SCRAM, and its password is not asked for in clear.
        self.refused("TLS is required", ca=None, port=PLAIN_PORT)

    def copy(self):
        raise Skip("redshift_connector has no COPY")


checks.run(redshift_connector.__version__, RedshiftConnector())
