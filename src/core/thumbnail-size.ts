export interface ThumbnailSize {
  readonly width: number
  readonly height: number
  readonly method: 'crop' | 'scale'
}

/** Larger than any image is. */
const WHOLE = 65_535

/**
 * The size that a thumbnail is made in (Client-Server API, "Thumbnails"): the smallest of those configured that is as
 * large as the one asked for, of the same method where there is one. Where all are smaller the image is served whole:
 * a thumbnail is never smaller than what was asked for.
 */
export function thumbnailSize(sizes: readonly ThumbnailSize[], asked: ThumbnailSize): ThumbnailSize {
  const large = sizes.filter(({ width, height }) => width >= asked.width && height >= asked.height)
  const alike = large.filter(({ method }) => method === asked.method)
  const [smallest] = (alike.length > 0 ? alike : large).toSorted((a, b) => a.width * a.height - b.width * b.height)
  return smallest ?? { width: WHOLE, height: WHOLE, method: 'scale' }
}
