"""asyncpg, which speaks the protocol itself, binds in binary and prepares every query under a name."""

import asyncio
import io
import ssl

import asyncpg

import checks
from checks import same, says
from settings import CA, DATABASE, HOST, PASSWORD, PLAIN_PORT, PORT, USER, WRONG_CA

TABLE = "drivers_asyncpg"

# asyncpg keeps the answer to a statement that it has cancelled to itself, so the server tells it by other means.
SLEEP_SQL = """do $$ begin perform pg_sleep(60); exception when query_canceled then raise warning 'ended by %', sqlstate; end $$"""


class Session:
    """A connection for the length of a block."""

    def __init__(self, *, ca=CA, port=PORT, password=PASSWORD, database=DATABASE):
        tls = ssl.create_default_context(cafile=ca) if ca else False
        self.how = {"host": HOST, "port": port, "user": USER, "password": password, "database": database, "ssl": tls}

    async def __aenter__(self):
        self.connection = await asyncpg.connect(**self.how)
        return self.connection

    async def __aexit__(self, *_):
        await self.connection.close()


def in_tls(connection):
    return connection._transport.get_extra_info("ssl_object") is not None  # pylint: disable=protected-access


async def fails(connection, sql, sqlstate):
    try:
        await connection.fetch(sql)
    except asyncpg.PostgresError as error:
        same(error.sqlstate, sqlstate)
    else:
        raise AssertionError(f"{sql} did not fail")
    same(await connection.fetchval("select 1"), 1)


async def refused(*texts, **how):
    try:
        async with Session(**how):
            pass
    except (asyncpg.PostgresError, OSError) as error:
        says(error, *texts)
    else:
        raise AssertionError(f"was not refused with {texts}")


class Asyncpg:
    async def login(self):
        async with Session() as connection:
            same(await connection.fetchval("select current_user"), checks.DB_USER)

    async def typed_parameters(self):
        async with Session() as connection:
            values = [value for _, value, _ in checks.TYPED]
            checks.check_typed(list(await connection.fetchrow(checks.typed_sql(lambda n: f"${n}"), *values)))

    async def rows(self):
        async with Session() as connection:
            checks.check_rows(await connection.fetch(checks.ROWS_SQL))

    async def error(self):
        async with Session() as connection:
            await fails(connection, "selec 1", "42601")
            await fails(connection, "select 1 / 0", "22012")
            await fails(connection, "select * from no_such_table", "42P01")

    async def cancel(self):
        async with Session() as connection, Session() as other:
            told = []
            connection.add_log_listener(lambda _, message: told.append(message.message))
            running = asyncio.create_task(connection.execute(SLEEP_SQL))
            pid = connection.get_server_pid()
            while not await other.fetchval(f"{checks.SLEEPING_SQL}{pid}") and not running.done():
                await asyncio.sleep(0.01)
            running.cancel()
            [outcome] = await asyncio.gather(running, return_exceptions=True)
            same(type(outcome), asyncio.CancelledError)
            same(await connection.fetchval("select 1"), 1)
            same(told, ["ended by 57014"])

    async def transaction(self):
        async with Session() as connection, Session() as other:
            look = f"select array_agg(n) from {TABLE}"
            await connection.execute(f"create table {TABLE} (n int)")
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(f"insert into {TABLE} values (1)")
            await transaction.rollback()
            same(await other.fetchval(look), None)
            async with connection.transaction():
                await connection.execute(f"insert into {TABLE} values (2)")
                same(await other.fetchval(look), None)
            same(await other.fetchval(look), [2])
            await connection.execute(f"drop table {TABLE}")

    async def copy(self):
        async with Session() as connection:
            await connection.execute("create temporary table copied (n int, t text, twice int)")
            text, out = checks.copy_text().encode(), io.BytesIO()
            await connection.copy_to_table("copied", source=io.BytesIO(text))
            await connection.copy_from_query("select * from copied order by n", output=out)
            same(out.getvalue(), text)
            same(tuple(await connection.fetchrow("select count(*), sum(n), sum(twice) from copied")), checks.COPY_SUMS)

    async def tls_modes(self):
        async with Session() as connection:
            same(in_tls(connection), True)
        await refused("certificate verify failed", ca=WRONG_CA)
        await refused("28000", "TLS is required", ca=None)
        async with Session(ca=None, port=PLAIN_PORT) as connection:
            same(in_tls(connection), False)
            same(await connection.fetchval("select current_user"), checks.DB_USER)

    async def wrong_password(self):
        await refused("28P01", "password authentication failed for user", password="wrong")


    async def console(self):
        async with Session(database=checks.CONSOLE) as connection:
            checks.check_console(await connection.fetchrow("SHOW VERSION"), (await connection.fetch("SHOW SESSIONS"))[-1])
            same(await connection.execute("BEGIN"), "BEGIN")
            await fails(connection, "SHOW POOLS", "42601")
        # A pool resets a connection before it is given out again.
        how = Session(database=checks.CONSOLE).how
        async with asyncpg.create_pool(**how, min_size=1, max_size=1) as pool:
            for _ in range(3):
                same(await pool.fetchval("SELECT 1"), 1)


checks.run(asyncpg.__version__, Asyncpg(), {"console": "console"})
