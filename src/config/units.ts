const NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

const BYTES: Readonly<Record<string, number>> = { '': 1, b: 1, kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30, tb: 2 ** 40 }

/**
 * A Go duration such as `168h0m0s` or `1.5h`, or an integer of nanoseconds, in milliseconds; undefined if it is none.
 */
export function parseDuration(value: string | number): number | undefined {
  const text = String(value).trim()
  if (/^\d+$/.test(text)) return Number(text) / 1e6
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined
  let nanoseconds = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    nanoseconds += Number(amount) * (NANOSECONDS[unit ?? ''] ?? 0)
  }
  return nanoseconds / 1e6
}

/** Milliseconds as a Go duration. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${ms}ms`
  const seconds = ms / 1000
  return `${Math.floor(seconds / 3600)}h${Math.floor((seconds % 3600) / 60)}m${seconds % 60}s`
}

/** `64mb` or an integer of bytes, in bytes; undefined if it is neither. */
export function parseSize(value: string | number): number | undefined {
  const match = /^(\d+)\s*([kmgt]?b)?$/i.exec(String(value).trim())
  if (match === null) return undefined
  return Number(match[1]) * (BYTES[(match[2] ?? '').toLowerCase()] ?? 1)
}
