import { isObject, type JsonValue, own } from './json.ts'

/** The key of `content` that a search looks into, by event type (Client-Server API, "Server Side Search"). */
const KEYS: ReadonlyMap<string, string> = new Map([
  ['m.room.message', 'body'],
  ['m.room.name', 'name'],
  ['m.room.topic', 'topic'],
])

export const SEARCHABLE_TYPES: readonly string[] = [...KEYS.keys()]

/** As requests name them: `content.body`. */
export const SEARCHABLE_KEYS: readonly string[] = [...KEYS.values()].map((key) => `content.${key}`)

/** Whether the text of such an event stands under one of the keys, named as in requests. */
export function isUnderKeys(type: string, keys: readonly string[]): boolean {
  return keys.includes(`content.${KEYS.get(type)}`)
}

/** What of the event can be found; '' when there is nothing. A topic is also its plain form in `m.topic`. */
export function searchableText(type: string, content: JsonValue): string {
  const key = KEYS.get(type)
  if (key === undefined || !isObject(content)) return ''
  const text = own(content, key)
  const texts = typeof text === 'string' ? [text] : []
  if (type === 'm.room.topic') texts.push(...plainTopics(own(content, 'm.topic')))
  return texts.join('\n')
}

function plainTopics(topic: JsonValue | undefined): string[] {
  const forms = topic !== undefined && isObject(topic) ? own(topic, 'm.text') : undefined
  if (!Array.isArray(forms)) return []
  return (forms as readonly JsonValue[]).flatMap((form) => {
    if (!isObject(form) || (own(form, 'mimetype') ?? 'text/plain') !== 'text/plain') return []
    const body = own(form, 'body')
    return typeof body === 'string' ? [body] : []
  })
}
