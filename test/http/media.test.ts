import { readdir } from 'node:fs/promises'
import { request } from 'node:http'
import { resolve } from 'node:path'
import { expect, test, vi } from 'vitest'
import { write } from '../../src/actions/write.ts'
import { StorageAway } from '../../src/blobs/blobs.ts'
import type { Config } from '../../src/config/schema.ts'
import { sql } from '../../src/db/sql.ts'
import { DISK_STEPS, withDiskFault } from '../helpers/disk-faults.ts'
import { eachServer } from '../helpers/each-server.ts'
import type { TestServer } from '../helpers/server.ts'
import { enter, enterAsAdmin, type Session } from '../helpers/session.ts'

const OLD = '/_matrix/media/v3'
const NEW = '/_matrix/client/v1/media'

interface Asked {
  readonly body?: Uint8Array | string
  readonly headers?: Record<string, string>
}

async function ask(server: TestServer, user: Session | undefined, method: string, path: string, more: Asked = {}) {
  const authorization = user === undefined ? {} : { authorization: `Bearer ${user.token}` }
  const reply = await fetch(`${server.url}${path}`, {
    method,
    headers: { ...authorization, ...more.headers },
    ...(more.body === undefined ? {} : { body: more.body }),
  })
  const bytes = Buffer.from(await reply.arrayBuffer())
  return { status: reply.status, headers: reply.headers, bytes, text: bytes.toString() }
}

async function upload(server: TestServer, user: Session, body: Uint8Array | string, type = 'image/png', query = '') {
  const reply = await ask(server, user, 'POST', `${OLD}/upload${query}`, { body, headers: { 'content-type': type } })
  expect([reply.status, reply.text]).toEqual([200, expect.stringContaining('content_uri')])
  return String(JSON.parse(reply.text).content_uri).slice('mxc://'.length)
}

/** The files that lie in the store, those on their way too. */
async function filesOf(server: TestServer): Promise<string[]> {
  const root = resolve(server.dir, server.app.config.media_api.base_path)
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(root.length))
}

