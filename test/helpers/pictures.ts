import sharp from 'sharp'

/** Pictures that tests make for themselves: a left half of one colour, a right half of another. */
const RED = { r: 255, g: 0, b: 0 }
const BLUE = { r: 0, g: 0, b: 255 }

export function picture(width: number, height: number) {
  const left = { create: { width: Math.ceil(width / 2), height, channels: 3, background: RED } } as const
  const background = { width, height, channels: 3, background: BLUE } as const
  return sharp({ create: background }).composite([{ input: left, gravity: 'west' }])
}

/** A moving picture of so many frames. */
export function movingGif(width: number, height: number, frames: number): Promise<Buffer> {
  const pixels = Buffer.alloc(width * height * 3 * frames)
  for (let frame = 0; frame < frames; frame++) {
    const size = width * height * 3
    pixels.fill((frame * 255) / frames, frame * size, (frame + 1) * size)
  }
  const raw = { width, height: height * frames, channels: 3, pageHeight: height } as const
  return sharp(pixels, { raw })
    .gif({ delay: Array<number>(frames).fill(100) })
    .toBuffer()
}

/** What a server has answered with: format, sides and frames. */
export async function seen(bytes: Uint8Array) {
  const { format, width, height, pages = 1 } = await sharp(bytes).metadata()
  return `${format} ${width}x${height}${pages > 1 ? ` of ${pages}` : ''}`
}
