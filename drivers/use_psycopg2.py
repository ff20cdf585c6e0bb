"""psycopg 2. It puts parameters into the text itself, so the server's own PREPARE is used for a real one."""

import psycopg2

from settings import CA, DATABASE, HOST, NUMBER, PASSWORD, PORT, TEXT, USER, check

connection = psycopg2.connect(
    host=HOST, port=PORT, user=USER, password=PASSWORD, dbname=DATABASE, sslmode="verify-full", sslrootcert=CA
)
with connection, connection.cursor() as cursor:
    cursor.execute("prepare sum(int, text) as select current_user, $1 + 1, $2")
    cursor.execute("execute sum(%s, %s)", (NUMBER, TEXT))
    row = cursor.fetchone()
connection.close()
check("psycopg2", psycopg2.__version__.split()[0], row)
