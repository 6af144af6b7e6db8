import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readKeyPem } from '../../src/core/keys.ts'
import { runCli, temporaryDirectory } from '../helpers/cli.ts'

test('a signing key is PEM, for its owner only, and told by its public half', async () => {
  const dir = temporaryDirectory()
  const result = await runCli(['generate-keys', '--private-key', 'key.pem', '--json'], { cwd: dir })
  expect(result.code).toBe(0)
  const pem = readFileSync(join(dir, 'key.pem'), 'utf8')
  expect(pem).toMatch(/^-----BEGIN MATRIX PRIVATE KEY-----\nKey-ID: ed25519:\w+\n\n/)
  expect(statSync(join(dir, 'key.pem')).mode & 0o777).toBe(0o600)
  const key = readKeyPem(pem)
  expect(JSON.parse(result.stdout)).toEqual({
    signing_key: { path: 'key.pem', key_id: key.keyId, public_key: key.publicKey },
  })
  expect(readdirSync(dir)).toEqual(['key.pem'])
})

test('an existing key is replaced with --force only', async () => {
  const dir = temporaryDirectory()
  writeFileSync(join(dir, 'key.pem'), 'precious')
  const refused = await runCli(['generate-keys', '--private-key', 'key.pem', '--json'], { cwd: dir })
  expect(refused.code).toBe(4)
  expect(JSON.parse(refused.stdout).error).toMatchObject({ code: 'EXISTS', exit: 4 })
  expect(readFileSync(join(dir, 'key.pem'), 'utf8')).toBe('precious')
  const forced = await runCli(['generate-keys', '--private-key', 'key.pem', '--force'], { cwd: dir })
  expect(forced.code).toBe(0)
  expect(readKeyPem(readFileSync(join(dir, 'key.pem'), 'utf8')).keyId).toMatch(/^ed25519:/)
  expect(statSync(join(dir, 'key.pem')).mode & 0o777).toBe(0o600)
})

test('one file that exists keeps all from being written', async () => {
  const dir = temporaryDirectory()
  writeFileSync(join(dir, 'c'), 'precious')
  const args = ['generate-keys', '--private-key', 'k', '--tls-cert', 'c', '--tls-key', 'ck']
  expect((await runCli(args, { cwd: dir })).code).toBe(4)
  expect(readdirSync(dir)).toEqual(['c'])
})

test('an authority signs a certificate for the names given', async () => {
  const dir = temporaryDirectory()
  const authority = ['--tls-cert', 'ca.crt', '--tls-key', 'ca.key', '--server', 'ca.test']
  expect((await runCli(['generate-keys', ...authority], { cwd: dir })).code).toBe(0)
  const leaf = ['--tls-cert', 'a.crt', '--tls-key', 'a.key', '--server', 'a.test', '--server', '127.0.0.1']
  const signedBy = ['--tls-authority-cert', 'ca.crt', '--tls-authority-key', 'ca.key', '--keysize', '2048']
  expect((await runCli(['generate-keys', ...leaf, ...signedBy], { cwd: dir })).code).toBe(0)
  const certificate = new X509Certificate(readFileSync(join(dir, 'a.crt')))
  const ca = new X509Certificate(readFileSync(join(dir, 'ca.crt')))
  expect(certificate.subjectAltName).toBe('DNS:a.test, IP Address:127.0.0.1')
  expect(certificate.verify(ca.publicKey)).toBe(true)
  expect(ca.ca && !certificate.ca).toBe(true)
  expect(statSync(join(dir, 'a.key')).mode & 0o777).toBe(0o600)
  expect(certificate.publicKey.asymmetricKeyType).toBe('rsa')
})

test('openssl agrees, where it is installed', async (context) => {
  const dir = temporaryDirectory()
  await runCli(['generate-keys', '--tls-cert', 'a.crt', '--tls-key', 'a.key', '--server', 'a.test'], { cwd: dir })
  try {
    execFileSync('openssl', ['version'])
  } catch {
    return context.skip('openssl is not installed')
  }
  const output = execFileSync('openssl', ['verify', '-CAfile', 'a.crt', 'a.crt'], { cwd: dir, encoding: 'utf8' })
  expect(output).toBe('a.crt: OK\n')
})

test.each([
  ['nothing to make', []],
  ['a certificate without a key', ['--tls-cert', 'a.crt']],
  ['an authority without its key', ['--tls-cert', 'a', '--tls-key', 'b', '--tls-authority-cert', 'c']],
  ['a key that is too short', ['--tls-cert', 'a', '--tls-key', 'b', '--keysize', '512']],
])('%s is a usage error', async (_, args) => {
  const dir = temporaryDirectory()
  expect((await runCli(['generate-keys', ...args], { cwd: dir })).code).toBe(2)
  expect(readdirSync(dir)).toEqual([])
})
