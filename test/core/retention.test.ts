import { expect, test } from 'vitest'
import { lifetimeOf } from '../../src/core/retention.ts'

const rules = (max = 0, min = 0, least = 0, most = 0) => ({
  default_policy: { min_lifetime: min, max_lifetime: max },
  allowed_lifetime_min: least,
  allowed_lifetime_max: most,
})

test.each([
  ['neither says anything', rules(), undefined, undefined],
  ['the room alone', rules(), { max_lifetime: 100 }, 100],
  ['the server alone', rules(50), {}, 50],
  ['the stricter wins: the room', rules(500), { max_lifetime: 100 }, 100],
  ['the stricter wins: the server', rules(50), { max_lifetime: 100 }, 50],
  ['what the room promises is kept', rules(50), { max_lifetime: 100, min_lifetime: 80 }, 80],
  ['no less than the least, if the two contradict', rules(), { max_lifetime: 100, min_lifetime: 300 }, 300],
  ['what the server promises is kept unless the room says otherwise', rules(0, 60), { max_lifetime: 10 }, 60],
  ['the room promises less than the server', rules(0, 60), { max_lifetime: 10, min_lifetime: 0 }, 10],
  ['a promise alone takes nothing', rules(), { min_lifetime: 10 }, undefined],
  ['the least that the server allows', rules(0, 0, 70), { max_lifetime: 0 }, 70],
  ['the most that the server allows', rules(0, 0, 0, 90), { max_lifetime: 100, min_lifetime: 100 }, 90],
  ['what is no time', rules(), { max_lifetime: '100', min_lifetime: null }, undefined],
  ['what is no time beside a promise of the server', rules(40), { max_lifetime: -1, min_lifetime: [1] }, 40],
])('%s', (_name, server, content, lifetime) => {
  expect(lifetimeOf(server, content)).toBe(lifetime)
})
