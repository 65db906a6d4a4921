// What dev.json says, as clients for oauth4webapi.
import { readFile } from 'node:fs/promises'
import * as oauth from 'oauth4webapi'
import { makeFetch } from './https.mjs'

export async function readStack(file) {
  const dev = JSON.parse(await readFile(file, 'utf8'))
  const ca = await readFile(dev.ca_file)
  const fetch = makeFetch({ ca })
  const issuer = new URL(dev.issuer)
  const metadata = async (algorithm) =>
    oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, [oauth.customFetch]: fetch }))
  const as = await metadata('oauth2')
  const openID = await metadata('oidc')
  if (JSON.stringify(as) !== JSON.stringify(openID)) throw new Error('the two metadata documents differ')
  return { dev, ca, fetch, as, mailbox: dev.mailbox_url, persona: need(dev.personas?.[0], 'personas[0]') }
}

// need returns a value that has to be there.
export function need(value, what, where = 'dev.json') {
  if (value === undefined || value === null || value === '') throw new Error(`${where} has no ${what}`)
  return value
}

// A recipient (or a resource server) of dev.json with what its calls need:
// client, its authentication, and a fetch that shows its certificate if that
// is how it authenticates.
export async function makeClient(stack, entry) {
  const client = { client_id: entry.client_id }
  const redirectURI = entry.redirect_uris?.[0]
  if (entry.token_endpoint_auth_method.endsWith('tls_client_auth')) {
    const [cert, key] = await Promise.all([readFile(need(entry.cert_file, `cert_file of ${entry.client_id}`)), readFile(entry.key_file)])
    client.use_mtls_endpoint_aliases = true
    return { client, redirectURI, auth: oauth.TlsClientAuth(), fetch: makeFetch({ ca: stack.ca, cert, key }) }
  }
  const { keys } = JSON.parse(await readFile(need(entry.private_jwks_file, `private_jwks_file of ${entry.client_id}`), 'utf8'))
  const key = await importKey(keys[0])
  return { client, redirectURI, key, auth: oauth.PrivateKeyJwt(key), fetch: stack.fetch }
}

async function importKey(jwk) {
  const algorithm = {
    EC: { name: 'ECDSA', namedCurve: jwk.crv },
    RSA: { name: 'RSA-PSS', hash: 'SHA-256' },
    OKP: { name: 'Ed25519' },
  }[jwk.kty]
  return { key: await crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign']), kid: jwk.kid }
}
