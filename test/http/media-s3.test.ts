import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startS3, type TestS3 } from '../helpers/s3.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

let [s3, server] = [{} as TestS3, {} as TestServer]
beforeAll(async () => {
  s3 = await startS3()
  server = await startTestServer({}, undefined, { mediaApi: { s3: s3.config } })
})
afterAll(async () => {
  await server.stop()
  await s3.stop()
})

test('a file in S3 comes back whole and in parts; while S3 cannot, clients are told when to ask again', async () => {
  const { token } = await server.register('alice')
  const headers = { authorization: `Bearer ${token}` }
  const upload = (body: string) =>
    fetch(`${server.url}/_matrix/media/v3/upload`, { method: 'POST', headers: headers, body })
  const download = (name: string, more: object = {}) =>
    fetch(`${server.url}/_matrix/client/v1/media/download/${name}`, { headers: { ...headers, ...more } })
  const answer = (await (await upload('in the bucket')).json()) as { content_uri: string }
  const name = answer.content_uri.slice('mxc://'.length)
  expect(await (await download(name)).text()).toBe('in the bucket')
  expect(await (await download(name, { range: 'bytes=7-12' })).text()).toBe('bucket')

  const before = await s3.keys()
  s3.fail(() => true)
  for (const reply of [await upload('lost?'), await download(name)]) {
    expect([reply.status, Number(reply.headers.get('retry-after')) > 0]).toEqual([503, true])
    expect(await reply.json()).toMatchObject({ errcode: 'M_UNKNOWN' })
  }
  s3.fail(undefined)
  expect(await (await download(name)).text()).toBe('in the bucket')
  expect(await s3.keys()).toEqual(before)
  expect(await readdir(join(server.dir, 'media_store', 'arriving'))).toEqual([])
  expect((await upload('again')).status).toBe(200)
})
