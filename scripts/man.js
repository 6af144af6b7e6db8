// Writes man/dendrite.1, and a page for each command, from the manifest of the commands: see man(7) for the macros.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

const root = new URL('..', import.meta.url)
const { description, oclif } = read('package.json')
const { commands, version } = read('oclif.manifest.json')
const pages = new URL('man/', root)

rmSync(pages, { recursive: true, force: true })
mkdirSync(pages)
write('dendrite', overview())
for (const command of Object.values(commands)) write(pageOf(command), commandPage(command))

function overview() {
  const list = Object.values(commands).flatMap((command) => [
    '.TP',
    `.B dendrite ${words(command)}`,
    text(command.summary, command),
  ])
  return [
    ...head('dendrite', description),
    '.SH SYNOPSIS',
    '.B dendrite\n.I COMMAND\n[\\fIOPTIONS\\fR]',
    '.SH COMMANDS',
    'Each has a page of its own, like\n.BR dendrite-serve (1).',
    ...list,
  ]
}

function commandPage(command) {
  const args = Object.values(command.args)
  const flags = Object.values(command.flags).filter((flag) => !flag.hidden)
  const operands = args.map((arg) => (arg.required ? ` \\fI${name(arg)}\\fR` : ` [\\fI${name(arg)}\\fR]`))
  return [
    ...head(pageOf(command), text(command.summary, command)),
    '.SH SYNOPSIS',
    `.B dendrite ${words(command)}\n${operands.join('').trim()} [\\fIOPTIONS\\fR]`.replace('\n ', '\n'),
    ...(command.description ? ['.SH DESCRIPTION', text(command.description, command)] : []),
    ...section('ARGUMENTS', args, (arg) => ['.TP', `.I ${name(arg)}`, text(arg.description ?? '', command)]),
    ...section('OPTIONS', flags, (flag) => ['.TP', option(flag), meaning(flag, command)]),
    ...section('EXAMPLES', command.examples ?? [], (example) => [
      '.PP',
      '.EX',
      text(exampleOf(example), command),
      '.EE',
    ]),
    '.SH SEE ALSO',
    '.BR dendrite (1)',
  ]
}

function head(page, summary) {
  return [
    `.TH ${page.toUpperCase()} 1 "" "dendrite ${version}"`,
    '.SH NAME',
    `${escaped(page)} \\- ${escaped(summary)}`,
  ]
}

function section(title, items, lines) {
  return items.length > 0 ? [`.SH ${title}`, ...items.flatMap(lines)] : []
}

function option(flag) {
  const long = `\\fB\\-\\-${flag.allowNo ? '[no\\-]' : ''}${escaped(flag.name)}\\fR`
  const value =
    flag.type === 'option' ? ` \\fI${escaped(flag.helpValue ?? flag.options?.join('|') ?? 'VALUE')}\\fR` : ''
  return `${flag.char ? `\\fB\\-${flag.char}\\fR, ` : ''}${long}${value}${flag.multiple ? ' ...' : ''}`
}

function meaning(flag, command) {
  const parts = [flag.summary, flag.description].filter(Boolean).map((part) => text(part, command))
  if (flag.default !== undefined && flag.type === 'option') parts.push(`Default: ${escaped(String(flag.default))}.`)
  if (flag.env) parts.push(`Environment: ${escaped(flag.env)}.`)
  return parts.join('\n') || '\\&'
}

function exampleOf(example) {
  return typeof example === 'string' ? example : `${example.description}\n${example.command}`
}

/** Text of a command as oclif prints it: its own name, and that of the program, stand in it as templates. */
function text(template, command) {
  return escaped(template.replace(/<%= *config\.bin *%>/g, oclif.bin).replace(/<%= *command\.id *%>/g, words(command)))
}

/** No backslash, hyphen, nor a dot or quote at the start of a line, may mean anything to roff. */
function escaped(plain) {
  return plain
    .replace(/\\/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/^(?=[.'])/gm, '\\&')
}

function name(arg) {
  return escaped(arg.name.toUpperCase())
}

function words(command) {
  return command.id.replaceAll(':', ' ')
}

function pageOf(command) {
  return `dendrite-${command.id.replaceAll(':', '-')}`
}

function read(path) {
  return JSON.parse(readFileSync(new URL(path, root), 'utf8'))
}

function write(page, lines) {
  writeFileSync(new URL(`${page}.1`, pages), `${lines.join('\n')}\n`)
}
