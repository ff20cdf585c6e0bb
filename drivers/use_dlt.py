"""dlt, which makes its tables itself: a pipeline with nested rows, merged twice."""

import contextlib
import os
import sys
import tempfile

import tools
from checks import same
from settings import CA, HOST, PASSWORD, PORT, REAL_DATABASE

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"

import dlt  # pylint: disable=wrong-import-position

ROWS = [
    {"id": 1, "name": "a ☃ '\\", "at": "2024-02-29T23:59:59Z", "price": 1.5, "lines": [{"n": 1}, {"n": 2}]},
    {"id": 2, "name": None, "price": 2.5, "lines": []},
]


class Dlt:
    def pipeline(self, user, folder):
        url = f"postgresql://{user}:{PASSWORD}@{HOST}:{PORT}/{REAL_DATABASE}?sslmode=verify-full&sslrootcert={CA}&connect_timeout=120"
        destination = dlt.destinations.redshift(credentials=url)
        return dlt.pipeline("drivers_dlt", destination=destination, dataset_name="drivers_dlt", pipelines_dir=folder)

    def names(self):
        for conn_id, user in tools.users():
            with tempfile.TemporaryDirectory() as folder, self.pipeline(user, folder).sql_client() as client:
                [(database, application)] = client.execute_sql(tools.WHERE_SQL)
                same(database, client.credentials.database)
                tools.is_connection(conn_id, application)

    def metadata(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
            pipeline = self.pipeline(tools.users()[0][1], folder)
            for _ in range(2):
                # The second run reads what the first has made, and merges into it.
                pipeline.run(ROWS, table_name="item", primary_key="id", write_disposition="merge")
            with pipeline.sql_client() as client:
                same(client.execute_sql("select id, name, price from item order by id"),
                     [(row["id"], row["name"], row["price"]) for row in ROWS])
                same(client.execute_sql("select count(*), sum(n) from item__lines"), [(2, 3)])


tools.run(dlt.__version__, Dlt())
