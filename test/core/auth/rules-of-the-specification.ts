/**
 * The numbers of the authorisation rules as the specification prints them for each room version, down to the last
 * level (Rooms, "Authorization rules"), read from its pages; a range stands for consecutive numbers of the last level.
 */
const PAGES: readonly (readonly [versions: string, rules: string])[] = [
  [
    '1 2',
    `1.1-5 2.1-5 3 4.1-3
     5.1 5.2.1-6 5.3.1.1-6 5.3.1.7.1-2 5.3.1.8 5.3.2-5 5.4.1-5 5.5.1-3 5.6
     6 7.1 8 9 10.1-2 10.3.1-2 10.4.1 10.5.1 10.6.1 10.7.1 10.8 11.1-3 12`,
  ],
  [
    '3 4 5',
    `1.1-5 2.1-5 3 4.1-3
     5.1 5.2.1-6 5.3.1.1-6 5.3.1.7.1-2 5.3.1.8 5.3.2-5 5.4.1-5 5.5.1-3 5.6
     6 7.1 8 9 10.1-2 10.3.1-2 10.4.1 10.5.1 10.6.1 10.7.1 10.8 11`,
  ],
  [
    '6',
    `1.1-5 2.1-5 3
     4.1 4.2.1-6 4.3.1.1-6 4.3.1.7.1-2 4.3.1.8 4.3.2-5 4.4.1-5 4.5.1-3 4.6
     5 6.1 7 8 9.1-2 9.3.1-2 9.4.1 9.5.1 9.6.1 9.7.1 9.8 10`,
  ],
  [
    '7',
    `1.1-5 2.1-5 3
     4.1 4.2.1-6 4.3.1.1-6 4.3.1.7.1-2 4.3.1.8 4.3.2-5 4.4.1-5 4.5.1-3 4.6.1-4 4.7
     5 6.1 7 8 9.1-2 9.3.1-2 9.4.1 9.5.1 9.6.1 9.7.1 9.8 10`,
  ],
  [
    '8 9',
    `1.1-5 2.1-5 3
     4.1 4.2.1 4.3.1-4 4.3.5.1-3 4.3.6-7 4.4.1.1-6 4.4.1.7.1-2 4.4.1.8 4.4.2-5 4.5.1-5 4.6.1-3 4.7.1-4 4.8
     5 6.1 7 8 9.1-2 9.3.1-2 9.4.1 9.5.1 9.6.1 9.7.1 9.8 10`,
  ],
  [
    '10',
    `1.1-5 2.1-5 3
     4.1 4.2.1 4.3.1-4 4.3.5.1-3 4.3.6-7 4.4.1.1-6 4.4.1.7.1-2 4.4.1.8 4.4.2-5 4.5.1-5 4.6.1-3 4.7.1-4 4.8
     5 6.1 7 8 9.1-4 9.5.1-2 9.6.1 9.7.1 9.8.1 9.9.1 9.10 10`,
  ],
  [
    '11',
    `1.1-4 2.1-5 3
     4.1 4.2.1 4.3.1-4 4.3.5.1-3 4.3.6-7 4.4.1.1-6 4.4.1.7.1-2 4.4.1.8 4.4.2-5 4.5.1-5 4.6.1-3 4.7.1-4 4.8
     5 6.1 7 8 9.1-4 9.5.1-2 9.6.1 9.7.1 9.8.1 9.9.1 9.10 10`,
  ],
  [
    '12',
    `1.1-5 2 3.1-4 4
     5.1 5.2.1 5.3.1-4 5.3.5.1-3 5.3.6-7 5.4.1.1-6 5.4.1.7.1-2 5.4.1.8 5.4.2-5 5.5.1-5 5.6.1-3 5.7.1-4 5.8
     6 7.1 8 9 10.1-5 10.6.1-2 10.7.1 10.8.1 10.9.1 10.10.1 10.11 11`,
  ],
]

/** The rules of every room version: version -> numbers, in order. */
export const RULES_OF_VERSIONS: ReadonlyMap<string, readonly string[]> = new Map(
  PAGES.flatMap(([versions, rules]) => versions.split(' ').map((version) => [version, expanded(rules)] as const)),
)

function expanded(rules: string): string[] {
  return rules
    .trim()
    .split(/\s+/)
    .flatMap((range) => {
      const [, above = '', first = '', last = first] = /^((?:\d+\.)*)(\d+)(?:-(\d+))?$/.exec(range) ?? []
      return Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => `${above}${Number(first) + index}`)
    })
}
