// An app that asks for data: it pushes a request (RFC 9126) as a recipient of
// dev.json that signs its assertions, and has a page to which the browser comes
// back. It knows nothing of the server but its addresses.

import crypto from 'node:crypto'
import fs from 'node:fs'
import https from 'node:https'

const b64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

export class App {
  #dev
  #own
  #ca
  #key
  #kid

  constructor(dev, id) {
    this.#dev = dev
    this.#own = dev.recipients.find((r) => r.client_id === id)
    if (!this.#own) throw new Error(`dev.json has no recipient ${id}`)
    this.#ca = fs.readFileSync(dev.ca_file)
    const [jwk] = JSON.parse(fs.readFileSync(this.#own.private_jwks_file)).keys
    this.#key = crypto.createPrivateKey({ key: jwk, format: 'jwk' })
    this.#kid = jwk.kid
  }

  get redirect() { return new URL(this.#own.redirect_uris[0]) }

  // ask pushes a request for clusters and returns the address to open. days 0
  // asks for one hour; more holds further parameters.
  async ask({ clusters, days = 90, lookback = 365, locale, ...more }) {
    const now = Math.floor(Date.now() / 1000)
    const head = b64({ alg: 'ES256', kid: this.#kid })
    const claims = b64({
      iss: this.#own.client_id, sub: this.#own.client_id, aud: this.#dev.issuer,
      jti: crypto.randomUUID(), iat: now, exp: now + 60,
    })
    const signature = crypto.sign('sha256', Buffer.from(`${head}.${claims}`), { key: this.#key, dsaEncoding: 'ieee-p1363' })
    const answer = await this.#post(`${this.#dev.issuer}/par`, {
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: `${head}.${claims}.${signature.toString('base64url')}`,
      response_type: 'code', redirect_uri: this.redirect.href, state: 'pages', ui_locales: locale,
      code_challenge: crypto.createHash('sha256').update(crypto.randomBytes(32)).digest('base64url'), code_challenge_method: 'S256',
      authorization_details: JSON.stringify([{
        type: 'fdx_v1.0',
        consentRequest: {
          durationType: days ? 'TIME_BOUND' : 'ONE_TIME', ...(days && { durationPeriod: days }), lookbackPeriod: lookback,
          resources: [{ resourceType: 'ACCOUNT', dataClusters: clusters }],
        },
      }]),
      ...more,
    })
    if (answer.status !== 201) throw new Error(`the request was not taken: ${answer.status} ${answer.body}`)
    return this.opens(JSON.parse(answer.body).request_uri)
  }

  // opens returns the address of the authorization endpoint for a request.
  opens(requestURI) {
    return `${new URL(this.#dev.portal_url).origin}/authorize?${new URLSearchParams({ client_id: this.#own.client_id, request_uri: requestURI })}`
  }

  #post(url, form) {
    return new Promise((resolve, reject) => {
      const request = https.request(url, { method: 'POST', ca: this.#ca, headers: { 'content-type': 'application/x-www-form-urlencoded' } }, (answer) => {
        let body = ''
        answer.setEncoding('utf8').on('data', (part) => { body += part }).on('end', () => resolve({ status: answer.statusCode, body }))
      })
      request.on('error', reject)
      request.end(new URLSearchParams(form).toString())
    })
  }
}

// home serves the page to which every app's browser comes back.
export async function home(certificate) {
  const server = https.createServer(certificate, (_, answer) => {
    answer.setHeader('content-type', 'text/html; charset=utf-8')
    answer.end('<!doctype html><html lang="en"><title>The app</title><h1>The app</h1>')
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}
