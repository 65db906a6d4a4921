// An independent client walks a running stack. What it needs from dev.json,
// and what each step shows, is in README.md.
import { execFile } from 'node:child_process'
import { parseArgs, promisify } from 'node:util'
import { readFile } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import * as oauth from 'oauth4webapi'
import { approve } from './browser.mjs'
import { makeClient, need, readStack } from './stack.mjs'

const details = (...dataClusters) => [
  {
    type: 'fdx_v1.0',
    consentRequest: { durationType: 'TIME_BOUND', durationPeriod: 90, lookbackPeriod: 60, resources: [{ resourceType: 'ACCOUNT', dataClusters }] },
  },
]
const wanted = details('ACCOUNT_DETAILED', 'TRANSACTIONS')

let stack
let challenges = 0 // use_dpop_nonce answers in this step

const demand = (holds, message) => {
  if (!holds) throw new Error(message)
}

// patiently runs one request, and runs it again when the server asks for a
// DPoP nonce: the library keeps the nonce, and signs anew each time.
async function patiently(call) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await call()
    } catch (error) {
      if (attempt === 2 || !oauth.isDPoPNonceError(error)) throw error
      challenges++
    }
  }
}

// refused runs a call that has to fail with this OAuth error.
async function refused(code, what, call) {
  try {
    await call()
  } catch (error) {
    demand(error.error === code, `${what}: ${say(error)}, not ${code}`)
    return
  }
  throw new Error(`${what} was accepted`)
}

// unauthorized runs a call that has to fail with status 401 and a challenge.
async function unauthorized(what, call) {
  try {
    await call()
  } catch (error) {
    demand(error.response?.status === 401, `${what}: ${say(error)}, not a challenge with status 401`)
    return
  }
  throw new Error(`${what} was accepted`)
}

// vouchedFor has the operator approve a client, with the command of
// --approve, if it has to wait for that; until then it may do nothing.
async function vouchedFor(app, registration) {
  if (registration.status !== 'pending') return
  await refused('invalid_client', 'a client that waits for approval', () => push(app, { response_type: 'code' }))
  need(flags.approve, 'a client that waits for approval: --approve', 'the command line')
  const [command, ...args] = flags.approve.split(' ')
  await promisify(execFile)(command, [...args, registration.client_id])
}

function recipient(what, match) {
  return makeClient(stack, need(stack.dev.recipients.find(match), `recipient for ${what}`))
}
const first = () => recipient('private_key_jwt', (r) => r.token_endpoint_auth_method === 'private_key_jwt' && r.client_id !== 'signedfirst')
const signedFirst = () => recipient('signed requests: client_id signedfirst', (r) => r.client_id === 'signedfirst')
const openID = () =>
  recipient('OpenID Connect: scope with openid', (r) => r.token_endpoint_auth_method === 'private_key_jwt' && r.scope?.split(' ').includes('openid'))
const byCertificate = () => recipient('mutual TLS: client_id wealthview', (r) => r.client_id === 'wealthview')
const resourceServer = () => makeClient(stack, need(stack.dev.resource_servers?.[0], 'resource_servers[0]'))

async function newDPoP(app) {
  return oauth.DPoP(app.client, await oauth.generateKeyPair('ES256'))
}

const options = (app, more = {}) => ({ DPoP: app.dpop, [oauth.customFetch]: app.fetch, ...more })

async function push(app, parameters) {
  return patiently(async () =>
    oauth.processPushedAuthorizationResponse(
      stack.as,
      app.client,
      await oauth.pushedAuthorizationRequest(stack.as, app.client, app.auth, parameters, options(app)),
    ),
  )
}

// authorize asks for a consent and returns the answer with what it takes to
// redeem it. With sign, the parameters go into a request object.
async function authorize(app, { sign = false, accounts, ...parameters } = {}) {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const asked = {
    response_type: 'code',
    redirect_uri: app.redirectURI,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    authorization_details: JSON.stringify(wanted),
    ...parameters,
  }
  const form = sign ? { request: await oauth.issueRequestObject(stack.as, app.client, asked, app.key) } : asked
  const pushed = await push(app, form)
  const address = new URL(stack.as.authorization_endpoint)
  address.searchParams.set('client_id', app.client.client_id)
  address.searchParams.set('request_uri', pushed.request_uri)
  const back = await approve(stack.fetch, address, app.redirectURI, stack.persona, accounts, stack.mailbox)
  return { back, state, verifier }
}

