import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { longFunctions } from './helpers/long-functions.ts'

const ROOT = resolve(import.meta.dirname, '..')
const MAX_FILE_LINES = 400
const MAX_LINE_LENGTH = 120
const MAX_FUNCTION_LINES = 70

const DRIVERS = ['http', 'followers', 'tasks']
const MIDDLE = ['actions', 'views']
const LOW = ['remote', 'blobs', 'live', 'bus', 'config']
const BASE = ['store', 'db', 'core']

/** What a folder may import besides itself; `app` is app.ts, whose types everybody above the outside may name. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  db: ['live/time'],
  store: ['db', 'core'],
  config: ['core'],
  live: ['core', 'db', 'store', 'config', 'app'],
  bus: ['core', 'db', 'store', 'config', 'live'],
  remote: ['core', 'db', 'store', 'config', 'live', 'app'],
  blobs: ['core', 'db', 'store', 'config', 'live', 'app'],
  app: [...LOW, ...BASE],
  actions: ['app', ...LOW, ...BASE],
  views: ['app', ...LOW, ...BASE],
  http: ['app', ...MIDDLE, ...LOW, ...BASE],
  followers: ['app', ...MIDDLE, ...LOW, ...BASE],
  tasks: ['app', ...MIDDLE, ...LOW, ...BASE],
  'open-app': ['app', ...DRIVERS, ...MIDDLE, ...LOW, ...BASE],
  cli: ['open-app', 'app', ...DRIVERS, ...MIDDLE, ...LOW, ...BASE],
  commands: ['cli', 'config'],
}

interface Source {
  readonly path: string
  readonly text: string
  /** Without comments and strings' insides untouched: good enough to look for calls. */
  readonly code: string
}

