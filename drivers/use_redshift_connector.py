"""AWS's own driver, as for any Redshift cluster with a database user: no IAM on its side.

It trusts what its own bundle holds, and OpenSSL's defaults: the runner sets SSL_CERT_FILE to the proxy's CA.
"""

import redshift_connector

from settings import DATABASE, HOST, NUMBER, PASSWORD, PORT, TEXT, USER, check

connection = redshift_connector.connect(
    host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE, iam=False, ssl=True, sslmode="verify-full"
)
cursor = connection.cursor()
cursor.execute("select current_user, %s::int + 1, %s::text", (NUMBER, TEXT))
row = cursor.fetchone()
connection.close()
check("redshift_connector", redshift_connector.__version__, row)
