// node-postgres, in JavaScript alone. The runner sets NODE_PATH to where it is installed.
'use strict'

const assert = require('node:assert').strict
const fs = require('node:fs')
const { setTimeout: sleep } = require('node:timers/promises')
const { pipeline } = require('node:stream/promises')
const { Readable } = require('node:stream')
const { Client, Query } = require('pg')
const { version } = require('pg/package.json')
const { from: copyFrom, to: copyTo } = require('pg-copy-streams')

const setting = (name) => {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set`)
  return value
}

const DB_USER = 'IAMR:rs01'
const TABLE = 'drivers_node_postgres'
const COPY_ROWS = 10000

// rejectUnauthorized is the default, and so is checking the name.
const client = ({ ca = 'PROXY_CA', port = 'PROXY_PORT', password = setting('PROXY_PASSWORD'), database = setting('PROXY_DATABASE') } = {}) => {
  const made = new Client({
    host: setting('PROXY_HOST'),
    port: Number(setting(port)),
    user: setting('PROXY_USER'),
    password,
    database,
    ssl: ca ? { ca: fs.readFileSync(setting(ca)) } : false
  })
  // What ends a session is also told by its promises.
  made.on('error', () => {})
  return made
}

// Calls `use` with a session of its own.
const inSession = async (use, how) => {
  const session = client(how)
  await session.connect()
  try {
    await use(session)
  } finally {
    await session.end()
  }
}

const ask = async (session, text, values) => (await session.query({ text, values, rowMode: 'array' })).rows
const inTls = (session) => session.connection.stream.encrypted === true

const fails = async (session, text, sqlstate) => {
  await assert.rejects(session.query(text), { code: sqlstate })
  assert.deepEqual(await ask(session, 'select 1'), [[1]])
}

const refused = (expected, how) => assert.rejects(inSession(async () => {}, how), expected)

async function login () {
  await inSession(async (session) => {
    assert.deepEqual(await ask(session, 'select current_user'), [[DB_USER]])
  })
}

async function typedParameters () {
  const text = 'naïve ☃ 𝄞 \'quoted\' \\ "too"'
  const octets = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet))
  const literal = (buffer) => `decode('${buffer.toString('hex')}', 'hex')`
  // SQL type, value, the same in SQL. It has bigint and numeric as strings, and milliseconds.
  const typed = [
    ['int', 2147483647, '2147483647'],
    ['bigint', '-9007199254740993', '-9007199254740993'],
    ['text', text, `convert_from(${literal(Buffer.from(text))}, 'UTF8')`],
    ['text', null, 'null'],
    ['bool', true, 'true'],
    ['numeric', '12345678901234567890.123456789', '12345678901234567890.123456789'],
    ['timestamp', new Date(2024, 1, 29, 23, 59, 59, 123), "'2024-02-29 23:59:59.123'::timestamp"],
    ['bytea', octets, literal(octets)]
  ]
  const bound = typed.map(([kind], n) => `$${n + 1}::${kind} as c${n}`)
  const values = typed.map((_, n) => `c${n}`)
  const same = typed.map(([, , sql], n) => `c${n} is not distinct from ${sql}`)
  await inSession(async (session) => {
    const [row] = await ask(session, `select ${[...values, ...same]} from (select ${bound}) bound`, typed.map(([, value]) => value))
    assert.deepEqual(row, [...typed.map(([, value]) => value), ...typed.map(() => true)])
  })
}

async function rows () {
  await inSession(async (session) => {
    const got = await ask(session, "select n, 'row ' || n from generate_series(1, 100000) n")
    got.forEach(([n, text], at) => assert.ok(n === at + 1 && text === `row ${n}`, `row ${at + 1}: ${n}, ${text}`))
    assert.equal(got.reduce((sum, [n]) => sum + n, 0), 5000050000)
  })
}

async function error () {
  await inSession(async (session) => {
    await fails(session, 'selec 1', '42601')
    await fails(session, 'select 1 / 0', '22012')
    await fails(session, 'select * from no_such_table', '42P01')
  })
}

async function cancel () {
  await inSession((session) => inSession(async (other) => {
    const query = new Query('select pg_sleep(60)')
    const ended = new Promise((resolve, reject) => {
      query.on('end', resolve)
      query.on('error', reject)
    })
    const told = assert.rejects(ended, { code: '57014' })
    session.query(query)
    const look = `select 1 from pg_stat_activity where wait_event = 'PgSleep' and pid = ${session.processID}`
    const deadline = Date.now() + 30000
    while ((await ask(other, look)).length === 0 && Date.now() < deadline) await sleep(10)
    // Its own way: another client, which sends the request in clear.
    client().cancel(session, query)
    await told
    assert.deepEqual(await ask(session, 'select 1'), [[1]])
  }))
}

async function transaction () {
  await inSession((session) => inSession(async (other) => {
    const seen = () => ask(other, `select n from ${TABLE} order by n`)
    await session.query(`create table ${TABLE} (n int)`)
    await session.query('begin')
    await session.query(`insert into ${TABLE} values (1)`)
    await session.query('rollback')
    assert.deepEqual(await seen(), [])
    await session.query('begin')
    await session.query(`insert into ${TABLE} values (2)`)
    assert.deepEqual(await seen(), [])
    await session.query('commit')
    assert.deepEqual(await seen(), [[2]])
    await session.query(`drop table ${TABLE}`)
  }))
}

async function copy () {
  const lines = Array.from({ length: COPY_ROWS }, (_, at) => at + 1)
    .map((n) => `${n}\trow ${n} ☃ \\t \\\\ \\n\t${n % 10 ? n * 2 : '\\N'}\n`)
  await inSession(async (session) => {
    await session.query('create temporary table copied (n int, t text, twice int)')
    await pipeline(Readable.from(lines), session.query(copyFrom('copy copied from stdin')))
    const parts = []
    for await (const part of session.query(copyTo('copy (select * from copied order by n) to stdout'))) parts.push(part)
    assert.equal(Buffer.concat(parts).toString(), lines.join(''))
    assert.deepEqual(await ask(session, 'select count(*), sum(n), sum(twice) from copied'), [['10000', '50005000', '90000000']])
  })
}

async function tlsModes () {
  await inSession(async (session) => assert.ok(inTls(session)))
  await refused({ code: /^(UNABLE_TO_VERIFY_LEAF|CERT)_SIGNATURE/ }, { ca: 'PROXY_WRONG_CA' })
  await refused({ code: '28000', message: /^TLS is required/ }, { ca: null })
  await inSession(async (session) => {
    assert.ok(!inTls(session))
    assert.deepEqual(await ask(session, 'select current_user'), [[DB_USER]])
  }, { ca: null, port: 'PROXY_PLAIN_PORT' })
}

async function wrongPassword () {
  await refused({ code: '28P01', message: /^password authentication failed for user/ }, { password: 'wrong' })
}

async function console_ () {
  await inSession(async (session) => {
    const [shown] = (await session.query('SHOW VERSION')).rows
    assert.equal(typeof shown.version, 'string')
    assert(shown.started instanceof Date)
    // A statement with a name, which is prepared once.
    for (let turn = 0; turn < 2; turn++) {
      const { rows } = await session.query({ name: 'sessions', text: 'SHOW SESSIONS' })
      const own = rows.at(-1)
      assert.deepEqual([own.state, own.conn_id], ['console', 'proxy_admin'])
      assert.match(own.bytes_up, /^[0-9]+$/)
    }
    await assert.rejects(session.query('SHOW POOLS'), { code: '42601' })
    assert.deepEqual(await ask(session, 'SELECT 1'), [['1']])
  }, { database: 'proxy_admin' })
}

const CHECKS = {
  login,
  'typed parameters': typedParameters,
  '100,000 rows': rows,
  error,
  cancel,
  transaction,
  copy,
  'TLS modes': tlsModes,
  'wrong password': wrongPassword,
  console: console_
}

async function main () {
  console.log(`version ${version}`)
  for (const [name, check] of Object.entries(CHECKS)) {
    try {
      await check()
      console.log(`ok ${name}`)
    } catch (error) {
      process.exitCode = 1
      console.log(`fail ${name} ${String(error.message).replace(/\s+/g, ' ')}`)
      console.error(error)
    }
  }
}

main()
