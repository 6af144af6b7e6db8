import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Ends connections over which nothing was asked when the server stops. Browsers open some ahead; Node takes them for
 * busy, and the stop would wait for them.
 */
export function endSilentConnections(server: Server, secure: boolean, stopping: AbortSignal): void {
  const silent = new Set<Socket>()
  server.on(secure ? 'secureConnection' : 'connection', (socket: Socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  server.on('request', ({ socket }: IncomingMessage) => silent.delete(socket))
  stopping.addEventListener('abort', () => {
    for (const socket of silent) socket.destroy()
  })
}
