// fetch on node:https, for a certificate authority of its own and for client
// certificates, which the built-in fetch has no setting for.
import https from 'node:https'

// maxAnswer bounds one answer, in bytes.
const maxAnswer = 16 << 20

// makeFetch returns a function for oauth4webapi's customFetch. cert and key
// are PEM; without them no client certificate is shown. Redirects are never
// followed.
export function makeFetch({ ca, cert, key }) {
  const agent = new https.Agent({ ca, cert, key, keepAlive: true, minVersion: 'TLSv1.2' })
  const send = (url, { method = 'GET', headers = {}, body, signal } = {}) =>
    new Promise((resolve, reject) => {
      const text = body == null ? undefined : String(body)
      const request = https.request(
        url,
        { agent, method, signal, headers: { ...headers, ...(text && { 'content-length': Buffer.byteLength(text) }) } },
        (answer) => {
          const chunks = []
          let size = 0
          answer.on('error', reject)
          answer.on('data', (chunk) => {
            size += chunk.length
            if (size > maxAnswer) answer.destroy(new Error(`the answer is larger than ${maxAnswer} bytes`))
            else chunks.push(chunk)
          })
          answer.on('end', () => {
            const received = new Headers()
            for (let i = 0; i < answer.rawHeaders.length; i += 2) received.append(answer.rawHeaders[i], answer.rawHeaders[i + 1])
            const empty = [204, 205, 304].includes(answer.statusCode)
            resolve(new Response(empty ? null : Buffer.concat(chunks), { status: answer.statusCode, headers: received }))
          })
        },
      )
      request.setTimeout(30_000, () => request.destroy(new Error('no answer within 30 seconds')))
      request.on('error', reject)
      request.end(text)
    })
  send.close = () => agent.destroy()
  return send
}
