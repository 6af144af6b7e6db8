import type { App } from '../app.ts'
import { isServerName } from '../core/ids.ts'
import { isObject, type JsonObject, type JsonValue, own, parseJson } from '../core/json.ts'
import type { MediaName } from '../store/media.ts'
import { contentsOf } from '../store/room-media.ts'

/** Events looked at by one query; others come to their turn between two. */
const EVENTS_AT_ONCE = 1_000
const URI = /^mxc:\/\/([^/]+)\/([A-Za-z0-9_-]{1,255})$/

/**
 * The files that the events of a room show: by `url` and `thumbnail_url`, also in what was redacted and as `file` of an
 * encrypted file. What encrypted events show nobody here can see.
 */
export async function* roomMedia(app: App, room: number): AsyncGenerator<readonly MediaName[]> {
  const known = new Set<string>()
  for (let after = { topo: -1, event: -1 }; ; ) {
    const rows = await contentsOf(app.db, room, after, EVENTS_AT_ONCE)
    const uris = rows.flatMap(({ content, original }) => [...urisIn(content), ...urisIn(original)])
    const fresh = new Set(uris.filter((uri) => !known.has(uri)))
    for (const uri of fresh) known.add(uri)
    yield [...fresh].flatMap(nameIn)
    const last = rows.at(-1)
    if (last === undefined || rows.length < EVENTS_AT_ONCE) return
    after = last
  }
}

function urisIn(text: string | null): string[] {
  const content = text === null ? undefined : parseJson(text)
  if (!isObject(content)) return []
  const info = objectIn(content, 'info')
  const places = [
    own(content, 'url'),
    own(objectIn(content, 'file'), 'url'),
    own(info, 'thumbnail_url'),
    own(objectIn(info, 'thumbnail_file'), 'url'),
  ]
  return places.filter((uri) => typeof uri === 'string')
}

function objectIn(object: JsonObject, key: string): JsonObject {
  const value: JsonValue | undefined = own(object, key)
  return isObject(value) ? value : {}
}

function nameIn(uri: string): MediaName[] {
  const [, origin = '', mediaId = ''] = URI.exec(uri) ?? []
  return isServerName(origin) ? [{ origin, media_id: mediaId }] : []
}
