import type { Result } from './results.ts'

/** The tests of one file: how many there are, and the names of those that pass. */
export interface FileOfTests {
  readonly total: number
  readonly passing: readonly string[]
}

export interface Passing {
  /** Commit of Sytest. */
  readonly commit: string
  readonly engine: string
  /** By the name of the file, as in `30rooms/05aliases.pl`. */
  readonly files: ReadonlyMap<string, FileOfTests>
}

/** What `sqlite.txt` and `postgres.txt` hold: a head, then each file with its passing tests below it. */
export function readPassing(text: string): Passing {
  const [head = '', ...lines] = text.split('\n')
  const [, commit = '', engine = ''] = /^# Sytest (\w+) on (\w+)/.exec(head) ?? []
  const files = new Map<string, { total: number; passing: string[] }>()
  let current: { total: number; passing: string[] } | undefined
  for (const line of lines) {
    const [, file, total] = /^(\S+): \d+ of (\d+)$/.exec(line) ?? []
    if (file !== undefined) {
      current = { total: Number(total), passing: [] }
      files.set(file, current)
    } else if (line.startsWith('  ')) current?.passing.push(line.slice(2))
  }
  return { commit, engine, files }
}

export function writePassing({ commit, engine, files }: Passing): string {
  const { passing, total } = count(files)
  const blocks = [...files]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([file, { total, passing }]) => [
      `${file}: ${passing.length} of ${total}`,
      ...passing.map((name) => `  ${oneLine(name)}`),
    ])
  return [`# Sytest ${commit} on ${engine}: ${passing} of ${total} pass.`, ...blocks.flat(), ''].join('\n')
}

export function count(files: Passing['files']): { passing: number; total: number } {
  let [passing, total] = [0, 0]
  for (const file of files.values()) {
    passing += file.passing.length
    total += file.total
  }
  return { passing, total }
}

/** The names on the list that a run went through, or should have, and that did not pass. */
export function lost({ files }: Passing, results: readonly Result[]): string[] {
  return [...byFile(results)].flatMap(([file, run]) => {
    const passed = new Set(namesThatPassed(run))
    return (files.get(file)?.passing ?? []).filter((name) => !passed.has(name)).map((name) => `${file}: ${name}`)
  })
}

/** The list with what a run adds to it: a name that is on it stays. */
export function grown(list: Passing, results: readonly Result[]): Passing {
  const files = new Map(list.files)
  for (const [file, run] of byFile(results)) {
    const before = files.get(file)?.passing ?? []
    const names = new Set([...before, ...namesThatPassed(run)])
    // In the order of the file; what it has no longer stands at the end.
    const order = [...run.map(({ name }) => oneLine(name)).filter((name) => names.has(name)), ...before]
    files.set(file, { total: Math.max(run.length, names.size), passing: [...new Set(order)] })
  }
  return { ...list, files }
}

function byFile(results: readonly Result[]): Map<string, Result[]> {
  const files = new Map<string, Result[]>()
  for (const result of results) files.set(result.file, [...(files.get(result.file) ?? []), result])
  return files
}

function namesThatPassed(run: readonly Result[]): string[] {
  return run.filter(({ outcome }) => outcome === 'passed').map(({ name }) => oneLine(name))
}

function oneLine(name: string): string {
  return name.replace(/\s+/g, ' ').trim()
}