async function redeem(app, answer, verifier, { check = {}, ...more } = {}) {
  return patiently(async () => {
    const response = await oauth.authorizationCodeGrantRequest(stack.as, app.client, app.auth, answer, app.redirectURI, verifier, options(app, more))
    const token = await oauth.processAuthorizationCodeResponse(stack.as, app.client, response, check)
    return { token, response }
  })
}

// consent walks from the pushed request to a token.
async function consent(app, parameters, more) {
  const { back, state, verifier } = await authorize(app, parameters)
  const answer = oauth.validateAuthResponse(stack.as, app.client, back, state)
  const { token } = await redeem(app, answer, verifier, more)
  return token
}

async function refresh(app, token, more) {
  return patiently(async () =>
    oauth.processRefreshTokenResponse(
      stack.as,
      app.client,
      await oauth.refreshTokenGrantRequest(stack.as, app.client, app.auth, token.refresh_token, options(app, more)),
    ),
  )
}

async function readAccounts(app, token) {
  const id = randomUUID()
  const response = await patiently(async () =>
    oauth.protectedResourceRequest(
      token.access_token,
      'GET',
      new URL(`${stack.dev.gateway_base}/fdx/v6/accounts`),
      new Headers({ accept: 'application/json', 'x-fapi-interaction-id': id }),
      null,
      options(app),
    ),
  )
  demand(response.status === 200, `accounts: status ${response.status}`)
  demand(response.headers.get('x-fapi-interaction-id')?.toLowerCase() === id, 'x-fapi-interaction-id did not come back')
  const { accounts } = await response.json()
  demand(accounts?.length > 0, 'accounts: none came back')
  return accounts
}

async function newClient(make) {
  const app = await make()
  app.dpop = await newDPoP(app)
  return app
}

// introspect asks as a resource server, and checks a signed answer.
async function introspect(server, token, requestJwtResponse) {
  const response = await oauth.introspectionRequest(stack.as, server.client, server.auth, token, {
    requestJwtResponse,
    [oauth.customFetch]: server.fetch,
  })
  const kind = response.headers.get('content-type')?.split(';')[0]
  const expected = requestJwtResponse ? 'application/token-introspection+jwt' : 'application/json'
  demand(response.status !== 200 || kind === expected, `content type ${kind}, not ${expected}`)
  const client = requestJwtResponse ? { ...server.client, introspection_signed_response_alg: ['PS256', 'ES256', 'EdDSA', 'Ed25519'] } : server.client
  const said = await oauth.processIntrospectionResponse(stack.as, client, response)
  if (requestJwtResponse) await oauth.validateApplicationLevelSignature(stack.as, response, { [oauth.customFetch]: stack.fetch })
  return said
}

async function introspection(signed) {
  const app = await newClient(first)
  const server = await resourceServer()
  const token = await consent(app)
  const said = await introspect(server, token.access_token, signed)
  demand(said.active === true, 'a good token is not active')
  demand(said.client_id === app.client.client_id, 'client_id is another')
  demand(said.cnf?.jkt === (await app.dpop.calculateThumbprint()), 'cnf.jkt is not the DPoP key')
  const unknown = await introspect(server, `${token.access_token.slice(0, -4)}AAAA`, signed)
  demand(unknown.active === false, 'an unknown token is active')
  demand(Object.keys(unknown).length === 1, 'more than active is said of an unknown token')
}

// manage reads, replaces or deletes a registration (RFC 7592), which the
// library leaves to its caller.
async function manage(method, uri, token, body) {
  return stack.fetch(uri, {
    method,
    headers: { accept: 'application/json', authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  })
}

async function keyPair(kid) {
  const pair = await oauth.generateKeyPair('ES256', { extractable: true })
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey)
  return { private: { key: pair.privateKey, kid }, jwks: { keys: [{ kty, crv, x, y, kid, use: 'sig', alg: 'ES256' }] } }
}

