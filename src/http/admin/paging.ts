import { Type } from '@sinclair/typebox'

const LIMIT_DEFAULT = 100
const LIMIT_MAX = 1_000
const FROM_MAX = 1_000_000_000

/** Lists of the administration API are paged by how many have been shown. */
export const Page = {
  from: Type.Optional(Type.Integer({ minimum: 0, maximum: FROM_MAX })),
  limit: Type.Optional(Type.Integer({ minimum: 0 })),
}

export const Direction = Type.Optional(Type.Union([Type.Literal('f'), Type.Literal('b')]))

export function pageOf({ from = 0, limit = LIMIT_DEFAULT }: { from?: number; limit?: number }) {
  return { from, limit: Math.min(limit, LIMIT_MAX) }
}
