import { thumbnailLoad } from '../helpers/thumbnail-load.ts'

/** Fifty thumbnails of twelve megapixels at once: how long, how much memory, and what others wait meanwhile. */
export async function mediaFigures(report: (scenario: string, figures: object) => void): Promise<void> {
  const { statuses, seconds, ...figures } = await thumbnailLoad()
  const { rssMb: rss_mb, serverMb: server_mb, p50Ms: p50_ms, p99Ms: p99_ms, quietP99Ms: quiet_p99_ms } = figures
  report(`${statuses.length} thumbnails at once`, { seconds, rss_mb, server_mb, p50_ms, p99_ms, quiet_p99_ms })
}
