import { type Static, Type } from '@sinclair/typebox'
import { parseEventFilter, parseEventFilterText } from '../core/filter.ts'
import type { MessagesRequest } from '../views/messages.ts'

const DEFAULT_LIMIT = 10
const MAX_LIMIT = 1_000

/** The query of `/rooms/{roomId}/messages`, but for the direction (Client-Server API, "Getting events for a room"). */
export const MessageQuery = {
  from: Type.Optional(Type.String()),
  to: Type.Optional(Type.String()),
  limit: Type.Optional(Type.Integer()),
  filter: Type.Optional(Type.String()),
}
const Query = Type.Object(MessageQuery)

/** What of the history it asks for. Errors: those of a filter that is none. */
export function pageOfMessages({
  from,
  to,
  limit = DEFAULT_LIMIT,
  filter,
}: Static<typeof Query>): Pick<MessagesRequest, 'from' | 'to' | 'limit' | 'filter'> {
  return {
    // Clients that have no token may send an empty one.
    from: from === '' ? undefined : from,
    to,
    limit: Math.min(Math.max(limit, 1), MAX_LIMIT),
    filter: filter === undefined ? parseEventFilter(undefined) : parseEventFilterText(filter),
  }
}
