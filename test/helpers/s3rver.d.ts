/** The package brings no types. */
declare module 's3rver'
