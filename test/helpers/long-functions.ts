/**
 * The functions of a formatted source that are longer than `max` lines, as `path:line (length)`. It goes by the
 * formatter's indentation: a head that opens a body ends where a closing brace stands at the same depth.
 */
export function longFunctions(path: string, text: string, max: number): string[] {
  const lines = text.split('\n')
  return lines.flatMap((line, index) => {
    if (!HEAD.test(line)) return []
    const indent = /^\s*/.exec(line)?.[0] ?? ''
    const open = bodyStart(lines, index, indent)
    if (open === undefined) return []
    const end = lines.findIndex((other, at) => at > open && other.startsWith(`${indent}}`))
    const length = end - index + 1
    return end >= 0 && length > max ? [`${path}:${index + 1} (${length})`] : []
  })
}

const HEAD = new RegExp(
  [
    String.raw`^\s*(?:export )?(?:default )?(?:async )?function\b`,
    // Methods, whether their parameters stand on one line or on many.
    String.raw`^\s*(?:(?:protected|private|override|static|async|get|set) )*[\w$]+(?:<[^>]*>)?\((?:[^;=]*\{)?$`,
    String.raw`^\s*(?:export )?(?:const|let) [\w$]+ = (?:async )?(?:\([^)]*\)|\w+).*=>\s*\{$`,
  ].join('|'),
)

/** The line on which the body opens: the head's own, or the one that closes a list of parameters. */
function bodyStart(lines: readonly string[], index: number, indent: string): number | undefined {
  if (/\{$/.test(lines[index] ?? '')) return index
  for (let at = index + 1; at < lines.length; at += 1) {
    const line = lines[at] ?? ''
    if (line.startsWith(`${indent})`)) return line.endsWith('{') ? at : undefined
    if (!line.startsWith(`${indent} `)) return undefined
  }
  return undefined
}
