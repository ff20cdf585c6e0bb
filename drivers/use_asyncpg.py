"""asyncpg, which speaks the protocol itself and prepares every query under a name."""

import asyncio
import ssl

import asyncpg

from settings import CA, DATABASE, HOST, NUMBER, PASSWORD, PORT, TEXT, USER, check


async def ask():
    context = ssl.create_default_context(cafile=CA)
    connection = await asyncpg.connect(
        host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE, ssl=context
    )
    try:
        return await connection.fetchrow("select current_user, $1::int + 1, $2::text", NUMBER, TEXT)
    finally:
        await connection.close()


check("asyncpg", asyncpg.__version__, asyncio.run(ask()))
