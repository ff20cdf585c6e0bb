"""pg8000, in Python alone."""

import ssl
from importlib.metadata import version

import pg8000.dbapi

from settings import CA, DATABASE, HOST, NUMBER, PASSWORD, PORT, TEXT, USER, check

connection = pg8000.dbapi.connect(
    host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE, ssl_context=ssl.create_default_context(cafile=CA)
)
cursor = connection.cursor()
cursor.execute("select current_user, %s::int + 1, %s::text", (NUMBER, TEXT))
row = cursor.fetchone()
connection.close()
check("pg8000", version("pg8000"), row)
