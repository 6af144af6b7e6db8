import { Agent, request } from 'node:http'

/** A bare HTTP client with kept connections: the load it makes itself should be small beside the server's. */
export interface Client {
  call(method: string, path: string, options?: { token?: string; body?: unknown }): Promise<Answer>
  close(): void
}

export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: the benchmark trusts the server it measures
  readonly body: any
}

export function benchClient(port: number, connections: number): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  return {
    call(method, path, { token, body } = {}) {
      const payload = body === undefined ? undefined : JSON.stringify(body)
      const headers: Record<string, string | number> = token === undefined ? {} : { authorization: `Bearer ${token}` }
      if (payload !== undefined) headers['content-length'] = Buffer.byteLength(payload)
      return new Promise((resolve, reject) => {
        const sent = request({ agent, port, host: '127.0.0.1', method, path, headers }, (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString()
            resolve({ status: response.statusCode ?? 0, body: text === '' ? {} : JSON.parse(text) })
          })
        })
        sent.on('error', reject)
        sent.end(payload)
      })
    },
    close: () => agent.destroy(),
  }
}
