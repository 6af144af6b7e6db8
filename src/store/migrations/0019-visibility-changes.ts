/** When rooms were opened and closed to readers: few rows of a table that has all changes of their states. */
export const visibilityChanges = {
  number: 19,
  name: 'visibility_changes',
  up: (): readonly string[] => [
    `CREATE INDEX state_changes_visibility ON state_changes (room, position) WHERE type = 'm.room.history_visibility'`,
  ],
}
