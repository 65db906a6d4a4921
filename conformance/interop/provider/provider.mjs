// A deployment that is not ours: oidc-provider with its FAPI 2.0 features, on
// this machine. It writes certificates, keys and target.json into a folder,
// target.json last, and serves until it is told to end.
//
//	node provider.mjs DIR [forms|chromium]
//
// It claims what it has: private_key_jwt, DPoP, PAR, OpenID Connect,
// revocation. Its resource is userinfo.
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join, resolve } from 'node:path';
import Provider from 'oidc-provider';

const dir = resolve(process.argv[2] ?? '.');
mkdirSync(dir, { recursive: true });
const file = (name) => join(dir, name);

execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
	'-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', file('key.pem'), '-out', file('ca.pem')], { stdio: 'ignore' });

function key(kid) {
	const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
	return { ...jwk, kid, alg: 'ES256', use: 'sig' };
}

function recipient(id) {
	const jwk = key(`${id}-1`);
	writeFileSync(file(`${id}.jwks.json`), JSON.stringify({ keys: [jwk] }), { mode: 0o600 });
	const { d, ...open } = jwk;
	const redirect = `https://${id}.example/callback`;
	return {
		client: {
			client_id: id, client_name: id, redirect_uris: [redirect], response_types: ['code'], grant_types: ['authorization_code'],
			token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256', id_token_signed_response_alg: 'ES256',
			dpop_bound_access_tokens: true, jwks: { keys: [open] },
		},
		target: {
			client_id: id, token_endpoint_auth_method: 'private_key_jwt', private_jwks_file: `${id}.jwks.json`, redirect_uri: redirect,
			scope: 'openid', resource: '/me',
		},
	};
}

const recipients = ['first', 'second'].map(recipient);
const server = createServer({ key: readFileSync(file('key.pem')), cert: readFileSync(file('ca.pem')) });
server.listen(0, 'localhost', () => {
	const issuer = `https://localhost:${server.address().port}`;
	const provider = new Provider(issuer, {
		clients: recipients.map((r) => r.client),
		jwks: { keys: [key('server-1')] },
		clientAuthMethods: ['private_key_jwt'],
		scopes: ['openid'],
		responseTypes: ['code'],
		pkce: { required: () => true },
		cookies: { keys: ['for a trial on this machine'] },
		findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
		features: {
			devInteractions: { enabled: true },
			dPoP: { enabled: true },
			fapi: { enabled: true, profile: '2.0' },
			pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true },
			revocation: { enabled: true },
		},
		enabledJWA: {
			clientAuthSigningAlgValues: ['PS256', 'ES256'],
			idTokenSigningAlgValues: ['ES256'],
			dPoPSigningAlgValues: ['PS256', 'ES256'],
		},
	});
	provider.proxy = false;
	server.on('request', provider.callback());
	writeFileSync(file('target.part'), JSON.stringify({
		name: 'oidc-provider', issuer, resource_base: issuer, ca_file: 'ca.pem',
		claims: ['private_key_jwt', 'dpop', 'par', 'openid', 'revocation', 'resource'],
		recipients: recipients.map((r) => r.target),
		browser: process.argv[3] ?? 'forms',
		personas: [{ username: 'somebody', password: 'anything' }],
		pages: {
			username: 'name:login', password: 'name:password', sign_in: 'label:Sign-in',
			approve: 'label:Continue', continue: 'none', deny: 'label:[ Cancel ]', problem: 'none',
		},
	}, null, 2));
	renameSync(file('target.part'), file('target.json'));
	console.log(`ready: ${file('target.json')}`);
});
process.on('SIGTERM', () => process.exit(0));