const steps = {
  // private_key_jwt, DPoP, consent, read.
  async dpop() {
    const app = await newClient(first)
    const token = await consent(app)
    demand(token.token_type === 'dpop', `token_type ${token.token_type}`)
    demand(token.expires_in > 0 && token.expires_in <= 900, `expires_in ${token.expires_in}`)
    demand(token.id_token === undefined, 'an ID token that nobody asked for')
    await readAccounts(app, token)
    app.dpop = await newDPoP(app)
    await unauthorized('the token with another key', () => readAccounts(app, token))
  },

  // Client authentication by certificate, tokens bound to it, at the aliases.
  async mtls() {
    const app = await byCertificate()
    demand(stack.as.tls_client_certificate_bound_access_tokens === true, 'tls_client_certificate_bound_access_tokens is not true')
    for (const name of ['token_endpoint', 'pushed_authorization_request_endpoint']) {
      need(stack.as.mtls_endpoint_aliases?.[name], `mtls_endpoint_aliases.${name}`, 'the metadata')
    }
    const token = await consent(app)
    demand(token.token_type === 'bearer', `token_type ${token.token_type}`)
    await readAccounts(app, token)
    await unauthorized('the token without the certificate', () => readAccounts({ ...app, fetch: stack.fetch }, token))
    const bare = { ...app, fetch: stack.fetch, client: { client_id: app.client.client_id } }
    await refused('invalid_client', 'a pushed request without a certificate', () => push(bare, { response_type: 'code' }))
    await refresh(app, token)
  },

  // Signed request objects: taken, and nothing else is.
  async jar() {
    const app = await newClient(signedFirst)
    const parameters = {
      response_type: 'code',
      redirect_uri: app.redirectURI,
      code_challenge: await oauth.calculatePKCECodeChallenge(oauth.generateRandomCodeVerifier()),
      code_challenge_method: 'S256',
      response_mode: 'jwt',
      state: oauth.generateRandomState(),
      authorization_details: JSON.stringify(wanted),
    }
    const signed = (change) => oauth.issueRequestObject(stack.as, app.client, parameters, app.key, { [oauth.modifyAssertion]: (_, claims) => change(claims) })
    const pushed = await push(app, { request: await signed(() => {}) })
    demand(pushed.expires_in > 0 && pushed.expires_in < 600, `expires_in ${pushed.expires_in}`)
    await refused('invalid_request', 'an unsigned request', () => push(app, parameters))
    for (const [what, change] of [
      ['a request object for another server', (claims) => (claims.aud = 'https://elsewhere.example')],
      ['an expired request object', (claims) => (claims.exp = claims.nbf - 60)],
      ['a request object without nbf', (claims) => delete claims.nbf],
    ]) {
      const request = await signed(change)
      await refused('invalid_request_object', what, () => push(app, { request }))
    }
  },

  // Signed answers.
  async jarm() {
    const app = await newClient(signedFirst)
    const { back, state, verifier } = await authorize(app, { sign: true, response_mode: 'jwt' })
    demand(!back.searchParams.has('code'), 'the code stands beside the signed answer')
    const answer = await oauth.validateJwtAuthResponse(stack.as, app.client, back, state, { [oauth.customFetch]: stack.fetch })
    const { token } = await redeem(app, answer, verifier)
    await readAccounts(app, token)
  },

  // authorization_details: what was granted comes back, and the unknown is refused.
  async rar() {
    const app = await newClient(first)
    const token = await consent(app, { accounts: ['account_1'] })
    demand(Array.isArray(token.authorization_details) && token.authorization_details.length > 0, 'no authorization_details in the token answer')
    demand(token.authorization_details.every((entry) => stack.as.authorization_details_types_supported.includes(entry.type)), 'an entry of a type that is not in the metadata')
    demand((await readAccounts(app, token)).length === 1, 'one account was shared, and another number came back')
    await refused('invalid_authorization_details', 'an unknown type', () =>
      push(app, {
        response_type: 'code',
        redirect_uri: app.redirectURI,
        code_challenge: 'x'.repeat(43),
        code_challenge_method: 'S256',
        authorization_details: JSON.stringify([{ type: 'unknown' }]),
      }),
    )
  },

  // authorization_details at the token endpoint may take away and not add.
  async 'rar-narrow'() {
    const app = await newClient(first)
    const narrowed = await consent(app, {}, { additionalParameters: { authorization_details: JSON.stringify(details('ACCOUNT_DETAILED')) } })
    const clusters = JSON.stringify(narrowed.authorization_details)
    demand(clusters.includes('ACCOUNT_DETAILED') && !clusters.includes('TRANSACTIONS'), 'the token answer does not hold the narrowed details')
    const { back, state, verifier } = await authorize(app)
    const answer = oauth.validateAuthResponse(stack.as, app.client, back, state)
    const wider = JSON.stringify(details('ACCOUNT_DETAILED', 'TRANSACTIONS', 'BALANCES'))
    await refused('invalid_authorization_details', 'a wider request at the token endpoint', () =>
      redeem(app, answer, verifier, { additionalParameters: { authorization_details: wider } }),
    )
  },

  // The refresh token stays good, and takes a new DPoP key.
  async refresh() {
    const app = await newClient(first)
    const token = await consent(app)
    need(token.refresh_token, 'refresh_token', 'the token answer')
    for (let round = 0; round < 2; round++) {
      app.dpop = await newDPoP(app)
      const fresh = await refresh(app, token)
      demand(fresh.access_token !== token.access_token, 'the access token is not new')
      await readAccounts(app, fresh)
    }
    const other = await newClient(() =>
      recipient('another private_key_jwt', (r) => r.token_endpoint_auth_method === 'private_key_jwt' && r.client_id !== app.client.client_id),
    )
    await refused('invalid_grant', "another client's refresh token", () => refresh(other, token))
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(stack.as, app.client, app.auth, token.refresh_token, { [oauth.customFetch]: app.fetch }),
    )
    await refused('invalid_grant', 'a refresh token that was given back', () => refresh(app, token))
  },

  introspection: () => introspection(false),
  'introspection-signed': () => introspection(true),

  // Dynamic registration: register, use, read, change the key, delete.
  async registration() {
    need(stack.as.registration_endpoint, 'registration_endpoint', 'the metadata')
    const statement = (await readFile(need(stack.dev.software_statement_file, 'software_statement_file'), 'utf8')).trim()
    const claims = JSON.parse(Buffer.from(statement.split('.')[1], 'base64url'))
    const [one, two] = [await keyPair('one'), await keyPair('two')]
    const metadata = {
      software_statement: statement,
      redirect_uris: claims.redirect_uris ?? claims.software_redirect_uris ?? ['https://interop.example/callback'],
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      dpop_bound_access_tokens: true,
      jwks: one.jwks,
    }
    const register = async (body) =>
      oauth.processDynamicClientRegistrationResponse(
        await oauth.dynamicClientRegistrationRequest(stack.as, body, { [oauth.customFetch]: stack.fetch }),
      )
    const { software_statement: _, ...unvouched } = metadata
    await refused('invalid_software_statement', 'a registration without a software statement', () => register(unvouched))
    await refused('invalid_software_statement', 'a software statement with a broken signature', () =>
      register({ ...metadata, software_statement: `${statement.slice(0, -8)}AAAAAAAA` }),
    )

    const made = await register(metadata)
    const uri = need(made.registration_client_uri, 'registration_client_uri', 'the answer')
    let token = need(made.registration_access_token, 'registration_access_token', 'the answer')
    const app = await newClient(() => ({
      client: { client_id: made.client_id },
      redirectURI: made.redirect_uris[0],
      auth: oauth.PrivateKeyJwt(one.private),
      fetch: stack.fetch,
    }))
    await vouchedFor(app, made)
    await readAccounts(app, await consent(app))

    let answer = await manage('GET', uri, token)
    demand(answer.status === 200, `reading: status ${answer.status}`)
    const read = await answer.json()
    demand(read.client_id === made.client_id, 'reading: another client came back')
    token = read.registration_access_token ?? token

    const { client_id_issued_at, client_secret_expires_at, registration_access_token, registration_client_uri, ...rest } = read
    answer = await manage('PUT', uri, token, { ...rest, software_statement: statement, jwks: two.jwks })
    const updated = await answer.json()
    demand(answer.status === 200, `updating: status ${answer.status} ${updated.error} ${updated.error_description}`)
    token = updated.registration_access_token ?? token
    await refused('invalid_client', 'the key before the update', () => push(app, { response_type: 'code' }))
    app.auth = oauth.PrivateKeyJwt(two.private)
    await vouchedFor(app, updated)
    await readAccounts(app, await consent(app))

    answer = await manage('GET', uri, `${token.slice(0, -4)}AAAA`)
    demand(answer.status === 401, `a wrong registration token: status ${answer.status}`)
    answer = await manage('DELETE', uri, token)
    demand(answer.status === 204, `deleting: status ${answer.status}`)
    answer = await manage('GET', uri, token)
    demand(answer.status === 401, `reading after the end: status ${answer.status}`)
    await refused('invalid_client', 'a deleted client', () => push(app, { response_type: 'code' }))
  },

  // A grant can be read and ended with a token of the client's own.
  async grants() {
    const base = need(stack.as.grant_management_endpoint, 'grant_management_endpoint', 'the metadata')
    const app = await newClient(first)
    const token = await consent(app, { grant_management_action: 'create' })
    const id = need(token.grant_id, 'grant_id', 'the token answer')
    const own = await patiently(async () =>
      oauth.processClientCredentialsResponse(
        stack.as,
        app.client,
        await oauth.clientCredentialsGrantRequest(
          stack.as,
          app.client,
          app.auth,
          { scope: 'grant_management_query grant_management_revoke' },
          options(app),
        ),
      ),
    )
    const call = (method, grant) =>
      patiently(() =>
        oauth.protectedResourceRequest(own.access_token, method, new URL(`${base}/${encodeURIComponent(grant)}`), new Headers({ accept: 'application/json' }), null, options(app)),
      )
    const read = await call('GET', id)
    demand(read.status === 200, `reading: status ${read.status}`)
    const grant = await read.json()
    demand(grant.authorization_details?.length > 0, 'reading: no authorization_details')
    demand(!JSON.stringify(grant).includes(token.refresh_token), 'reading: a token came back')
    demand((await call('GET', 'unknown')).status === 404, 'an unknown grant is not 404')
    const ended = await call('DELETE', id)
    demand(ended.status === 204, `revoking: status ${ended.status}`)
    await refused('invalid_grant', 'a refresh token of the ended grant', () => refresh(app, token))
    await unauthorized('the access token of the ended grant', () => readAccounts(app, token))
  },

  // OpenID Connect.
  async 'id-token'() {
    const app = await newClient(openID)
    const nonce = oauth.generateRandomNonce()
    const { back, state, verifier } = await authorize(app, { scope: 'openid', nonce, max_age: '600' })
    const answer = oauth.validateAuthResponse(stack.as, app.client, back, state)
    const { token, response } = await redeem(app, answer, verifier, { check: { expectedNonce: nonce, maxAge: 600, requireIdToken: true } })
    await oauth.validateApplicationLevelSignature(stack.as, response, { [oauth.customFetch]: stack.fetch })
    demand(oauth.getValidatedIdTokenClaims(token).sub.length > 0, 'sub is empty')
    await readAccounts(app, token)
  },
}

