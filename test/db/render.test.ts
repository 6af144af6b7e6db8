import { expect, test } from 'vitest'
import { render } from '../../src/db/render.ts'
import { intList, logPosition, perDialect, type SqlValue, sql, textList } from '../../src/db/sql.ts'

test('one text becomes that of each engine', () => {
  const some = sql`name = ${'x'} AND ${perDialect({ sqlite: 'lite', postgres: 'post' })}`
  const query = sql`SELECT a FROM t WHERE ${some} AND b IN ${textList(['p', 'q'])}
    AND c IN ${intList([1])} AND d = ${null} AND e = ${Uint8Array.of(7)} AND f <= ${logPosition(1)} LIMIT ${5}`
  const lite = render(query, 'sqlite', [10, 11])
  expect(lite.statement.text).toBe(`SELECT a FROM t WHERE name = ? AND lite AND b IN (SELECT value FROM json_each(?))
    AND c IN (SELECT value FROM json_each(?)) AND d = ? AND e = ? AND f <= ? LIMIT 0 + ?`)
  expect(lite.values).toEqual(['x', '["p","q"]', '[1]', null, Uint8Array.of(7), 11, 5])
  const post = render(query, 'postgres', [10, 11])
  expect(post.statement.text).toBe(`SELECT a FROM t WHERE name = $1::text AND post AND b = ANY ($2::text[])
    AND c = ANY ($3::bigint[]) AND d = $4 AND e = $5::bytea AND f <= $6::bigint LIMIT $7::bigint`)
  expect(post.values).toEqual(['x', ['p', 'q'], [1], null, Uint8Array.of(7), 11, 5])
})

test('only lists of members are compared, and those that are not in a list too', () => {
  const query = sql`SELECT l.* FROM ${intList([1])} AS l WHERE l.a NOT IN
    ${intList([2])}`
  expect(render(query, 'postgres').statement.text).toBe(
    'SELECT l.* FROM (SELECT unnest($1::bigint[])) AS l WHERE l.a <> ALL ($2::bigint[])',
  )
})

test('a call site is rendered once per shape', () => {
  const site = (value: SqlValue, inner = sql`x = ${1}`) => sql`SELECT ${value} WHERE ${inner}`
  const statement = (value: SqlValue, dialect: 'sqlite' | 'postgres', inner?: ReturnType<typeof sql>) =>
    render(site(value, inner), dialect).statement
  expect(statement('a', 'sqlite')).toBe(statement(2, 'sqlite'))
  expect(statement('a', 'postgres')).toBe(statement('b', 'postgres'))
  expect(statement('a', 'postgres')).not.toBe(statement(2, 'postgres'))
  expect(statement('a', 'postgres').name).not.toBe(statement(null, 'postgres').name)
  expect(statement('a', 'sqlite', sql`y = ${1}`).text).toBe('SELECT ? WHERE y = ?')
})

test('what cannot be stored alike on both engines is refused', () => {
  for (const value of [0.5, Number.NaN, 2 ** 53]) expect(() => render(sql`${value}`, 'sqlite')).toThrow(TypeError)
  expect(() => render(sql`${'a\0'}`, 'postgres')).toThrow(TypeError)
  expect(() => render(sql`${textList(['a\0'])}`, 'postgres')).toThrow(TypeError)
  expect(() => render(sql`${logPosition(0)}`, 'postgres')).toThrow(TypeError)
  expect(() => render(sql`${undefined as unknown as string}`, 'sqlite')).toThrow(TypeError)
})
