import fc from 'fast-check'
import { expect, test } from 'vitest'
import { boundaryIn, type Found, readMultipart } from '../../src/core/multipart.ts'

/** What is found when the body is cut at these places. */
function read(body: string, boundary: string, cuts: readonly number[] = []): Found[] {
  const places = [0, ...[...cuts].sort((a, b) => a - b), body.length]
  const reader = readMultipart(boundary)
  return places.slice(1).flatMap((end, index) => reader(Buffer.from(body.slice(places[index], end), 'latin1')))
}

/** Headers and bodies, the bytes of each put together. */
function partsOf(found: readonly Found[]) {
  const parts: { headers: Record<string, string>; body: string }[] = []
  for (const one of found) {
    if ('headers' in one) parts.push({ headers: Object.fromEntries(one.headers), body: '' })
    if ('bytes' in one) parts.at(-1)!.body += one.bytes.toString('latin1')
  }
  return parts
}

const TWO = '--x\r\nContent-Type: application/json\r\n\r\n{}\r\n--x\r\nA: b\r\n\r\nas\r\n--y\r\n--\r\nis\r\n--x--\r\n'

test('two parts come out as they went in, wherever the bytes are cut', () => {
  const parts = [
    { headers: { 'content-type': 'application/json' }, body: '{}' },
    { headers: { a: 'b' }, body: 'as\r\n--y\r\n--\r\nis' },
  ]
  expect(partsOf(read(TWO, 'x'))).toEqual(parts)
  expect(
    partsOf(
      read(
        TWO,
        'x',
        [...TWO].map((_, index) => index),
      ),
    ),
  ).toEqual(parts)
  fc.assert(
    fc.property(fc.array(fc.nat(TWO.length)), (cuts) => {
      const found = read(TWO, 'x', cuts)
      expect(partsOf(found)).toEqual(parts)
      expect(found.at(-1)).toEqual({ end: 'last part' })
    }),
  )
})

test('a body that breaks off has no end, and headers without one are nonsense', () => {
  expect(read(TWO.slice(0, -8), 'x').some((one) => 'end' in one)).toBe(false)
  expect(partsOf(read('no parts at all', 'x'))).toEqual([])
  expect(read(`--x\r\n${'a: b\r\n'.repeat(10_000)}`, 'x')).toEqual([{ end: 'nonsense' }])
})

test('the boundary stands in the content type, in quotes or not', () => {
  expect(boundaryIn('multipart/mixed; boundary=abc')).toBe('abc')
  expect(boundaryIn('Multipart/Mixed; charset=x; boundary="a b;c"')).toBe('a b;c')
  for (const type of ['text/plain; boundary=abc', 'multipart/mixed', 'multipart/mixed; boundary=', '']) {
    expect([type, boundaryIn(type)]).toEqual([type, undefined])
  }
})
