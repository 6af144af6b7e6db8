import { createSocket } from 'node:dgram'
import { once } from 'node:events'

/** What names mean. Names are asked for in lower case. */
export interface Zone {
  /** IPv4 and IPv6 addresses of hosts. */
  readonly hosts: Readonly<Record<string, readonly string[]>>
  /** Of services, as `_matrix-fed._tcp.example.org`. */
  readonly srv: Readonly<Record<string, { readonly target: string; readonly port: number }>>
}

const [A, AAAA, SRV] = [1, 28, 33]
const HEADER_BYTES = 12
/** An answer (RFC 1035, 4.1.1), and one for a name that there is none of. */
const [ANSWER, NO_SUCH_NAME] = [0x8180, 0x8183]
const TTL_S = 60

/** A DNS server over UDP that knows the zone and nothing else. `address` is for `dns_servers`. */
export async function startDnsServer(zone: Zone): Promise<{ readonly address: string; stop(): void }> {
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => socket.send(answer(query, zone), from.port, from.address))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { address: `127.0.0.1:${socket.address().port}`, stop: () => socket.close() }
}

/** One question a query. */
function answer(query: Buffer, zone: Zone): Buffer {
  let end = HEADER_BYTES
  const labels: string[] = []
  for (let length = query[end]!; length > 0; length = query[end]!) {
    labels.push(query.toString('latin1', end + 1, end + 1 + length).toLowerCase())
    end += length + 1
  }
  const name = labels.join('.')
  const type = query.readUInt16BE(end + 1)
  const records = recordsOf(name, type, zone)
  const known = Object.hasOwn(zone.hosts, name) || Object.hasOwn(zone.srv, name)
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt16BE(query.readUInt16BE(0), 0)
  header.writeUInt16BE(known ? ANSWER : NO_SUCH_NAME, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(records.length, 6)
  const question = query.subarray(HEADER_BYTES, end + 5)
  return Buffer.concat([header, question, ...records.map((data) => record(type, data))])
}

function recordsOf(name: string, type: number, { hosts, srv }: Zone): Buffer[] {
  const addresses = Object.hasOwn(hosts, name) ? hosts[name]! : []
  if (type === A) {
    return addresses.filter((ip) => !ip.includes(':')).map((ip) => Buffer.from(ip.split('.').map(Number)))
  }
  // The one address of IPv6 that a test needs.
  if (type === AAAA) return addresses.filter((ip) => ip === '::1').map(() => Buffer.from([...Array(15).fill(0), 1]))
  if (type !== SRV || !Object.hasOwn(srv, name)) return []
  const { target, port } = srv[name]!
  const numbers = Buffer.alloc(6)
  numbers.writeUInt16BE(port, 4)
  return [Buffer.concat([numbers, ...target.split('.').map(labelOf), Buffer.from([0])])]
}

function labelOf(label: string): Buffer {
  return Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])
}

/** Its name is that of the question, which begins behind the header. */
function record(type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(12)
  head.writeUInt16BE(0xc000 | HEADER_BYTES, 0)
  head.writeUInt16BE(type, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt32BE(TTL_S, 6)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}
