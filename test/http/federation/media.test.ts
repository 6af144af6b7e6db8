import { expect, test } from 'vitest'
import { authorizationHeader } from '../../../src/core/sign.ts'
import { eachNetwork } from '../../helpers/federation.ts'
import { picture, seen } from '../../helpers/pictures.ts'
import type { TestServer } from '../../helpers/server.ts'
import { enter, type Session } from '../../helpers/session.ts'

async function upload(server: TestServer, user: Session, body: string | Uint8Array, type: string): Promise<string> {
  const headers = { authorization: `Bearer ${user.token}`, 'content-type': type }
  const url = `${server.url}/_matrix/media/v3/upload?filename=${encodeURIComponent('Brief — 1.txt')}`
  const answer = (await (await fetch(url, { method: 'POST', headers, body })).json()) as { content_uri: string }
  return answer.content_uri.slice('mxc://'.length)
}

async function download(server: TestServer, user: Session, name: string) {
  const headers = { authorization: `Bearer ${user.token}` }
  const reply = await fetch(`${server.url}/_matrix/client/v1/media/download/${name}`, { headers })
  return { status: reply.status, headers: reply.headers, text: await reply.text() }
}

eachNetwork(['media.a', 'media.b'], (joint) => {
  const fetches = () => joint.network.carried.filter(({ uri }) => uri.includes('/media/download/'))

  test('a file of another server is fetched once for all who ask, with its type and name, and kept', async () => {
    const [a, b] = joint.servers as [TestServer, TestServer]
    const [alice, bob] = [await enter(a, 'alice'), await enter(b, 'bob')]
    const name = await upload(a, alice, 'as\r\n--it\r\nis', 'text/plain')
    const replies = await Promise.all([1, 2, 3].map(() => download(b, bob, name)))
    for (const { status, text, headers } of replies) {
      expect([status, text, headers.get('content-type')]).toEqual([200, 'as\r\n--it\r\nis', 'text/plain'])
      expect(headers.get('content-disposition')).toBe("inline; filename*=utf-8''Brief%20%E2%80%94%201.txt")
    }
    expect(fetches()).toHaveLength(1)
    joint.network.cut('media.a', true)
    expect((await download(b, bob, name)).text).toBe('as\r\n--it\r\nis')
    expect((await download(b, bob, 'media.a/elsewhere')).status).toBe(502)
    joint.network.cut('media.a', false)
    expect((await download(b, bob, 'media.a/elsewhere')).status).toBe(404)
  })

  test('the thumbnail of a file of another server is made here, and its own server gives one too', async () => {
    const [a, b] = joint.servers as [TestServer, TestServer]
    const [alice, bob] = [await enter(a, 'frank'), await enter(b, 'grace')]
    const name = await upload(a, alice, await picture(700, 500).png().toBuffer(), 'image/png')
    const headers = { authorization: `Bearer ${bob.token}` }
    const path = `/_matrix/client/v1/media/thumbnail/${name}?width=96&height=96&method=crop`
    const reply = await fetch(`${b.url}${path}`, { headers })
    expect([reply.status, await seen(Buffer.from(await reply.arrayBuffer()))]).toEqual([200, 'png 96x96'])

    const [, mediaId = ''] = name.split('/')
    const uri = `/_matrix/federation/v1/media/thumbnail/${mediaId}?width=96&height=96&method=crop`
    const question = { method: 'GET', uri, origin: b.app.serverName, destination: a.app.serverName, content: undefined }
    const signed = { authorization: authorizationHeader(question, b.app.key) }
    const body = Buffer.from(await (await fetch(`${a.url}${uri}`, { headers: signed })).arrayBuffer()).toString(
      'latin1',
    )
    const parts = /^--\w+\r\n(.*?)\r\n\r\n\{\}\r\n--\w+\r\n(.*?)\r\n\r\n(.*)\r\n--\w+--\r\n$/s
    const [, told, said, file = ''] = parts.exec(body) ?? []
    expect(told).toBe('Content-Type: application/json')
    expect(said).toBe('Content-Type: image/png\r\nContent-Disposition: inline; filename=thumbnail.png')
    expect(await seen(Buffer.from(file, 'latin1'))).toBe('png 96x96')
  })

  test('a server of before authenticated media is asked the old way', async () => {
    const [a, b] = joint.servers as [TestServer, TestServer]
    const [alice, bob] = [await enter(a, 'carol'), await enter(b, 'dave')]
    const name = await upload(a, alice, 'old', 'text/plain')
    const settings = a.app.config.media_api as { unauthenticated_downloads: boolean }
    settings.unauthenticated_downloads = true
    joint.network.refuse((uri) => uri.startsWith('/_matrix/federation/v1/media'))
    expect((await download(b, bob, name)).text).toBe('old')
    joint.network.refuse(() => false)
    settings.unauthenticated_downloads = false
  })

  test('nonsense, too much, and files that lie in private networks are refused', async () => {
    const [, b] = joint.servers as [TestServer, TestServer]
    const bob = await enter(b, 'erin')
    const multipart = (part: string) => `--x\r\nContent-Type: application/json\r\n\r\n{}\r\n--x\r\n${part}\r\n--x--\r\n`
    for (const [index, body] of [
      'no parts at all',
      '--x\r\nContent-Type: application/json\r\n\r\n{}',
      multipart('Content-Type: text/plain\r\n\r\nbreaks off').replace('--x--', ''),
      multipart('Location: https://127.0.0.1:1/secret\r\n\r\n'),
      multipart('Location: file:///etc/passwd\r\n\r\n'),
    ].entries()) {
      const headers = { 'content-type': 'multipart/mixed; boundary=x' }
      joint.network.answerBytes(() => ({ status: 200, headers, body: Buffer.from(body) }))
      expect([index, (await download(b, bob, `media.a/bad${index}`)).status]).toEqual([index, 502])
    }
    const settings = b.app.config.media_api as { max_file_size_bytes: number }
    settings.max_file_size_bytes = 100
    const headers = { 'content-type': 'multipart/mixed; boundary=x' }
    const large = Buffer.from(multipart(`Content-Type: text/plain\r\n\r\n${'x'.repeat(101)}`))
    joint.network.answerBytes(() => ({ status: 200, headers, body: large }))
    expect((await download(b, bob, 'media.a/large')).text).toContain('M_TOO_LARGE')
    joint.network.answerBytes(() => undefined)
  })
})
