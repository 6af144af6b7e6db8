import { count, type FileOfTests, type Passing } from './passing.ts'

/** The parts of Matrix that Sytest's files are about; the first beginning of a name that fits counts. */
const AREAS: readonly (readonly [area: string, ...beginnings: string[]])[] = [
  ['Encryption keys', '41end-to-end-keys'],
  ['Media', '51media'],
  ['User directory', '52user-directory'],
  ['Application services', '60app-services'],
  ['Push', '61push', '10apidoc/46push'],
  ['E-mail, identity servers, single sign-on', '12login', '54identity', '30rooms/12thirdparty', '45openid'],
  ['Federation', '50federation', '46direct/04', '30rooms/03members-remote'],
  ['Accounts and devices', '10apidoc/0', '10apidoc/1', '11register', '13logout', '14account', '48admin'],
  ['Account data, presence, receipts, typing', '10apidoc/2', '10apidoc/35', '10apidoc/37', '10apidoc/38'],
  ['Account data, presence, receipts, typing', '10apidoc/44', '21presence', '30rooms/20', '30rooms/21'],
  ['Account data, presence, receipts, typing', '40presence', '42tags', '44account', '49ignore'],
  ['Device messages', '46direct'],
  ['Sync', '31sync', '80torture/10'],
  ['Rooms', '10apidoc', '30rooms', '32room', '80torture'],
  ['Rest', ''],
]

/** Area -> how much of it passes, in the order of the table. */
export function byArea(files: Passing['files']): Map<string, { passing: number; total: number }> {
  const groups = new Map<string, Map<string, FileOfTests>>()
  for (const [area] of AREAS.toReversed()) groups.set(area, new Map())
  for (const [file, tests] of files) groups.get(areaOf(file))?.set(file, tests)
  return new Map([...groups].map(([area, group]) => [area, count(group)]))
}

export function areaOf(file: string): string {
  return AREAS.find(([, ...beginnings]) => beginnings.some((beginning) => file.startsWith(beginning)))?.[0] ?? 'Rest'
}

/** As in `97.2 % (35 of 36)`. */
export function share({ passing, total }: { passing: number; total: number }): string {
  return total === 0 ? '-' : `${((100 * passing) / total).toFixed(1)} % (${passing} of ${total})`
}
