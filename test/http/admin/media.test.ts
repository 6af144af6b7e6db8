import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { removeMedia } from '../../../src/actions/media/remove-media.ts'
import { write } from '../../../src/actions/write.ts'
import type { UserId } from '../../../src/core/ids.ts'
import type { Database } from '../../../src/db/database.ts'
import { sql } from '../../../src/db/sql.ts'
import { mediaOf, unusedNames } from '../../../src/store/media.ts'
import { expireMediaTask } from '../../../src/tasks/expire-media.ts'
import { removeContentsTask } from '../../../src/tasks/remove-contents.ts'
import { eachServer } from '../../helpers/each-server.ts'
import { picture } from '../../helpers/pictures.ts'
import { enter, enterAsAdmin, type Json, type Session } from '../../helpers/session.ts'

const ADMIN = '/_synapse/admin/v1'
const DAY_MS = 24 * 3_600_000

const idOf = (name: string) => name.split('/')[1] ?? ''

eachServer({}, (server) => {
  let names = 0
  const someone = () => enter(server, `media${++names}`)
  const admin = () => enterAsAdmin(server, `media-admin${++names}`)

  /** Resolves with the name behind `mxc://`. */
  async function upload(user: Session, body: Uint8Array | string): Promise<string> {
    const headers = { authorization: `Bearer ${user.token}`, 'content-type': 'image/png' }
    const reply = await fetch(`${server.url}/_matrix/media/v3/upload`, { method: 'POST', headers, body })
    return String(((await reply.json()) as Json).content_uri).slice('mxc://'.length)
  }

  async function statusOf(user: Session, name: string, how = 'download', query = ''): Promise<number> {
    const url = `${server.url}/_matrix/client/v1/media/${how}/${name}${query}`
    const reply = await fetch(url, { headers: { authorization: `Bearer ${user.token}` } })
    await reply.arrayBuffer()
    return reply.status
  }

  async function filesOnDisk(): Promise<number> {
    const root = resolve(server.dir, server.app.config.media_api.base_path)
    const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
    return entries.filter((entry) => entry.isFile()).length
  }

  /** What the tasks of removed files have to do. */
  async function takeAway(): Promise<void> {
    const rows = await server.app.db.read<{ id: string; payload: string }>(
      sql`SELECT id, payload FROM tasks WHERE kind = ${removeContentsTask.kind}`,
    )
    const signal = new AbortController().signal
    for (const { id, payload } of rows)
      await removeContentsTask.run(server.app, { id, payload: JSON.parse(payload), failures: 0, signal })
  }

  function setAccess(name: string, ts: number): Promise<unknown> {
    const [origin = '', mediaId = ''] = name.split('/')
    const writes = [sql`UPDATE media SET last_access_ts = ${ts} WHERE origin = ${origin} AND media_id = ${mediaId}`]
    return write(server.app, { guards: [], writes, log: [] })
  }

  const expire = (ages: { local: number; remote: number }, previews = 0) => {
    const retention = { ...ages, previews }
    const config = { ...server.app.config, media_api: { ...server.app.config.media_api, retention } }
    const task = { id: 'expire_media', payload: {}, failures: 0, signal: new AbortController().signal }
    return expireMediaTask.run({ ...server.app, config }, task)
  }

  test('an administrator sees the files of a user by pages; nobody else does', async () => {
    const [root, user] = [await admin(), await someone()]
    const uploaded = [await upload(user, 'one'), await upload(user, 'two'), await upload(user, 'three')]
    const path = `${ADMIN}/users/${encodeURIComponent(user.userId)}/media`
    const first = await root.get(`${path}?limit=2`)
    const rest = await root.get(`${path}?limit=2&from=${first.next_token}`)
    const ids = [...first.media, ...rest.media].map((file: Json) => `test.example/${file.media_id}`)
    expect([ids.toSorted(), first.total, rest.next_token]).toEqual([uploaded.toSorted(), 3, undefined])
    expect(first.media[0]).toMatchObject({ media_type: 'image/png', quarantined_by: null })
    for (const [method, at] of [
      ['GET', path],
      ['DELETE', path],
      ['POST', `${ADMIN}/media/delete?before_ts=1`],
      ['POST', `${ADMIN}/media/quarantine/${uploaded[0]}`],
    ] as const)
      expect(await user.refused(method, at, method === 'POST' ? {} : undefined)).toBe('403 M_FORBIDDEN')
  })

  test('what is quarantined is shown to nobody, under whichever name and size, until it is given back', async () => {
    const [root, user] = [await admin(), await someone()]
    const bytes = await picture(200, 120).png().toBuffer()
    const [name, twin, other] = [
      await upload(user, bytes),
      await upload(await someone(), bytes),
      await upload(user, 'x'),
    ]
    const thumbnail = (of: string) => statusOf(user, of, 'thumbnail', '?width=16&height=16&method=crop')
    expect(await thumbnail(name)).toBe(200)
    await root.post(`${ADMIN}/media/quarantine/${name}`)
    expect([await statusOf(user, name), await statusOf(user, twin), await thumbnail(name)]).toEqual([404, 404, 404])
    expect(await statusOf(user, other)).toBe(200)
    await root.post(`${ADMIN}/media/unquarantine/${twin}`)
    expect([await statusOf(user, name), await statusOf(user, twin)]).toEqual([200, 200])
    const all = await root.post(`${ADMIN}/user/${encodeURIComponent(user.userId)}/media/quarantine`)
    expect(all).toEqual({ num_quarantined: 2 })
    expect([await statusOf(user, name), await statusOf(user, other)]).toEqual([404, 404])
    expect(await root.refused('POST', `${ADMIN}/media/quarantine/test.example/nothing`, {})).toBe('404 M_NOT_FOUND')
  })

  test('what a room shows is listed and quarantined, also what was redacted; what is protected never is', async () => {
    const [root, user] = [await admin(), await someone()]
    const names = [
      await upload(user, 'q1'),
      await upload(user, 'q2'),
      await upload(user, 'q3'),
      await upload(user, 'q4'),
    ]
    const [shown, redacted, thumbnail, elsewhere] = names as [string, string, string, string]
    const roomId = await user.createRoom()
    let sent = 0
    const show = (content: object) => user.put(`/rooms/${roomId}/send/m.room.message/${++sent}`, content)
    await show({ msgtype: 'm.image', body: `mxc://${elsewhere}`, url: `mxc://${shown}`, info: {} })
    const file = { url: `mxc://${redacted}` }
    const { event_id: eventId } = await show({ msgtype: 'm.file', body: 'f', file, info: { thumbnail_url: 7 } })
    await user.put(`/rooms/${roomId}/redact/${eventId}/r`, {})
    const info = { thumbnail_url: `mxc://${thumbnail}` }
    await show({ msgtype: 'm.image', body: '', url: 'mxc://away.example/far', info })
    const room = `${ADMIN}/room/${encodeURIComponent(roomId)}/media`
    const uris = [shown, redacted, thumbnail].map((name) => `mxc://${name}`)
    const listed = await root.get(room)
    expect([listed.local.toSorted(), listed.remote]).toEqual([uris.toSorted(), ['mxc://away.example/far']])

    await root.post(`${ADMIN}/media/protect/${idOf(thumbnail)}`)
    await root.post(`${ADMIN}/media/quarantine/${thumbnail}`)
    expect(await root.post(`${room}/quarantine`)).toEqual({ num_quarantined: 2 })
    expect(await Promise.all(names.map((name) => statusOf(user, name)))).toEqual([404, 404, 200, 200])
    const all = `${ADMIN}/user/${encodeURIComponent(user.userId)}/media/quarantine`
    expect(await root.post(all)).toEqual({ num_quarantined: 1 })
    const { media } = await root.get(`${ADMIN}/users/${encodeURIComponent(user.userId)}/media`)
    const safe = media.filter((one: Json) => one.safe_from_quarantine).map((one: Json) => one.media_id)
    expect(safe).toEqual([idOf(thumbnail)])
    await root.post(`${ADMIN}/media/unprotect/${idOf(thumbnail)}`)
    const older = `${ADMIN}/quarantine_media/${encodeURIComponent(roomId)}`
    expect(await root.post(older)).toEqual({ num_quarantined: 1 })
    const unknown = `${ADMIN}/room/${encodeURIComponent('!none:test.example')}/media`
    expect(await root.refused('GET', unknown)).toBe('404 M_NOT_FOUND')
    expect(await user.refused('GET', room)).toBe('403 M_FORBIDDEN')
  })

  test('what is deleted takes its bytes and thumbnails along, but for those that another file has', async () => {
    const [root, user] = [await admin(), await someone()]
    await takeAway()
    const before = await filesOnDisk()
    const bytes = await picture(220, 130).negate().png().toBuffer()
    const [name, twin] = [await upload(user, bytes), await upload(user, bytes)]
    expect(await statusOf(user, name, 'thumbnail', '?width=16&height=16&method=crop')).toBe(200)
    expect((await filesOnDisk()) - before).toBe(2)
    expect(await root.delete(`${ADMIN}/media/${name}`)).toMatchObject({ total: 1 })
    await takeAway()
    expect([await statusOf(user, name), await statusOf(user, twin)]).toEqual([404, 200])
    expect((await filesOnDisk()) - before).toBe(2)
    await root.delete(`${ADMIN}/users/${encodeURIComponent(user.userId)}/media`)
    await takeAway()
    expect([await statusOf(user, twin), (await filesOnDisk()) - before]).toEqual([404, 0])
  })

  test('files go by age and size, and those of other servers by age', async () => {
    const [root, user] = [await admin(), await someone()]
    const [old, small, fresh] = [
      await upload(user, 'old'.repeat(9)),
      await upload(user, 's'),
      await upload(user, 'new'),
    ]
    const now = server.app.clock.now()
    for (const name of [old, small]) await setAccess(name, now - 2 * DAY_MS)
    const gone = await root.post(`${ADMIN}/media/delete?before_ts=${now - DAY_MS}&size_gt=10`)
    expect(gone).toEqual({ deleted_media: [idOf(old)], total: 1 })
    expect(await Promise.all([old, small, fresh].map((name) => statusOf(user, name)))).toEqual([404, 200, 200])
    await write(server.app, {
      guards: [],
      writes: [sql`UPDATE media SET origin = 'away.example' WHERE media_id = ${idOf(fresh)}`],
      log: [],
    })
    expect(await root.post(`${ADMIN}/purge_media_cache?before_ts=${now - DAY_MS}`)).toEqual({ deleted: 0 })
    expect(await root.post(`${ADMIN}/purge_media_cache?before_ts=${now + DAY_MS}`)).toEqual({ deleted: 1 })
  })

  test('what nobody has asked for as long as the configuration says is forgotten, and a look keeps it', async () => {
    const user = await someone()
    const [unseen, seen, remote] = [await upload(user, 'unseen'), await upload(user, 'seen'), await upload(user, 'far')]
    const now = server.app.clock.now()
    const away = `away.example/${idOf(remote)}`
    const writes = [sql`UPDATE media SET origin = 'away.example' WHERE media_id = ${idOf(remote)}`]
    await write(server.app, { guards: [], writes, log: [] })
    for (const name of [unseen, seen, away]) await setAccess(name, now - 10 * DAY_MS)
    await expire({ local: 0, remote: 0 })
    expect([await statusOf(user, seen), await statusOf(user, away)]).toEqual([200, 200])
    await expect.poll(async () => (await accessOf(seen)) >= now).toBe(true)
    await setAccess(away, now - 10 * DAY_MS)
    await expire({ local: 5 * DAY_MS, remote: 5 * DAY_MS })
    const left = await server.app.db.read<{ media_id: string }>(sql`SELECT media_id FROM media
      WHERE uploader = ${user.userId}`)
    expect(left.map((row) => row.media_id)).toEqual([idOf(seen)])
  })

  test('images of previews go after a while, and what is quarantined stays', async () => {
    const user = await someone()
    const [image, kept, own] = [await upload(user, 'image'), await upload(user, 'kept'), await upload(user, 'own')]
    const writes = [image, kept].map((name) => sql`UPDATE media SET uploader = NULL WHERE media_id = ${idOf(name)}`)
    await write(server.app, { guards: [], writes, log: [] })
    await (await admin()).post(`${ADMIN}/media/quarantine/${kept}`)
    const now = server.app.clock.now()
    const left = async () => {
      const rows = await server.app.db.read<{ media_id: string }>(sql`SELECT media_id FROM media`)
      return [image, kept, own].map((name) => rows.some((row) => row.media_id === idOf(name)))
    }
    for (const name of [image, kept, own]) await setAccess(name, now - DAY_MS)
    // A preview may still be shown: its image is kept for longer than that, whatever the configuration says.
    await expire({ local: 0, remote: 0 }, 1)
    expect(await left()).toEqual([true, true, true])
    for (const name of [image, kept, own]) await setAccess(name, now - 10 * DAY_MS)
    await expire({ local: 0, remote: 0 })
    expect(await left()).toEqual([true, true, true])
    await expire({ local: 0, remote: 0 }, 7 * DAY_MS)
    expect(await left()).toEqual([false, true, true])
  })

  test('a file that is uploaded as its name runs out stays', async () => {
    const user = await someone()
    const { content_uri: uri } = await user.post('/_matrix/media/v1/create')
    const name = String(uri).slice('mxc://'.length)
    const unused = await unusedNames(server.app.db, server.app.clock.now() + 2 * DAY_MS, 100)
    expect(unused.map((file) => file.media_id)).toContain(idOf(name))
    const headers = { authorization: `Bearer ${user.token}` }
    const url = `${server.url}/_matrix/media/v3/upload/${name}`
    expect((await fetch(url, { method: 'PUT', headers, body: 'in time' })).status).toBe(200)
    await removeMedia(server.app, unused)
    expect(await statusOf(user, name)).toBe(200)
  })

  test('a thumbnail that is made as its file goes leaves nothing behind', async () => {
    const user = await someone()
    await takeAway()
    const before = await filesOnDisk()
    const name = await upload(user, await picture(240, 140).png().toBuffer())
    const [file] = await mediaOf(server.app.db, user.userId as UserId, 0, 1)
    let reads = 0
    const read: Database['read'] = async (query) => {
      const rows = await server.app.db.read<never>(query)
      if (reads++ === 0) expect(await statusOf(user, name, 'thumbnail', '?width=16&height=16&method=crop')).toBe(200)
      return rows
    }
    const db = { ...server.app.db, commit: server.app.db.commit, read }
    await removeMedia({ ...server.app, db }, [file!])
    await takeAway()
    expect([await statusOf(user, name), await filesOnDisk()]).toEqual([404, before])
  })

  async function accessOf(name: string): Promise<number> {
    const rows = await server.app.db.read<{ last_access_ts: number }>(
      sql`SELECT last_access_ts FROM media WHERE media_id = ${idOf(name)}`,
    )
    return rows[0]?.last_access_ts ?? 0
  }
})