eachServer({}, (server) => {
  test('a file comes back as it was, in parts too, with what keeps a browser safe, and once on the disk', async () => {
    const alice = await enter(server, 'media-alice')
    const body = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251))
    const before = await filesOf(server)
    const name = await upload(server, alice, body, 'image/png', '?filename=cat.png')
    const twin = await upload(server, alice, body)
    expect(twin).not.toBe(name)
    expect((await filesOf(server)).length - before.length).toBe(1)
    expect((await filesOf(server)).filter((file) => file.includes('arriving'))).toEqual([])

    const whole = await ask(server, alice, 'GET', `${NEW}/download/${name}`)
    expect(whole.status).toBe(200)
    expect(whole.bytes.equals(body)).toBe(true)
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'content-type': 'image/png',
      'content-length': '300000',
      'content-disposition': 'inline; filename=cat.png',
      'content-security-policy': expect.stringContaining("sandbox; default-src 'none'"),
      'cross-origin-resource-policy': 'cross-origin',
      'x-content-type-options': 'nosniff',
    })
    const part = await ask(server, alice, 'GET', `${NEW}/download/${name}`, { headers: { range: 'bytes=10-19' } })
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 10-19/300000'])
    expect(part.bytes.equals(body.subarray(10, 20))).toBe(true)
    const tail = await ask(server, alice, 'GET', `${NEW}/download/${name}`, { headers: { range: 'bytes=-5' } })
    expect(tail.bytes.equals(body.subarray(-5))).toBe(true)
    const beyond = await ask(server, alice, 'GET', `${NEW}/download/${name}`, { headers: { range: 'bytes=300000-' } })
    expect([beyond.status, beyond.headers.get('cache-control')]).toEqual([416, null])
    const etag = whole.headers.get('etag') ?? ''
    for (const [of, status] of [
      [etag, 206],
      ['"of another file"', 200],
    ] as const) {
      const headers = { range: 'bytes=10-19', 'if-range': of }
      expect((await ask(server, alice, 'GET', `${NEW}/download/${name}`, { headers })).status).toBe(status)
    }
    const known = await ask(server, alice, 'GET', `${NEW}/download/${name}`, { headers: { 'if-none-match': etag } })
    expect([known.status, known.bytes.length]).toEqual([304, 0])
    const named = await ask(server, alice, 'GET', `${NEW}/download/${name}/${encodeURIComponent('Kätzchen "1".png')}`)
    expect(named.headers.get('content-disposition')).toBe("inline; filename*=utf-8''K%C3%A4tzchen%20%221%22.png")
  })

  test('a browser keeps a file for long, and no answer that there is none now', async () => {
    const alice = await enter(server, 'media-keeps')
    const name = await upload(server, alice, 'kept')
    const { blobs } = server.app
    const { open } = blobs
    const keeps = async () => {
      const { status, headers } = await ask(server, alice, 'GET', `${NEW}/download/${name}`)
      return [status, headers.get('cache-control'), headers.get('etag') === null]
    }
    expect(await keeps()).toEqual([200, 'private, max-age=31536000, immutable', false])
    try {
      Object.assign(blobs, { open: () => Promise.reject(new StorageAway('away')) })
      expect(await keeps()).toEqual([503, null, true])
      Object.assign(blobs, { open: () => Promise.resolve(undefined) })
      expect(await keeps()).toEqual([404, null, true])
    } finally {
      Object.assign(blobs, { open })
    }
  })

  test('what could hold a script is never shown on our address, whatever it calls itself', async () => {
    const alice = await enter(server, 'media-script')
    for (const [type, shown] of [
      ['text/html', 'text/html'],
      ['image/svg+xml', 'image/svg+xml'],
      ['application/pdf', 'application/pdf'],
      ['text/plain; charset=utf-8', 'text/plain; charset=utf-8'],
      ['TEXT/HTML', 'text/html'],
      ['nonsense', 'application/octet-stream'],
      ['text/html\u00e4', 'application/octet-stream'],
    ] as const) {
      const name = await upload(server, alice, `<script>${type}</script>`, Buffer.from(type).toString('latin1'))
      const { headers } = await ask(server, alice, 'GET', `${NEW}/download/${name}`)
      const disposition = shown.startsWith('text/plain') ? 'inline' : 'attachment'
      expect([type, headers.get('content-type'), headers.get('content-disposition')]).toEqual([
        type,
        shown,
        disposition,
      ])
    }
  })

  test('a name can be reserved and filled once, by the one who did, and is waited for', async () => {
    const [alice, bob] = [await enter(server, 'media-later'), await enter(server, 'media-other')]
    const { content_uri: uri, unused_expires_at: until } = await alice.post('/_matrix/media/v1/create')
    expect(until).toBeGreaterThan(Date.now())
    const name = String(uri).slice('mxc://'.length)
    const early = await ask(server, alice, 'GET', `${NEW}/download/${name}?timeout_ms=0`)
    expect([early.status, JSON.parse(early.text).errcode]).toEqual([504, 'M_NOT_YET_UPLOADED'])
    const put = (user: Session, body: string) => ask(server, user, 'PUT', `${OLD}/upload/${name}`, { body })
    expect((await put(bob, 'mine')).status).toBe(403)
    const waiting = ask(server, bob, 'GET', `${NEW}/download/${name}`)
    expect((await put(alice, 'content')).status).toBe(200)
    expect((await waiting).text).toBe('content')
    expect([(await put(alice, 'again')).status, (await put(alice, 'again')).text]).toEqual([
      409,
      expect.stringContaining('M_CANNOT_OVERWRITE_MEDIA'),
    ])
    const unknown = await ask(server, alice, 'PUT', `${OLD}/upload/${server.app.serverName}/unknown`, { body: 'x' })
    expect(unknown.status).toBe(404)
    const config = await alice.get(`${NEW}/config`)
    expect(config).toEqual({ 'm.upload.size': server.app.config.media_api.max_file_size_bytes })
    expect(await alice.get(`${OLD}/config`)).toEqual(config)
  })

  test('strangers, unknown names, ways out of the directory and the old paths find nothing', async () => {
    const alice = await enter(server, 'media-limits')
    const name = await upload(server, alice, 'public?')
    expect((await ask(server, undefined, 'GET', `${NEW}/download/${name}`)).status).toBe(401)
    expect((await ask(server, undefined, 'POST', `${OLD}/upload`, { body: 'x' })).status).toBe(401)
    const oldPaths = [`${OLD}/download/${name}`, `${OLD}/download/${name}/cat.png`]
    for (const path of oldPaths) expect((await ask(server, undefined, 'GET', path)).status).toBe(404)
    const settings = server.app.config.media_api as { unauthenticated_downloads: boolean }
    settings.unauthenticated_downloads = true
    for (const path of oldPaths) expect((await ask(server, undefined, 'GET', path)).text).toBe('public?')
    settings.unauthenticated_downloads = false
    for (const path of [
      `${server.app.serverName}/nothing`,
      `${server.app.serverName}/..%2F..%2Fmatrix_key.pem`,
      `${server.app.serverName}/%2e%2e`,
      `..%2F..%2Fetc/passwd`,
    ])
      expect([path, (await ask(server, alice, 'GET', `${NEW}/download/${path}`)).status]).toEqual([path, 404])
    const packed = await ask(server, alice, 'POST', `${OLD}/upload`, {
      body: 'x',
      headers: { 'content-encoding': 'gzip' },
    })
    expect(packed.status).toBe(415)
  })

  test('an upload that is too large, or breaks off, leaves nothing behind', async () => {
    const alice = await enter(server, 'media-large')
    const before = await filesOf(server)
    await withLimit(server.app.config, 1_000, async () => {
      const announced = await ask(server, alice, 'POST', `${OLD}/upload`, { body: 'x'.repeat(1_001) })
      expect([announced.status, JSON.parse(announced.text).errcode]).toEqual([413, 'M_TOO_LARGE'])
      expect(await sendInPieces(server, alice, 3, 500)).toBe(413)
    })
    await sendInPieces(server, alice, 3, 500, 'hang up')
    await expect.poll(() => filesOf(server)).toEqual(before)
  })

  /** What the database knows, and what lies on the disk. */
  async function held(): Promise<unknown> {
    const rows = await server.app.db.read(sql`SELECT media_id, uploaded_ts, hash FROM media ORDER BY media_id`)
    return [rows, (await filesOf(server)).sort()]
  }

  const noRoom = { status: 503, errcode: 'M_UNKNOWN', retryAfter: true }

  /** Uploads as a new file, and under the reserved name. */
  async function uploads(user: Session, reserved: string, content: string) {
    const replies = [
      await ask(server, user, 'POST', `${OLD}/upload`, { body: content }),
      await ask(server, user, 'PUT', `${OLD}/upload/${reserved}`, { body: content }),
    ]
    return replies.map(({ status, headers, text }) => ({
      status,
      errcode: JSON.parse(text).errcode,
      retryAfter: Number(headers.get('retry-after')) > 0,
    }))
  }

  test('a disk that is full or fails at any step is answered with 503, and there is neither row nor file', async () => {
    const alice = await enter(server, 'media-full-disk')
    const { content_uri: uri } = await alice.post('/_matrix/media/v1/create')
    const reserved = String(uri).slice('mxc://'.length)
    const before = await held()
    for (const [index, step] of DISK_STEPS.entries()) {
      const code = ['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO'][index % 4] ?? ''
      const replies = await withDiskFault(step, code, () => uploads(alice, reserved, `not at ${step}`))
      expect([step, replies]).toEqual([step, [noRoom, noRoom]])
      expect([step, await held()]).toEqual([step, before])
    }
    expect((await ask(server, alice, 'PUT', `${OLD}/upload/${reserved}`, { body: 'at last' })).status).toBe(200)
    // A file that could not be taken back would be seen.
    const known = await held()
    await withLimit(server.app.config, 1_000, async () => {
      expect(await withDiskFault('rm', 'EIO', () => sendInPieces(server, alice, 3, 500))).toBe(413)
    })
    expect(await held()).not.toEqual(known)
  })

  test('so many names may wait for their content, and not one more, however many are asked for at once', async () => {
    const [alice, bob] = [await enter(server, 'media-reserves'), await enter(server, 'media-reserves-too')]
    const tries = Array.from({ length: 103 }, () => alice.call('POST', '/_matrix/media/v1/create'))
    const replies = await Promise.all(tries)
    const refused = replies.filter(({ status }) => status !== 200)
    expect(refused.map(({ status, body }) => [status, body.errcode])).toEqual(Array(3).fill([429, 'M_LIMIT_EXCEEDED']))
    await bob.post('/_matrix/media/v1/create')
    const { content_uri: uri } = replies.find(({ status }) => status === 200)!.body
    const path = `${OLD}/upload/${String(uri).slice('mxc://'.length)}`
    expect((await ask(server, alice, 'PUT', path, { body: 'x' })).status).toBe(200)
    await alice.post('/_matrix/media/v1/create')
  })

  test('who has uploaded as much as a user may is refused, however many uploads come at once', async () => {
    const { app } = server
    const [alice, root] = [await enter(server, 'media-quota'), await enterAsAdmin(server, 'media-quota-admin')]
    const settings = app.config.media_api.user_limits as Config['media_api']['user_limits']
    const before = { ...settings }
    const send = async (user: Session, bytes: number) => {
      const reply = await ask(server, user, 'POST', `${OLD}/upload`, { body: 'q'.repeat(bytes) })
      const { errcode, info_uri: infoUri } = JSON.parse(reply.text)
      return [reply.status, errcode, infoUri].filter((part) => part !== undefined)
    }
    const atOnce = async () => {
      const replies = await Promise.all([300, 300, 300, 300, 300].map((bytes) => send(alice, bytes)))
      return replies.map(([status]) => status).sort()
    }
    try {
      Object.assign(settings, { max_bytes: 1_000 })
      expect(await send(alice, 600)).toEqual([200])
      expect(await send(alice, 500)).toEqual([403, 'M_FORBIDDEN'])
      expect(await sendInPieces(server, alice, 3, 200)).toBe(403)
      expect(await send(root, 2_000)).toEqual([200])
      expect(await send(alice, 400)).toEqual([200])
      Object.assign(settings, { info_uri: 'https://test.example/limits' })
      expect(await send(alice, 1)).toEqual([403, 'M_USER_LIMIT_EXCEEDED', 'https://test.example/limits'])
      Object.assign(settings, { max_bytes: 0, uploads: [{ time_period: 3_600_000, max_size: 1_000 }] })
      expect(await send(alice, 1)).toEqual([403, 'M_USER_LIMIT_EXCEEDED', 'https://test.example/limits'])
      const earlier = sql`UPDATE media SET uploaded_ts = uploaded_ts - 3600000 WHERE uploader = ${alice.userId}`
      await write(app, { guards: [], writes: [earlier], log: [] })
      expect(await atOnce()).toEqual([200, 200, 200, 403, 403])
      await write(app, { guards: [], writes: [earlier], log: [] })
      // As from several processes, none of which knows what comes to the others.
      const alone = vi.spyOn(app.live.uploads, 'of').mockReturnValue(0)
      const files = (await filesOf(server)).length
      expect(await atOnce()).toEqual([200, 200, 200, 403, 403])
      expect((await filesOf(server)).length).toBe(files)
      alone.mockRestore()
    } finally {
      Object.assign(settings, before)
    }
    expect(app.live.uploads.of(alice.userId)).toBe(0)
  })

  test('a database that is full at the end of an upload is answered with 503, and no file stays', async () => {
    const { app } = server
    const alice = await enter(server, 'media-full-database')
    const { content_uri: uri } = await alice.post('/_matrix/media/v1/create')
    const reserved = String(uri).slice('mxc://'.length)
    const giveRoom = await fillDatabase(app)
    let before: unknown
    let answer: unknown[] = []
    try {
      // SQLite takes some more rows into the pages that it has.
      for (let n = 0; n < 100; n++) {
        before = await held()
        answer = (await uploads(alice, `${app.serverName}/nobody-has-it`, `too much ${n}`)).slice(0, 1)
        if (JSON.stringify(answer) !== '[{"status":200,"retryAfter":false}]') break
      }
      expect(answer).toEqual([noRoom])
      expect(await held()).toEqual(before)
    } finally {
      await giveRoom()
    }
    expect((await ask(server, alice, 'PUT', `${OLD}/upload/${reserved}`, { body: 'there is room' })).status).toBe(200)
  })
})

