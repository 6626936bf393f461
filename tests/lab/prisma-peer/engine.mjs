#!/usr/bin/env node
// Stands in for Prisma's native schema engine, which is not in the npm registry. It speaks the same
// contract (JSON-RPC, a line each way, over standard input and output) and answers with Prisma's own
// engine compiled to WebAssembly. Like the native engine it does everything on one database session,
// and sends a migration's script as one query.
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'

const { datasource, schemas, command } = parseArguments(process.argv.slice(2))
const address = new URL(datasource.url)
const schema = address.searchParams.get('schema') ?? undefined
address.searchParams.delete('schema')
const connection = {
  connectionString: address.toString(),
  ...(schema && { options: `-c search_path="${schema}"` }),
}

if (command === 'can-connect-to-database') await tryConnection()
else await serve(await startEngine())

function parseArguments(words) {
  const found = { datasource: {}, schemas: [], command: undefined }
  for (let at = 0; at < words.length; at++) {
    if (words[at] === '--datasource') found.datasource = JSON.parse(words[++at])
    else if (words[at] === '--datamodels') found.schemas.push(words[++at])
    else if (words[at] === 'can-connect-to-database') found.command = words[at]
  }
  return found
}

async function tryConnection() {
  const client = new pg.Client(connection)
  try {
    await client.connect()
    await client.end()
  } catch (error) {
    const fields = { message: error.message, is_panic: false, error_code: 'P1001' }
    console.error(JSON.stringify({ level: 'ERROR', fields, target: 'schema_engine::logger' }))
    process.exitCode = 1
  }
}

// A pool that hands out the one session it has.
function singleSession() {
  const client = new pg.Client(connection)
  const connected = client.connect()
  const pool = new pg.Pool({ max: 1 })
  client.release = () => {}
  pool.connect = () => connected.then(() => client)
  pool.query = (...query) => connected.then(() => client.query(...query))
  pool.end = () => client.end()
  return pool
}

async function startEngine() {
  const factory = new PrismaPg(singleSession(), { disposeExternalPool: true, ...(schema && { schema }) })
  const open = factory.connect.bind(factory)
  let session
  factory.connect = () => (session ??= open().then(sendWholeScripts))

  globalThis.PRISMA_WASM_PANIC_REGISTRY = { message: '', set_message(text) { this.message = text }, get() { return this.message } }
  const glue = await import('@prisma/schema-engine-wasm/schema_engine_bg')
  const binary = new URL('node_modules/@prisma/schema-engine-wasm/schema_engine_bg.wasm', import.meta.url)
  const { instance } = await WebAssembly.instantiate(await readFile(binary), { './schema_engine_bg.js': glue })
  glue.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()

  const datamodels = await Promise.all(schemas.map(async (path) => [path, await readFile(path, 'utf8')]))
  return glue.SchemaEngine.new(datamodels.length > 0 ? { datamodels } : {}, () => {}, bindMigrationAwareSqlAdapterFactory(factory))
}

function sendWholeScripts(adapter) {
  adapter.executeScript = (script) => adapter.underlyingDriver().query(script).then(() => {}, (error) => adapter.onError(error))
  return adapter
}

async function serve(engine) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, method, params } = JSON.parse(line)
    if (!method) continue
    let answer
    try {
      answer = { result: (await engine[method === 'getDatabaseVersion' ? 'version' : method](params)) ?? null }
    } catch (error) {
      const known = typeof error.code === 'string' ? { error_code: error.code, meta: error.meta ?? null } : { backtrace: null }
      answer = { error: { code: 4466, message: 'An error happened.', data: { is_panic: false, message: error.message, ...known } } }
    }
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...answer })}\n`)
  }
  process.exit(0)
}