// say tells what went wrong in one line. Causes stay out of it: they hold
// answers, and those hold tokens.
function say(error) {
  if (error.error) return `${error.status ?? ''} ${error.error} ${error.error_description ?? ''}`.trim()
  if (error instanceof oauth.WWWAuthenticateChallengeError) {
    return `status ${error.status}: ${error.cause.map(({ scheme, parameters }) => `${scheme} ${parameters?.error ?? ''}`).join(', ')}`
  }
  const status = error.cause instanceof Response ? ` (status ${error.cause.status})` : ''
  return `${error.message}${status}`.replace(/\s+/g, ' ')
}

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' }, nonces: { type: 'string' }, approve: { type: 'string' } },
})
const names = flags.only ? [flags.only] : Object.keys(steps)
if (positionals.length !== 1 || !names.every((name) => Object.hasOwn(steps, name)) || !['on', 'off', undefined].includes(flags.nonces)) {
  console.error(`usage: interop.mjs DEV_JSON [--only ${Object.keys(steps).join('|')}] [--nonces on|off] [--approve 'COMMAND...']`)
  process.exit(2)
}
try {
  stack = await readStack(positionals[0])
} catch (error) {
  console.log(`FAIL discovery: ${say(error)}`)
  process.exit(1)
}
let failed = false
for (const name of names) {
  challenges = 0
  try {
    await steps[name]()
    if (name === 'dpop' && flags.nonces) {
      demand((challenges > 0) === (flags.nonces === 'on'), `${challenges} requests for a DPoP nonce, with nonces ${flags.nonces}`)
    }
    console.log(`ok ${name}`)
  } catch (error) {
    failed = true
    console.log(`FAIL ${name}: ${say(error)}`)
  }
}
process.exit(failed ? 1 : 0)