/** From now on the database takes no more files. Resolves with what makes room again. */
async function fillDatabase({ db }: TestServer['app']): Promise<() => Promise<unknown>> {
  const run = (...writes: string[]) =>
    write({ db }, { guards: [], writes: writes.map((text) => ({ strings: [text], holes: [] })), log: [] })
  if (db.dialect === 'sqlite') {
    const [pages] = await db.read<{ page_count: number }>(sql`PRAGMA page_count`)
    await db.read({ strings: [`PRAGMA max_page_count = ${pages?.page_count}`], holes: [] })
    return () => db.read(sql`PRAGMA max_page_count = 1000000`)
  }
  await run(
    `CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$`,
    'CREATE TRIGGER no_room BEFORE INSERT ON media FOR EACH ROW EXECUTE FUNCTION no_room()',
  )
  return () => run('DROP TRIGGER no_room ON media', 'DROP FUNCTION no_room')
}

async function withLimit(config: Config, bytes: number, run: () => Promise<void>): Promise<void> {
  const settings = config.media_api as { max_file_size_bytes: number }
  const before = settings.max_file_size_bytes
  settings.max_file_size_bytes = bytes
  try {
    await run()
  } finally {
    settings.max_file_size_bytes = before
  }
}

/** An upload that does not say how long it is. Resolves with its status, 0 when it hung up. */
function sendInPieces(
  server: TestServer,
  user: Session,
  pieces: number,
  bytes: number,
  end?: 'hang up',
): Promise<number> {
  return new Promise((done) => {
    const headers = { authorization: `Bearer ${user.token}` }
    const sent = request(`${server.url}${OLD}/upload`, { method: 'POST', headers }, (response) => {
      response.resume()
      done(response.statusCode ?? 0)
    })
    sent.on('error', () => done(0))
    for (let n = 0; n < pieces; n++) sent.write(Buffer.alloc(bytes, n))
    if (end === undefined) sent.end()
    else sent.write('the last', () => sent.destroy())
  })
}
