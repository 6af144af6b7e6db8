/** What a run said about one test; tests of one name in one file count as one. */
export interface Result {
  /** As in `30rooms/05aliases.pl`. */
  readonly file: string
  readonly name: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  /** Why it failed or was skipped, and what Sytest logged about it. */
  readonly detail: string
}

/** Reads the lines that `perl/SyTest/Output/Lines.pm` writes. A line that is none of those counts as a remark. */
export function readResults(lines: readonly string[]): Result[] {
  const results = new Map<string, Result>()
  let last = ''
  for (const line of lines) {
    const { remark, ...result } = readLine(line)
    const known = results.get(last)
    if (remark !== undefined) {
      if (known?.outcome === 'failed') results.set(last, { ...known, detail: `${known.detail}\n${remark}` })
      continue
    }
    const key = JSON.stringify([result.file, result.name])
    if (results.get(key)?.outcome !== 'failed') results.set(key, result)
    last = key
  }
  return [...results.values()]
}

function readLine(line: string): Result & { remark?: string } {
  const object: unknown = line.startsWith('{') ? JSON.parse(line) : { remark: line }
  return object as Result & { remark?: string }
}
