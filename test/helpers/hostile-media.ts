import { crc32, deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { type Chance, chanceFrom } from '../hostile/random.ts'
import { movingGif, picture } from './pictures.ts'

export interface HostileFile {
  /** What is wrong with it. */
  readonly about: string
  readonly bytes: Buffer
  readonly type: string
  readonly fileName: string
  /** Far more pixels than may be unpacked: whoever makes a thumbnail of it has no limit. */
  readonly isBomb: boolean
}

const SEED = 8
const BROKEN = 120
const HTML = Buffer.from('<html><script>alert(document.domain)</script></html>')
const NAMES = [
  '../../../matrix_key.pem',
  '..\\..\\x',
  '/etc/passwd',
  'a\r\nSet-Cookie: b=c',
  '%2e%2e%2f',
  'é"\'<>;.png',
]

/** More than two hundred files that are not what they seem, always the same. */
export async function hostileFiles(): Promise<HostileFile[]> {
  const chance = chanceFrom(SEED)
  const images = {
    'image/png': await picture(300, 200).png().toBuffer(),
    'image/jpeg': await picture(300, 200).jpeg().toBuffer(),
    'image/webp': await picture(300, 200).webp().toBuffer(),
    'image/gif': await movingGif(120, 100, 4),
  }
  const made: Omit<HostileFile, 'fileName'>[] = [...bombs(), ...(await impostors(images))]
  for (const [type, image] of Object.entries(images)) {
    for (let n = 0; n < BROKEN / 4; n++) {
      made.push({
        about: `${type}, cut off`,
        bytes: image.subarray(0, chance.below(image.length)),
        type,
        isBomb: false,
      })
      made.push({ about: `${type}, some bits flipped`, bytes: flipped(image, chance), type, isBomb: false })
    }
  }
  return made.map((file) => ({ ...file, fileName: chance.pick(NAMES) }))
}

function bombs(): Omit<HostileFile, 'fileName'>[] {
  const png = (width: number, height: number, rows: Buffer) => ({
    about: `a PNG of ${width}x${height}`,
    bytes: pngOf(width, height, rows),
    type: 'image/png',
    isBomb: true,
  })
  const gif = (width: number, height: number) => {
    const bytes = Buffer.from('GIF89a----\xf0\0\0\0\0\0\xff\xff\xff,\0\0\0\0----\0\x02\x02\x44\x01\0;', 'latin1')
    for (const at of [6, bytes.indexOf('----', 10)]) {
      bytes.writeUInt16LE(width, at)
      bytes.writeUInt16LE(height, at + 2)
    }
    return { about: `a GIF of ${width}x${height}`, bytes, type: 'image/gif', isBomb: true }
  }
  return [
    // One bit a pixel, all of it there: it unpacks to a thousand times its size.
    png(12_000, 12_000, Buffer.alloc(12_000 * 1_501)),
    png(10_000, 8_000, Buffer.alloc(8_000 * 1_251)),
    png(65_000, 65_000, Buffer.alloc(1_000)),
    png(2 ** 31 - 1, 2 ** 31 - 1, Buffer.alloc(10)),
    gif(65_535, 65_535),
    gif(30_000, 20_000),
  ]
}

function pngOf(width: number, height: number, rows: Buffer): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header[8] = 1
  const signature = Buffer.from('89504e470d0a1a0a', 'hex')
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND')])
}

function chunk(name: string, content = Buffer.alloc(0)): Buffer {
  const named = Buffer.concat([Buffer.from(name), content])
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(content.length)
  check.writeUInt32BE(crc32(named))
  return Buffer.concat([length, named, check])
}

/** Files of one kind that call themselves another, or are two at once. */
async function impostors(images: Readonly<Record<string, Buffer>>): Promise<Omit<HostileFile, 'fileName'>[]> {
  const tiff = await sharp(images['image/png']).tiff().toBuffer()
  const others: Record<string, Buffer> = {
    html: HTML,
    svg: Buffer.from(
      '<svg xmlns="http://www.w3.org/2000/svg" width="500" height="500"><image href="/etc/passwd"/></svg>',
    ),
    xml: Buffer.from(`<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`),
    pdf: Buffer.from('%PDF-1.4\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj'),
    postscript: Buffer.from('%!PS\n(/etc/passwd) (r) file\n'),
    text: Buffer.from('push graphic-context\nfill "url(https://127.0.0.1/)"\n'),
    program: Buffer.from('\x7fELF\x02\x01\x01', 'latin1'),
    'one byte': Buffer.from('x'),
    tiff,
  }
  const types = ['image/png', 'image/svg+xml', 'text/html']
  const wrong = Object.entries(others).flatMap(([about, bytes]) => types.map((type) => ({ about, bytes, type })))
  const double = Object.entries(images).flatMap(([type, image]) => [
    { about: `${type} with a page behind`, bytes: Buffer.concat([image, HTML]), type: 'text/html' },
    { about: `${type} before a page`, bytes: Buffer.concat([image.subarray(0, 40), HTML]), type },
  ])
  return [...wrong, ...double].map((file) => ({ ...file, isBomb: false }))
}

function flipped(image: Buffer, chance: Chance): Buffer {
  const bytes = Buffer.from(image)
  for (let n = 0; n <= chance.below(40); n++) {
    const at = 12 + chance.below(bytes.length - 12)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << chance.below(8))
  }
  return bytes
}
