import type { AnyEndpoint } from '../../src/http/endpoint.ts'
import { SPEC } from './table.ts'

const BEGIN = '<!-- made by `npm run endpoints` -->'
const END = '<!-- end -->'

/** The part of README that is generated. */
export const README_STATE = new RegExp(`${BEGIN}[\\s\\S]*?${END}`)

/** README's table of the areas of the specification, and how much of each is served. */
export function stateOfSpecification(served: readonly AnyEndpoint[]): string {
  const keys = new Set(served.map(({ method, path }) => `${method} ${path}`))
  const areas = [...new Set(SPEC.map(({ area }) => area))].sort().map((area) => {
    const rows = SPEC.filter((row) => row.area === area)
    const count = rows.filter(({ key }) => keys.has(key)).length
    return [area, count === rows.length ? `all ${count}` : `${count} of ${rows.length}`] as const
  })
  const total = SPEC.filter(({ key }) => keys.has(key)).length
  const rows = [['Area', 'Endpoints'] as const, ...areas, ['together', `${total} of ${SPEC.length}`] as const]
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)))
  const lines = rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`)
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [BEGIN, '', lines[0], rule, ...lines.slice(1), '', END].join('\n')
}

/** The counts in a text made by `stateOfSpecification`, by area. */
export function readState(text: string): Map<string, number> {
  const rows = text.matchAll(/^\| (.+?) +\| (?:all )?(\d+)(?: of \d+)? +\|$/gm)
  return new Map([...rows].map(([, area = '', count]) => [area.trim(), Number(count)]))
}
