declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

export type RoomId = Branded<'RoomId'>
export type UserId = Branded<'UserId'>
export type EventId = Branded<'EventId'>
export type RoomAlias = Branded<'RoomAlias'>
export type ServerName = Branded<'ServerName'>
