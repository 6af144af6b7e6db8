import type { Database, Guard } from '../db/database.ts'
import { type Sql, sql, textList } from '../db/sql.ts'

/** What a thumbnail is made of, by the hash of its content, and how: size and method. */
export interface ThumbnailName {
  readonly source: string
  readonly variant: string
}

export interface ThumbnailContent {
  readonly content_type: string
  readonly bytes: number
  /** Where its bytes lie; the hash of the source where that is served as it is. */
  readonly hash: string
}

export async function thumbnailNamed(db: Database, name: ThumbnailName): Promise<ThumbnailContent | undefined> {
  const rows = await db.read<ThumbnailContent>(sql`SELECT content_type, bytes, hash FROM thumbnails
    WHERE source = ${name.source} AND variant = ${name.variant}`)
  return rows[0]
}

export async function countThumbnails(db: Database, source: string): Promise<number> {
  const rows = await db.read<{ made: number }>(sql`SELECT COUNT(*) AS made FROM thumbnails WHERE source = ${source}`)
  return rows[0]?.made ?? 0
}

/** Hold while there is a file of that content, and not this thumbnail of it. */
export function thumbnailIsOpen({ source, variant }: ThumbnailName): Guard[] {
  return [
    {
      about: aboutContent(source),
      query: sql`SELECT 1 AS known WHERE EXISTS (SELECT 1 FROM media WHERE hash = ${source})`,
      expect: [{ known: 1 }],
    },
    {
      about: `thumbnail:${source} ${variant}`,
      query: sql`SELECT bytes FROM thumbnails WHERE source = ${source} AND variant = ${variant}`,
      expect: [],
    },
  ]
}

export function storeThumbnail(name: ThumbnailName, content: ThumbnailContent, nowMs: number): Sql {
  return sql`INSERT INTO thumbnails (source, variant, content_type, bytes, hash, created_ts)
    VALUES (${name.source}, ${name.variant}, ${content.content_type}, ${content.bytes}, ${content.hash}, ${nowMs})`
}

/** Where thumbnails of the content lie, and the guard that there are no others. */
export async function thumbnailHashes(
  db: Database,
  source: string,
): Promise<{ readonly hashes: readonly string[]; readonly guard: Guard }> {
  const query = sql`SELECT hash FROM thumbnails WHERE source = ${source} ORDER BY variant`
  const rows = await db.read<{ hash: string }>(query)
  return { hashes: rows.map(({ hash }) => hash), guard: { about: aboutContent(source), query, expect: rows } }
}

function aboutContent(source: string): string {
  return `content:${source}`
}

/** Forgets the thumbnails of those contents that no file has. */
export function forgetThumbnails(sources: readonly string[]): Sql {
  return sql`DELETE FROM thumbnails WHERE source IN ${textList(sources)}
    AND NOT EXISTS (SELECT 1 FROM media WHERE media.hash = thumbnails.source)`
}
