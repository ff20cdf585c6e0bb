// knex, in its own dialect for Redshift, over node-postgres. The runner sets NODE_PATH to where it is installed.
'use strict'

const assert = require('node:assert').strict
const fs = require('node:fs')
const knex = require('knex')
const { version } = require('knex/package.json')

const setting = (name) => {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set`)
  return value
}

const CONN_IDS = [setting('PROXY_DATABASE'), setting('PROXY_OTHER_DATABASE')]
const TABLE = 'drivers_knex'

// Calls `use` with a knex on the connection.
const on = async (connId, use) => {
  const made = knex({
    client: 'redshift',
    acquireConnectionTimeout: 120000,
    connection: {
      host: setting('PROXY_HOST'),
      port: Number(setting('PROXY_PORT')),
      user: `${setting('PROXY_USER')}~${connId}`,
      password: setting('PROXY_PASSWORD'),
      database: setting('PROXY_REAL_DATABASE'),
      ssl: { ca: fs.readFileSync(setting('PROXY_CA')) }
    }
  })
  try {
    await use(made)
  } finally {
    await made.destroy()
  }
}

async function names () {
  for (const connId of CONN_IDS) {
    await on(connId, async (db) => {
      const { rows: [row] } = await db.raw("select current_database() as name, current_setting('application_name') as application")
      // columnInfo and migrations look for this database in information_schema.
      assert.equal(row.name, db.client.database())
      assert.equal(row.application === CONN_IDS[1], connId === CONN_IDS[1])
    })
  }
}

async function metadata () {
  await on(CONN_IDS[0], async (db) => {
    await db.schema.createTable(TABLE, (table) => {
      table.integer('id').notNullable().primary()
      table.text('name')
    })
    assert.equal(await db.schema.hasTable(TABLE), true)
    assert.equal(await db.schema.hasColumn(TABLE, 'name'), true)
    const columns = await db(TABLE).columnInfo()
    assert.deepEqual(Object.keys(columns), ['id', 'name'])
    assert.deepEqual([columns.id.type, columns.id.nullable, columns.name.maxLength], ['integer', false, 65535])
    await db(TABLE).insert([{ id: 1, name: "it's" }, { id: 2, name: null }])
    assert.deepEqual(await db(TABLE).orderBy('id'), [{ id: 1, name: "it's" }, { id: 2, name: null }])
    await db.schema.dropTable(TABLE)
  })
}

async function main () {
  console.log(`version ${version}`)
  for (const [check, method] of [['names', names], ['metadata', metadata]]) {
    try {
      await method()
      console.log(`ok ${check}`)
    } catch (error) {
      process.exitCode = 1
      console.log(`fail ${check} ${String(error).replace(/\s+/g, ' ')}`)
      console.error(error)
    }
  }
}

main()
