/** Presence by its changes, names that wait for their content, images of previews by when they were asked for. */
export const presencePositions = {
  number: 15,
  name: 'presence_positions',
  up: (): readonly string[] => [
    'CREATE INDEX presence_position ON presence (position)',
    'CREATE INDEX media_reserved ON media (expires_ts) WHERE uploaded_ts IS NULL',
    'CREATE INDEX media_unowned ON media (origin, last_access_ts) WHERE uploader IS NULL',
  ],
}
