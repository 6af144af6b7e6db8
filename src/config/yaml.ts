import { isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml'

/** Where the values of a parsed text stand. */
export interface SourceMap {
  /** The line (from 1) of the value at `path`, or of the nearest thing around it that has one. */
  lineOf(path: readonly string[]): number | undefined
}

/** YAML 1.1, as the Go Dendrite reads it (`yes` and `on` are booleans). `errors` name their lines. */
export function parseYaml(text: string): { value: unknown; lines: SourceMap; errors: string[] } {
  const lineCounter = new LineCounter()
  const documents = parseAllDocuments(text, { version: '1.1', lineCounter, prettyErrors: false, uniqueKeys: true })
  const document = 'empty' in documents ? undefined : documents[0]
  const errors = (document?.errors ?? []).map(
    (error) => `line ${lineCounter.linePos(error.pos[0]).line}: ${error.message}`,
  )
  if (!('empty' in documents) && documents.length > 1) errors.push('holds more than one YAML document')
  const root = document?.contents ?? null
  return {
    value: errors.length > 0 ? undefined : (document?.toJS({ maxAliasCount: 100 }) ?? {}),
    lines: { lineOf: (path) => lineOf(root, path, lineCounter) },
    errors,
  }
}

function lineOf(root: Node | null, path: readonly string[], lineCounter: LineCounter): number | undefined {
  let node: unknown = root
  let offset: number | undefined
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === step)
      if (pair === undefined) break
      offset = isScalar(pair.key) ? (pair.key.range?.[0] ?? offset) : offset
      node = pair.value
    } else if (isSeq(node)) {
      node = node.items[Number(step)]
      offset = (node as Node | undefined)?.range?.[0] ?? offset
    } else break
  }
  return offset === undefined ? undefined : lineCounter.linePos(offset).line
}
