"""psycopg 3, which binds parameters on the server and brings a libpq of its own."""

import psycopg

from settings import CA, DATABASE, HOST, NUMBER, PASSWORD, PORT, TEXT, USER, check

with psycopg.connect(
    host=HOST, port=PORT, user=USER, password=PASSWORD, dbname=DATABASE, sslmode="verify-full", sslrootcert=CA
) as connection:
    row = connection.execute("select current_user, %s::int + 1, %s::text", (NUMBER, TEXT)).fetchone()
check("psycopg3", psycopg.__version__, row)