const sources = ['src', 'commands'].flatMap((folder) => read(folder))
const tests = read('test').filter(({ path }) => !/\/(fixtures|vectors)\//.test(path))

describe('the sources', () => {
  test('are found', () => {
    expect(sources.length).toBeGreaterThan(20)
    expect(tests.length).toBeGreaterThan(5)
  })

  test('import downwards only', () => {
    expect(sources.flatMap((source) => wrongImports(source, sources))).toEqual([])
  })

  test('touch clock, chance and timers in live/time.ts only', () => {
    const forbidden = anyOf(
      /\bDate\.now\(/,
      /\bnew Date\(\s*\)/,
      /\bMath\.random\(/,
      /\b(?:setTimeout|setInterval|setImmediate)\(/,
      /\bperformance\.now\(/,
      /import[^\n]*\brandom(?:Bytes|UUID|Int)\b[^\n]*crypto/,
    )
    // The checkpoints run in a worker, whose timer no simulation has to hold.
    expect(places(forbidden, ['src/live/time.ts', 'src/db/wal-checkpoint.ts'])).toEqual([])
  })

  test('use tweetnacl in core/keys.ts only', () => {
    expect(places(/from 'tweetnacl'|import\('tweetnacl'\)/, ['src/core/keys.ts'])).toEqual([])
  })

  test('read the environment in config/load.ts only', () => {
    expect(places(/\bprocess\.env\b/, ['src/config/load.ts'])).toEqual([])
  })

  test('speak SQL in store/ and db/ only', () => {
    const statement = anyOf(
      /['"`]\s*SELECT\s+[\w*(][^'"`]*\bFROM\b/,
      /['"`]\s*INSERT\s+(?:OR\s+\w+\s+)?INTO\b/,
      /['"`]\s*UPDATE\s+\w+\s+SET\b/,
      /['"`]\s*DELETE\s+FROM\b/,
      /['"`]\s*CREATE\s+(?:TABLE|INDEX|UNIQUE)\b/,
    )
    expect(places(statement, [], ['src/store/', 'src/db/'])).toEqual([])
  })

  test('have no SQL tag outside of store/ and db/', () => {
    expect(places(/\bsql`/, [], ['src/store/', 'src/db/'])).toEqual([])
  })

  test('let the core be pure', () => {
    const core = sources.filter(({ path }) => path.startsWith('src/core/'))
    const impure = core.flatMap((source) =>
      importsOf(source.text)
        .filter((name) => !name.startsWith('.') && !allowedInCore(source.path, name))
        .map((name) => `${source.path} imports ${name}`),
    )
    expect(impure).toEqual([])
    expect(core.filter(({ code }) => /\basync\b|\bawait\b/.test(code)).map(({ path }) => path)).toEqual([])
  })

  test('have no default exports, commands excepted', () => {
    expect(places(/^export default\b/m, [], ['commands/'])).toEqual([])
  })

  test('fit a bundle: no import.meta, no top-level await', () => {
    expect(places(/\bimport\.meta\b|^await\b|^(?:const|let) [^\n]*= await\b/m)).toEqual([])
  })

  test('call commit and migrate where they may', () => {
    expect(
      sources
        .filter(({ path, code }) => /\bdb\.commit\(/.test(code) && !/^src\/(?:actions\/write\.ts$|db\/)/.test(path))
        .map(({ path }) => path),
    ).toEqual([])
  })
})

describe('all files', () => {
  const files = [...sources, ...tests]

  test(`have at most ${MAX_FILE_LINES} lines`, () => {
    const long = files.filter(({ text }) => text.trimEnd().split('\n').length > MAX_FILE_LINES)
    expect(long.map(({ path, text }) => `${path}: ${text.trimEnd().split('\n').length}`)).toEqual([])
  })

  test(`have lines of at most ${MAX_LINE_LENGTH} characters`, () => {
    const long = files.flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, index) => (line.length > MAX_LINE_LENGTH ? [`${path}:${index + 1}`] : [])),
    )
    expect(long).toEqual([])
  })

  test(`have functions of at most ${MAX_FUNCTION_LINES} lines`, () => {
    expect(sources.flatMap(({ path, text }) => longFunctions(path, text, MAX_FUNCTION_LINES))).toEqual([])
  })
})

describe('the rules', () => {
  test('notice an import that goes up, sideways, or around', () => {
    const planted = (path: string, target: string) => wrongImports(source(path, `import { a } from '${target}'\n`), [])
    expect(planted('src/core/x.ts', '../db/sql.ts')).toHaveLength(1)
    expect(planted('src/actions/x.ts', '../views/y.ts')).toHaveLength(1)
    expect(planted('src/views/sync/x.ts', '../../actions/y.ts')).toHaveLength(1)
    expect(planted('commands/x.ts', '../src/actions/y.ts')).toHaveLength(1)
    expect(planted('src/http/x.ts', '../actions/y.ts')).toEqual([])
  })

  test('notice a long function', () => {
    const body = '  a()\n'.repeat(MAX_FUNCTION_LINES + 1)
    expect(longFunctions('x.ts', `function long() {\n${body}}\n`, MAX_FUNCTION_LINES)).toEqual(['x.ts:1 (73)'])
    expect(longFunctions('x.ts', 'function short() {\n  a()\n}\n', MAX_FUNCTION_LINES)).toEqual([])
  })
})

function anyOf(...patterns: readonly RegExp[]): RegExp {
  return new RegExp(patterns.map(({ source }) => `(?:${source})`).join('|'))
}

function places(pattern: RegExp, files: readonly string[] = [], folders: readonly string[] = []): string[] {
  return sources
    .filter(({ path }) => !files.includes(path) && !folders.some((folder) => path.startsWith(folder)))
    .filter(({ code }) => pattern.test(code))
    .map(({ path }) => path)
}

function wrongImports({ path, text }: Source, known: readonly Source[]): string[] {
  const from = folderOf(path)
  const allowed = MAY_IMPORT[from]
  if (allowed === undefined) return [`${path} stands in no known folder`]
  return importsOf(text)
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(ROOT, resolve(ROOT, dirname(path), name)))
    .filter((target) => {
      const to = folderOf(target)
      if (to === from || allowed.includes(to)) return false
      if (allowed.some((one) => target === `src/${one}.ts`)) return false
      return known.length === 0 || target.startsWith('src/') || target.startsWith('commands/')
    })
    .map((target) => `${path} imports ${target}`)
}

/** `http` for src/http/client/x.ts; `app` for src/app.ts. */
function folderOf(path: string): string {
  const [first = '', second = ''] = path.split('/')
  return first === 'src' ? second.replace(/\.ts$/, '') : first
}

function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:^|\s)(?:from |import |(?:await )?import\()'([^']+)'/g)].map((match) => match[1] ?? '')
}

function allowedInCore(path: string, name: string): boolean {
  if (name === 'node:crypto') return ['src/core/keys.ts', 'src/core/hash.ts'].includes(path)
  return name === 'tweetnacl'
}

function read(folder: string): Source[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => source(join(folder, name), readFileSync(join(ROOT, folder, name), 'utf8')))
}

function source(path: string, text: string): Source {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
  return { path, text, code }
}
