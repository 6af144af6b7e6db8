import { expect, test } from 'vitest'
import { together } from '../../src/db/postgres-rows.ts'
import { render } from '../../src/db/render.ts'
import { intList, rowsOf, type Sql, sql } from '../../src/db/sql.ts'

const THINGS = {
  name: 'things',
  columns: { name: 'text', value: 'bigint' },
  onConflict: 'ON CONFLICT DO NOTHING',
} as const
const EDGES = { name: 'edges', columns: { a: 'bigint', b: 'bigint' } } as const
const PLACES = { name: 'places', columns: { place: 'bigint', room: 'bigint' }, key: 'room' } as const

const thing = (name: string, value: number | null) =>
  rowsOf(THINGS, sql`INSERT INTO things (name, value) VALUES (${name}, ${value}) ON CONFLICT DO NOTHING`)
const edges = (a: number, b: readonly number[]) =>
  rowsOf(EDGES, sql`INSERT INTO edges (a, b) SELECT ${a}, b.* FROM ${intList(b)} AS b`)
const place = (room: number, at: number) => rowsOf(PLACES, sql`UPDATE places SET place = ${at} WHERE room = ${room}`)

function written(batches: readonly (readonly Sql[])[]): [string, unknown[]][] {
  const rendered = batches.map((batch) => batch.map((write) => ({ ...render(write, 'postgres'), rows: write.rows })))
  return together(rendered).map(({ statement, values }) => [statement.text.replace(/\s+/g, ' ').trim(), values])
}

test('neighbours that write nothing but rows are written table by table', () => {
  const batches = [
    [thing('a', 1), edges(1, [7, 8]), place(1, 5)],
    [thing('b', null), place(2, 6)],
    [thing('c', 3), edges(3, [9]), place(1, 7)],
  ]
  expect(written(batches)).toEqual([
    [
      'INSERT INTO things (name, value) SELECT * FROM unnest($1::text[], $2::bigint[]) ON CONFLICT DO NOTHING',
      [
        ['a', 'b', 'c'],
        [1, null, 3],
      ],
    ],
    [
      'INSERT INTO edges (a, b) SELECT * FROM unnest($1::bigint[], $2::bigint[])',
      [
        [1, 1, 3],
        [7, 8, 9],
      ],
    ],
    [
      'UPDATE places AS t SET place = v.place FROM unnest($1::bigint[], $2::bigint[]) AS v (place, room) ' +
        'WHERE t.room = v.room AND t.room = ANY ($2)',
      [
        [7, 6],
        [1, 2],
      ],
    ],
  ])
})

test('what does anything else is written in its place, and whoever has no neighbour as it is', () => {
  const other = sql`UPDATE things SET value = 0`
  const texts = written([[thing('a', 1), edges(1, [2])], [other, thing('b', 2)], [thing('c', 3)], [thing('d', 4)]]).map(
    ([text]) => text.split(' ').slice(0, 4).join(' '),
  )
  expect(texts).toEqual([
    'INSERT INTO things (name,',
    'INSERT INTO edges (a,',
    'UPDATE things SET value',
    'INSERT INTO things (name,',
    'INSERT INTO things (name,',
  ])
})
