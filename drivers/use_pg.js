// node-postgres, in JavaScript alone. The runner sets NODE_PATH to where it is installed.
'use strict'

const fs = require('node:fs')
const { Client } = require('pg')
const { version } = require('pg/package.json')

const setting = (name) => {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set`)
  return value
}

async function main () {
  const client = new Client({
    host: setting('PROXY_HOST'),
    port: Number(setting('PROXY_PORT')),
    user: setting('PROXY_USER'),
    password: setting('PROXY_PASSWORD'),
    database: setting('PROXY_DATABASE'),
    // rejectUnauthorized is the default, and so is checking the name.
    ssl: { ca: fs.readFileSync(setting('PROXY_CA')) }
  })
  await client.connect()
  const { rows } = await client.query({
    text: 'select current_user, $1::int + 1, $2::text', values: [41, 'naïve'], rowMode: 'array'
  })
  await client.end()
  const got = JSON.stringify(rows)
  const want = JSON.stringify([['IAMR:rs01', 42, 'naïve']])
  if (got !== want) throw new Error(`got ${got}, not ${want}`)
  console.log(`node-postgres ${version} ok`)
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
