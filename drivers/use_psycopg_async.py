"""psycopg 3 over asyncio: libpq's asynchronous calls, which read when the socket has something."""

import asyncio
import resource

import psycopg

import checks
from checks import same, says
from settings import CA, DATABASE, HOST, PASSWORD, PLAIN_PORT, PORT, USER, WRONG_CA

TABLE = "drivers_psycopg_async"


def connect(*, ca=CA, port=PORT, password=PASSWORD, **more):
    tls = {"sslmode": "verify-full", "sslrootcert": ca} if ca else {"sslmode": "disable"}
    return psycopg.AsyncConnection.connect(
        host=HOST, port=port, user=USER, password=password, dbname=DATABASE, **tls, **more
    )


async def ask(connection, sql):
    return await (await connection.execute(sql)).fetchall()


async def fails(connection, sql, sqlstate):
    try:
        await connection.execute(sql)
    except psycopg.Error as error:
        same(error.sqlstate, sqlstate)
    else:
        raise AssertionError(f"{sql} did not fail")
    await connection.rollback()
    same(await ask(connection, "select 1"), [(1,)])


async def refused(text, **how):
    try:
        await (await connect(**how)).close()
    except psycopg.OperationalError as error:
        # A login that fails has no result to take the SQLSTATE from.
        says(error, text)
    else:
        raise AssertionError(f"was not refused with {text}")


class PsycopgAsync:
    async def login(self):
        async with await connect() as connection:
            same(await ask(connection, "select current_user"), [(checks.DB_USER,)])

    async def typed_parameters(self):
        async with await connect() as connection:
            values = [value for _, value, _ in checks.TYPED]
            cursor = await connection.execute(checks.typed_sql(lambda _: "%s"), values)
            checks.check_typed(await cursor.fetchone())

    async def rows(self):
        async with await connect() as connection:
            checks.check_rows(await ask(connection, checks.ROWS_SQL))

    async def error(self):
        async with await connect() as connection:
            await fails(connection, "selec 1", "42601")
            await fails(connection, "select 1 / 0", "22012")
            await fails(connection, "select * from no_such_table", "42P01")

    async def cancel(self):
        async with await connect() as connection, await connect(autocommit=True) as other:
            [(pid,)] = await ask(connection, checks.PID_SQL)
            running = asyncio.create_task(fails(connection, checks.SLEEP_SQL, "57014"))
            while await ask(other, f"{checks.SLEEPING_SQL}{pid}") == [(0,)] and not running.done():
                await asyncio.sleep(0.01)
            await connection.cancel_safe()
            await running

    async def transaction(self):
        async with await connect() as connection, await connect(autocommit=True) as other:
            look = f"select n from {TABLE} order by n"
            await connection.execute(f"create table {TABLE} (n int)")
            await connection.commit()
            await connection.execute(f"insert into {TABLE} values (1)")
            await connection.rollback()
            same(await ask(other, look), [])
            await connection.execute(f"insert into {TABLE} values (2)")
            same(await ask(other, look), [])
            await connection.commit()
            same(await ask(other, look), [(2,)])
            await connection.execute(f"drop table {TABLE}")

    async def copy(self):
        create, copy_in, copy_out = checks.copy_sql("copied")
        async with await connect() as connection, connection.cursor() as cursor:
            await cursor.execute(create)
            async with cursor.copy(copy_in) as copy:
                await copy.write(checks.copy_text())
            async with cursor.copy(copy_out) as copy:
                same(b"".join([bytes(part) async for part in copy]).decode(), checks.copy_text())
            same(await ask(connection, "select count(*), sum(n), sum(twice) from copied"), [checks.COPY_SUMS])

    async def tls_modes(self):
        async with await connect() as connection:
            same(bool(connection.pgconn.ssl_in_use), True)
        await refused("certificate verify failed", ca=WRONG_CA)
        await refused("TLS is required", ca=None)
        async with await connect(ca=None, port=PLAIN_PORT) as connection:
            same(bool(connection.pgconn.ssl_in_use), False)
            same(await ask(connection, "select current_user"), [(checks.DB_USER,)])

    async def wrong_password(self):
        await refused("password authentication failed for user", password="wrong")

    async def gigabyte(self):
        began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async with await connect() as connection:
            cursor = connection.cursor(binary=True)
            rows = cursor.stream(checks.GIGABYTE_SQL)
            for number in range(1, checks.GIGABYTE_ROWS + 1):
                checks.check_gigabyte_row(number, await asyncio.wait_for(anext(rows), checks.STALL_SECS))
            same([row async for row in rows], [])
        checks.check_memory(began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    async def result_sizes(self):
        """Each of them ends with another last record of TLS."""
        async with await connect() as connection:
            for width, count in checks.result_sizes():
                sql = f"select repeat('x', {width}) from generate_series(1, {count})"
                same(len(await asyncio.wait_for(ask(connection, sql), checks.STALL_SECS)), count)


checks.run(psycopg.__version__, PsycopgAsync(), {"1 GB result": "gigabyte", "result sizes": "result_sizes"})
