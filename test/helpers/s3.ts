import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import S3rver from 's3rver'

const BUCKET = 'media'

export interface TestS3 {
  /** For `media_api.s3`. */
  readonly config: Record<string, unknown> & { readonly prefix: string }
  /** The keys that are there. */
  keys(): Promise<string[]>
  /** Answers 503 from now on, where it is asked so; undefined: as it should. */
  fail(when: ((method: string, url: string) => boolean) | undefined): void
  /** Breaks off its answers after that many bytes of a file; undefined: not any more. */
  cutAfter(bytes: number | undefined): void
  /** What it was asked for, oldest first. */
  readonly asked: string[]
  stop(): Promise<void>
}

/** Something that speaks as S3 does, with one bucket, on a free port of this machine. */
export async function startS3(): Promise<TestS3> {
  const directory = await mkdtemp(join(tmpdir(), 'dendrite-s3-'))
  const s3 = new S3rver({ directory, silent: true, configureBuckets: [{ name: BUCKET }] })
  await s3.configureBuckets()
  const answer = s3.callback()
  const asked: string[] = []
  let fails: ((method: string, url: string) => boolean) | undefined
  let cut: number | undefined
  const server = createServer((request, reply) => {
    const { method = '', url = '' } = request
    asked.push(`${method} ${url}`)
    if (cut !== undefined && method === 'GET') breakOff(reply, cut)
    if (fails?.(method, url) !== true) return answer(request, reply)
    request.resume()
    reply.writeHead(503).end('<Error><Code>SlowDown</Code></Error>')
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const prefix = 'files/'
  return {
    asked,
    config: {
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      bucket: BUCKET,
      access_key_id: 'S3RVER',
      secret_access_key: 'S3RVER',
      prefix,
    },
    async keys() {
      const { objects } = await s3.store.listObjects(BUCKET, { prefix: '', maxKeys: 1_000 })
      return objects.map(({ key }: { key: string }) => key)
    },
    fail(when) {
      fails = when
    },
    cutAfter(bytes) {
      cut = bytes
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function breakOff(reply: ServerResponse, bytes: number): void {
  const write = reply.write.bind(reply) as (chunk: Uint8Array, done: () => void) => boolean
  const part = (chunk: unknown) => write((chunk as Uint8Array).subarray(0, bytes), () => reply.destroy())
  reply.write = part as typeof reply.write
}
