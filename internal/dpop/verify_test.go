package dpop

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func newVerifier(t testing.TB) *Verifier {
	t.Helper()
	v, err := New(Config{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// reasonOf is the Reason of a refusal, "" of an acceptance.
func reasonOf(t testing.TB, err error) Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	var refused *Error
	if !errors.As(err, &refused) {
		t.Fatalf("error %v is not an *Error", err)
	}
	return refused.Reason
}

func TestVerifyAccepts(t *testing.T) {
	t.Parallel()
	at := testNow.Unix()
	tests := map[string]struct {
		header, claims object
		url            string // the configured one, testURL when empty
	}{
		"a plain proof":                       {},
		"iat 10 s past":                       {claims: object{"iat": at - 10}},
		"iat 8 s ahead":                       {claims: object{"iat": at + 8}},
		"iat 10 s ahead":                      {claims: object{"iat": at + 10}},
		"iat as old as allowed":               {claims: object{"iat": at - 119}},
		"iat as far ahead as allowed":         {claims: object{"iat": at + 30}},
		"iat with a fraction":                 {claims: object{"iat": float64(at) + 0.25}},
		"iat with an exponent":                {claims: object{"iat": jsonNumber(fmt.Sprintf("%d.0e0", at))}},
		"nbf and exp":                         {claims: object{"nbf": at - 1, "exp": at + 60}},
		"nbf within the skew":                 {claims: object{"nbf": at + 8}},
		"exp in the next second":              {claims: object{"exp": at + 1}},
		"htu with a query":                    {claims: object{"htu": testURL + "?a=b"}},
		"htu with a fragment":                 {claims: object{"htu": testURL + "#c"}},
		"htu with both":                       {claims: object{"htu": testURL + "?a=b#c?d"}},
		"htu with upper-case scheme and host": {claims: object{"htu": "HTTPS://Server.EXAMPLE.com/token"}},
		"htu with the default port":           {claims: object{"htu": "https://server.example.com:443/token"}},
		"htu with needless encodings":         {claims: object{"htu": "https://server.example.com/%74o%6Ben"}},
		"htu written with escapes":            {claims: object{"htu": jsonNumber(`"https:\/\/server.example.com\/tok\u0065n"`)}},
		"configured URL with a query":         {url: testURL + "?x=y"},
		"configured URL with the port":        {url: "https://SERVER.example.com:443/token"},
		"unknown claims":                      {claims: object{"sub": "x", "deep": object{"a": []any{1, nil, true, false, "\u00e9", -1.5e-3}}}},
		"unknown header parameters":           {header: object{"kid": "k", "x": object{"y": []any{}}, "jku": "https://evil.example/keys"}},
		"a nonce":                             {claims: object{"nonce": "n-0S6_WzA2Mj"}},
		"a jti of one byte":                   {claims: object{"jti": "x"}},
		"a jti of 256 bytes":                  {claims: object{"jti": strings.Repeat("j", 256)}},
		"as many members as allowed":          {claims: object{"d": jsonNumber("{" + manyMembers(58) + "}")}},
		"many nested siblings":                {claims: object{"d": jsonNumber("[" + strings.Repeat("[],{},", 20) + "0]")}},
		"the deepest nesting":                 {claims: object{"d": jsonNumber(strings.Repeat("[", 7) + strings.Repeat("]", 7))}},
	}
	for alg, h := range holders(t) {
		for name, tt := range tests {
			t.Run(alg+"/"+name, func(t *testing.T) {
				t.Parallel()
				url := tt.url
				if url == "" {
					url = testURL
				}
				proof, err := newVerifier(t).Verify([]string{h.mint(t, tt.header, tt.claims)}, testMethod, url, testToken)
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				want := goodClaims(tt.claims)
				if proof.JTI != want["jti"] {
					t.Errorf("JTI = %v, want %v", proof.JTI, want["jti"])
				}
				if n, _ := want["nonce"].(string); proof.Nonce != n {
					t.Errorf("Nonce = %v, want %v", proof.Nonce, n)
				}
				if iat, ok := want["iat"].(int64); ok && proof.IssuedAt.Unix() != iat {
					t.Errorf("IssuedAt = %v, want %v", proof.IssuedAt.Unix(), iat)
				}
				if proof.Thumbprint != thumbprintOf(t, h.jwk) {
					t.Errorf("Thumbprint = %v, want %v", proof.Thumbprint, thumbprintOf(t, h.jwk))
				}
			})
		}
	}
}

// thumbprintOf is RFC 7638 on the members themselves: encoding/json sorts the
// members of a map, and the jwk of a holder has the required ones only.
func thumbprintOf(t testing.TB, jwk object) string {
	t.Helper()
	sum := sha256.Sum256(encode(t, jwk))
	return b64(sum[:])
}

// jsonNumber puts its text into JSON as it stands.
type jsonNumber string

func (n jsonNumber) MarshalJSON() ([]byte, error) { return []byte(n), nil }

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	at := testNow.Unix()
	tests := map[string]struct {
		header, claims object
		want           Reason
	}{
		"typ missing":                     {header: object{"typ": nil}, want: WrongType},
		"typ JWT":                         {header: object{"typ": "JWT"}, want: WrongType},
		"typ of an access token":          {header: object{"typ": "at+jwt"}, want: WrongType},
		"typ with a suffix":               {header: object{"typ": "dpop+jwt2"}, want: WrongType},
		"typ not a string":                {header: object{"typ": []string{"dpop+jwt"}}, want: WrongType},
		"alg missing":                     {header: object{"alg": nil}, want: WrongAlg},
		"alg none":                        {header: object{"alg": "none"}, want: WrongAlg},
		"alg NONE":                        {header: object{"alg": "NONE"}, want: WrongAlg},
		"alg RS256":                       {header: object{"alg": "RS256"}, want: WrongAlg},
		"alg HS256":                       {header: object{"alg": "HS256"}, want: WrongAlg},
		"alg ES384":                       {header: object{"alg": "ES384"}, want: WrongAlg},
		"alg not a string":                {header: object{"alg": 1}, want: WrongAlg},
		"jwk missing":                     {header: object{"jwk": nil}, want: NoKey},
		"jwk null":                        {header: object{"jwk": jsonNumber("null")}, want: NoKey},
		"jwk a string":                    {header: object{"jwk": "{}"}, want: NoKey},
		"jwk an array":                    {header: object{"jwk": []any{}}, want: NoKey},
		"jwk empty":                       {header: object{"jwk": object{}}, want: BadKey},
		"crit with a name":                {header: object{"crit": []string{"exp"}, "exp": at}, want: Critical},
		"crit with b64":                   {header: object{"crit": []string{"b64"}, "b64": true}, want: Critical},
		"crit empty":                      {header: object{"crit": []string{}}, want: Critical},
		"crit null":                       {header: object{"crit": jsonNumber("null")}, want: Critical},
		"b64 without crit":                {header: object{"b64": false}, want: Critical},
		"jti missing":                     {claims: object{"jti": nil}, want: NoID},
		"jti empty":                       {claims: object{"jti": ""}, want: NoID},
		"jti null":                        {claims: object{"jti": jsonNumber("null")}, want: NoID},
		"jti a number":                    {claims: object{"jti": 7}, want: NoID},
		"jti of 257 bytes":                {claims: object{"jti": strings.Repeat("j", 257)}, want: NoID},
		"htm missing":                     {claims: object{"htm": nil}, want: WrongMethod},
		"htm of another method":           {claims: object{"htm": "GET"}, want: WrongMethod},
		"htm in lower case":               {claims: object{"htm": "post"}, want: WrongMethod},
		"htm not a string":                {claims: object{"htm": []string{"POST"}}, want: WrongMethod},
		"htu missing":                     {claims: object{"htu": nil}, want: WrongURL},
		"htu empty":                       {claims: object{"htu": ""}, want: WrongURL},
		"htu not a string":                {claims: object{"htu": object{}}, want: WrongURL},
		"htu of another path":             {claims: object{"htu": "https://server.example.com/par"}, want: WrongURL},
		"htu with a longer path":          {claims: object{"htu": testURL + "/"}, want: WrongURL},
		"htu with a shorter path":         {claims: object{"htu": "https://server.example.com/toke"}, want: WrongURL},
		"htu of another host":             {claims: object{"htu": "https://other.example.com/token"}, want: WrongURL},
		"htu of another port":             {claims: object{"htu": "https://server.example.com:8443/token"}, want: WrongURL},
		"htu of the other scheme":         {claims: object{"htu": "http://server.example.com/token"}, want: WrongURL},
		"htu of the other scheme, 443":    {claims: object{"htu": "http://server.example.com:443/token"}, want: WrongURL},
		"htu with user information":       {claims: object{"htu": "https://x@server.example.com/token"}, want: WrongURL},
		"htu relative":                    {claims: object{"htu": "/token"}, want: WrongURL},
		"htu with upper-case path":        {claims: object{"htu": "https://server.example.com/TOKEN"}, want: WrongURL},
		"htu with dot segments":           {claims: object{"htu": "https://server.example.com/x/../token"}, want: WrongURL},
		"iat missing":                     {claims: object{"iat": nil}, want: WrongTime},
		"iat a string":                    {claims: object{"iat": fmt.Sprint(at)}, want: WrongTime},
		"iat null":                        {claims: object{"iat": jsonNumber("null")}, want: WrongTime},
		"iat too large for any clock":     {claims: object{"iat": jsonNumber("1e300")}, want: WrongTime},
		"iat beyond every float":          {claims: object{"iat": jsonNumber("1e999")}, want: WrongTime},
		"iat that wraps 64 bits":          {claims: object{"iat": jsonNumber(fmt.Sprintf("%s", new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 64), big.NewInt(at))))}, want: WrongTime},
		"iat one hour past":               {claims: object{"iat": at - 3600}, want: Stale},
		"iat one hour ahead":              {claims: object{"iat": at + 3600}, want: Future},
		"iat just too old":                {claims: object{"iat": at - 120}, want: Stale},
		"iat just too far ahead":          {claims: object{"iat": at + 31}, want: Future},
		"iat 61 s ahead":                  {claims: object{"iat": at + 61}, want: Future},
		"iat in milliseconds":             {claims: object{"iat": at * 1000}, want: WrongTime},
		"iat negative":                    {claims: object{"iat": -at}, want: Stale},
		"nbf not reached":                 {claims: object{"nbf": at + 61}, want: Future},
		"nbf a string":                    {claims: object{"nbf": "0"}, want: WrongTime},
		"nbf null":                        {claims: object{"nbf": jsonNumber("null")}, want: WrongTime},
		"exp now":                         {claims: object{"exp": at}, want: Expired},
		"exp past":                        {claims: object{"exp": at - 100}, want: Expired},
		"exp a string":                    {claims: object{"exp": fmt.Sprint(at + 60)}, want: WrongTime},
		"ath missing":                     {claims: object{"ath": nil}, want: WrongToken},
		"ath of another token":            {claims: object{"ath": ath("another")}, want: WrongToken},
		"ath the token itself":            {claims: object{"ath": testToken}, want: WrongToken},
		"ath truncated":                   {claims: object{"ath": ath(testToken)[:42]}, want: WrongToken},
		"ath padded":                      {claims: object{"ath": ath(testToken) + "="}, want: WrongToken},
		"ath empty":                       {claims: object{"ath": ""}, want: WrongToken},
		"nonce empty":                     {claims: object{"nonce": ""}, want: WrongNonce},
		"nonce a number":                  {claims: object{"nonce": 1}, want: WrongNonce},
		"nonce of 257 bytes":              {claims: object{"nonce": strings.Repeat("n", 257)}, want: WrongNonce},
		"nested too deeply":               {claims: object{"d": jsonNumber(strings.Repeat("[", 8) + strings.Repeat("]", 8))}, want: TooDeep},
		"nested too deeply in the header": {header: object{"d": jsonNumber(strings.Repeat(`{"a":`, 8) + "1" + strings.Repeat("}", 8))}, want: TooDeep},
		"a name twice deep inside":        {claims: object{"d": jsonNumber(`[{"a":1,"b":2,"\u0061":3}]`)}, want: Duplicate},
		"a name twice in the jwk":         {header: object{"jwk": jsonNumber(`{"kty":"EC","kty":"OKP"}`)}, want: Duplicate},
		"too many members":                {claims: object{"d": jsonNumber("{" + manyMembers(59) + "}")}, want: TooMany},
	}
	for alg, h := range holders(t) {
		for name, tt := range tests {
			t.Run(alg+"/"+name, func(t *testing.T) {
				t.Parallel()
				proof, err := newVerifier(t).Verify([]string{h.mint(t, tt.header, tt.claims)}, testMethod, testURL, testToken)
				if got := reasonOf(t, err); got != tt.want {
					t.Errorf("reason = %s, want %s", got, tt.want)
				}
				if proof != (Proof{}) {
					t.Errorf("a refusal returned %+v", proof)
				}
			})
		}
	}
}

func manyMembers(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"m%d":0`, i))
	}
	return strings.Join(all, ",")
}

// At the authorization server no token is presented, and ath means nothing.
func TestVerifyWithoutToken(t *testing.T) {
	t.Parallel()
	for alg, h := range holders(t) {
		for _, value := range []any{nil, ath("any"), "", 5} {
			if _, err := newVerifier(t).Verify([]string{h.mint(t, nil, object{"ath": value})}, testMethod, testURL, ""); err != nil {
				t.Errorf("%s: ath %v refused: %v", alg, value, err)
			}
		}
	}
}

func TestHeaderIsExactlyOne(t *testing.T) {
	t.Parallel()
	v, h := newVerifier(t), newEC(t)
	good := h.mint(t, nil, nil)
	for name, tt := range map[string]struct {
		header []string
		want   Reason
	}{
		"none":                {nil, Missing},
		"empty":               {[]string{""}, Missing},
		"two different":       {[]string{good, h.mint(t, nil, object{"jti": "2"})}, Multiple},
		"twice the same":      {[]string{good, good}, Multiple},
		"second empty":        {[]string{good, ""}, Multiple},
		"two in one value":    {[]string{good + ", " + good}, NotCompact},
		"not a JWT":           {[]string{"abc"}, NotCompact},
		"two parts":           {[]string{good[:strings.LastIndexByte(good, '.')]}, NotCompact},
		"four parts":          {[]string{good + "."}, NotCompact},
		"five parts":          {[]string{good + ".a.b"}, NotCompact},
		"JSON serialisation":  {[]string{`{"payload":"e30","protected":"e30","signature":""}`}, NotCompact},
		"only dots":           {[]string{".."}, BadJSON},
		"a space in front":    {[]string{" " + good}, BadEncoding},
		"a line break inside": {[]string{good[:10] + "\n" + good[10:]}, BadEncoding},
		"a return at the end": {[]string{good + "\r"}, BadEncoding},
		"padding":             {[]string{good + "="}, BadEncoding},
		"standard alphabet":   {[]string{strings.Replace(good, ".", "+/.", 1)}, BadEncoding},
		"not ASCII":           {[]string{"\u00e9" + good}, BadEncoding},
		"over the limit":      {[]string{h.mint(t, nil, object{"pad": strings.Repeat("x", 6000)})}, TooLarge},
	} {
		_, err := v.Verify(tt.header, testMethod, testURL, testToken)
		if got := reasonOf(t, err); got != tt.want {
			t.Errorf("%s: reason = %s, want %s", name, got, tt.want)
		}
	}
	// Just under the limit the size is no fault.
	big := h.mint(t, nil, object{"pad": strings.Repeat("x", 5500)})
	if len(big) > MaxProofBytes {
		t.Fatalf("test proof has %d bytes", len(big))
	}
	if _, err := v.Verify([]string{big}, testMethod, testURL, testToken); err != nil {
		t.Errorf("a proof of %d bytes was refused: %v", len(big), err)
	}
}

func TestDocumentsThatAreNotStrictJSON(t *testing.T) {
	t.Parallel()
	h := newEd(t)
	header, body := encode(t, h.header(nil)), encode(t, goodClaims(nil))
	inside := func(b []byte, more string) []byte { return append(slices.Clone(b[:len(b)-1]), more+"}"...) }
	for name, tt := range map[string]struct {
		header, claims []byte
		want           Reason
	}{
		"claims empty":             {header, nil, BadJSON},
		"claims null":              {header, []byte("null"), BadJSON},
		"claims an array":          {header, []byte("[" + string(body) + "]"), BadJSON},
		"claims cut off":           {header, body[:len(body)-1], BadJSON},
		"two objects":              {header, append(slices.Clone(body), body...), BadJSON},
		"text after the claims":    {header, append(slices.Clone(body), 'x'), BadJSON},
		"byte order mark":          {header, append([]byte("\xef\xbb\xbf"), body...), BadJSON},
		"trailing comma":           {header, inside(body, ","), BadJSON},
		"comment":                  {header, inside(body, "/**/"), BadJSON},
		"not UTF-8":                {header, inside(body, ",\"x\":\"\xff\""), BadJSON},
		"control character":        {header, inside(body, ",\"x\":\"\x01\""), BadJSON},
		"control after an escape":  {header, inside(body, ",\"x\":\"\\n\x01\""), BadJSON},
		"bad escape":               {header, inside(body, `,"x":"\q"`), BadJSON},
		"cut-off escape":           {header, inside(body, `,"x":"\u12`), BadJSON},
		"leading zero":             {header, inside(body, `,"x":01`), BadJSON},
		"plus sign":                {header, inside(body, `,"x":+1`), BadJSON},
		"bare fraction":            {header, inside(body, `,"x":1.`), BadJSON},
		"bare exponent":            {header, inside(body, `,"x":1e`), BadJSON},
		"not a number":             {header, inside(body, `,"x":NaN`), BadJSON},
		"name without quotes":      {header, inside(body, `,x:1`), BadJSON},
		"name without value":       {header, inside(body, `,"x"`), BadJSON},
		"jti twice":                {header, inside(body, `,"jti":"id-1"`), Duplicate},
		"jti twice by an escape":   {header, inside(body, `,"\u006ati":"other"`), Duplicate},
		"htu twice":                {header, inside(body, `,"htu":"`+testURL+`"`), Duplicate},
		"unknown name twice":       {header, inside(body, `,"x":1,"x":1`), Duplicate},
		"alg twice":                {inside(header, `,"alg":"EdDSA"`), body, Duplicate},
		"jwk twice":                {inside(header, `,"jwk":{}`), body, Duplicate},
		"lone surrogates the same": {header, inside(body, `,"\ud800":1,"\udfff":1`), Duplicate},
		"header an array":          {[]byte("[]"), body, BadJSON},
	} {
		_, err := newVerifier(t).Verify([]string{h.raw(t, tt.header, tt.claims)}, testMethod, testURL, testToken)
		if got := reasonOf(t, err); got != tt.want {
			t.Errorf("%s: reason = %s, want %s", name, got, tt.want)
		}
	}
	// Whitespace and another order of members are fine.
	spaced := bytes.ReplaceAll(body, []byte(`,`), []byte("\r\n\t , "))
	if _, err := newVerifier(t).Verify([]string{h.raw(t, append([]byte(" "), header...), append(spaced, ' '))}, testMethod, testURL, testToken); err != nil {
		t.Errorf("whitespace: %v", err)
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	ec, ed, rsaKey := newEC(t), newEd(t), newRSA(t)
	with := func(h holder, changes object) holder { h.jwk = changed(h.jwk, changes); return h }
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		holder holder
		want   Reason
	}{
		"RSA of 1,024 bits":        {holderRSA(weak), BadKey},
		"RSA of 8,192 bits":        {with(rsaKey, object{"n": b64(bytes.Repeat([]byte{0xff}, 1024))}), BadKey},
		"RSA with an even modulus": {with(rsaKey, object{"n": b64(append(rsa2048().N.Bytes()[:255], 0))}), BadKey},
		"RSA with exponent 1":      {with(rsaKey, object{"e": "AQ"}), BadKey},
		"RSA with exponent 2":      {with(rsaKey, object{"e": "Ag"}), BadKey},
		"RSA with a huge exponent": {with(rsaKey, object{"e": b64(bytes.Repeat([]byte{0xff}, 9))}), BadKey},
		"RSA without n":            {with(rsaKey, object{"n": nil}), BadKey},
		"EC without y":             {with(ec, object{"y": nil}), BadKey},
		"EC off the curve":         {with(ec, object{"x": ec.jwk["y"], "y": ec.jwk["x"]}), BadKey},
		"EC with short x":          {with(ec, object{"x": "AQ"}), BadKey},
		"EC at infinity":           {with(ec, object{"x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))}), BadKey},
		"P-384 by name":            {with(ec, object{"crv": "P-384"}), BadKey},
		"secp256k1":                {with(ec, object{"crv": "secp256k1"}), BadKey},
		"EC without crv":           {with(ec, object{"crv": nil}), BadKey},
		"OKP without x":            {with(ed, object{"x": nil}), BadKey},
		"Ed25519 too short":        {with(ed, object{"x": b64(make([]byte, 31))}), BadKey},
		"X25519":                   {with(ed, object{"crv": "X25519"}), BadKey},
		"Ed448":                    {with(ed, object{"crv": "Ed448", "x": b64(make([]byte, 57))}), BadKey},
		"symmetric":                {with(ed, object{"kty": "oct", "k": "AAAA", "x": nil, "crv": nil}), PrivateKey},
		"symmetric without k":      {with(ed, object{"kty": "oct"}), PrivateKey},
		"unknown kty":              {with(ed, object{"kty": "AKP"}), BadKey},
		"kty missing":              {with(ed, object{"kty": nil}), BadKey},
		"names in another case":    {with(ed, object{"kty": nil, "KTY": "OKP"}), BadKey},
		"padded x":                 {with(ed, object{"x": ed.jwk["x"].(string) + "="}), BadKey},
		"alg of another key kind":  {holder{"ES256", ed.private, ed.jwk}, BadKey},
		"EdDSA with an RSA key":    {holder{"EdDSA", rsaKey.private, rsaKey.jwk}, BadKey},
		"PS256 with an EC key":     {holder{"PS256", ec.private, ec.jwk}, BadKey},
		"jwk of another key":       {holder{"EdDSA", ed.private, newEd(t).jwk}, BadSig},
	}
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
		tests["private "+name] = struct {
			holder holder
			want   Reason
		}{with(ec, object{name: "AAAA"}), PrivateKey}
		tests["private null "+name] = struct {
			holder holder
			want   Reason
		}{with(rsaKey, object{name: jsonNumber("null")}), PrivateKey}
	}
	// The encodings of the points of small order: with one of those as key,
	// anyone can make signatures that verify.
	for _, y := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		for sign := range 2 {
			x, err := hex.DecodeString(y)
			if err != nil {
				t.Fatal(err)
			}
			x[31] |= byte(sign << 7)
			tests[fmt.Sprintf("small order %s %d", y[:4], sign)] = struct {
				holder holder
				want   Reason
			}{with(ed, object{"x": b64(x)}), BadKey}
		}
	}
	v := newVerifier(t)
	for name, tt := range tests {
		for range 2 { // a refused key must not be kept
			_, err := v.Verify([]string{tt.holder.mint(t, nil, nil)}, testMethod, testURL, testToken)
			if got := reasonOf(t, err); got != tt.want {
				t.Errorf("%s: reason = %s, want %s", name, got, tt.want)
			}
		}
	}
}

func TestSignaturesThatAreRefused(t *testing.T) {
	t.Parallel()
	for alg, h := range holders(t) {
		good := h.mint(t, nil, nil)
		dot := strings.LastIndexByte(good, '.')
		input := good[:dot]
		sig, err := base64.RawURLEncoding.DecodeString(good[dot+1:])
		if err != nil {
			t.Fatal(err)
		}
		other := h.mint(t, nil, object{"jti": "another"})
		flipped := func(i int) []byte { b := slices.Clone(sig); b[i] ^= 1; return b }
		tests := map[string][]byte{
			"empty":               nil,
			"first bit":           flipped(0),
			"middle bit":          flipped(len(sig) / 2),
			"last bit":            flipped(len(sig) - 1),
			"truncated":           sig[:len(sig)-1],
			"one byte more":       append(slices.Clone(sig), 0),
			"doubled":             append(slices.Clone(sig), sig...),
			"all zero":            make([]byte, len(sig)),
			"all ones":            bytes.Repeat([]byte{0xff}, len(sig)),
			"of another proof":    decoded(t, other[strings.LastIndexByte(other, '.')+1:]),
			"keyed with the jwk":  macOf(encode(t, h.jwk), input),
			"halves changed over": append(slices.Clone(sig[len(sig)/2:]), sig[:len(sig)/2]...),
		}
		digest := sha256.Sum256([]byte(input))
		switch k := h.private.(type) {
		case *ecdsa.PrivateKey:
			der, err := ecdsa.SignASN1(rand.Reader, k, digest[:])
			if err != nil {
				t.Fatal(err)
			}
			tests["in ASN.1"] = der
			order := elliptic.P256().Params().N
			r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
			tests["S of zero"] = append(slices.Clone(sig[:32]), make([]byte, 32)...)
			tests["S of the order"] = append(slices.Clone(sig[:32]), order.Bytes()...)
			if over := new(big.Int).Add(r, order); over.BitLen() <= 256 {
				tests["R above the order"] = append(over.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
			}
		case *rsa.PrivateKey:
			if tests["RS256"], err = rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, digest[:]); err != nil {
				t.Fatal(err)
			}
			for _, salt := range []int{20, 31, 33, 64} {
				if tests[fmt.Sprint("salt of ", salt)], err = rsa.SignPSS(rand.Reader, k, crypto.SHA256, digest[:],
					&rsa.PSSOptions{SaltLength: salt}); err != nil {
					t.Fatal(err)
				}
			}
		}
		// Once with an unknown key and once with a kept one.
		v := newVerifier(t)
		for _, kept := range []bool{false, true} {
			if kept {
				if _, err := v.Verify([]string{good}, testMethod, testURL, testToken); err != nil {
					t.Fatal(err)
				}
			}
			for name, sig := range tests {
				_, err := v.Verify([]string{input + "." + b64(sig)}, testMethod, testURL, testToken)
				if got := reasonOf(t, err); got != BadSig {
					t.Errorf("%s, key kept %v: %s: reason = %s", alg, kept, name, got)
				}
			}
			// What was signed cannot be exchanged either.
			swapped := strings.SplitN(other, ".", 3)
			ours := strings.SplitN(good, ".", 3)
			_, err := v.Verify([]string{ours[0] + "." + swapped[1] + "." + ours[2]}, testMethod, testURL, testToken)
			if got := reasonOf(t, err); got != BadSig {
				t.Errorf("%s: claims exchanged: reason = %s", alg, got)
			}
		}
	}
}

func decoded(t *testing.T, part string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func macOf(key []byte, input string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(input))
	return m.Sum(nil)
}

// The last character of a part may carry bits beyond the value; each proof has
// one spelling only.
func TestEncodingHasOneSpelling(t *testing.T) {
	t.Parallel()
	h := newEd(t) // 64 bytes: the last character carries two bits of value
	good := h.mint(t, nil, nil)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, good[len(good)-1])
	_, err := newVerifier(t).Verify([]string{good[:len(good)-1] + string(alphabet[last^1])}, testMethod, testURL, testToken)
	if got := reasonOf(t, err); got != BadEncoding {
		t.Errorf("reason = %s, want %s", got, BadEncoding)
	}
}

// A key other than the bound one is for the caller to notice.
func TestThumbprintTellsKeysApart(t *testing.T) {
	t.Parallel()
	v, seen := newVerifier(t), make(map[string]bool)
	for _, h := range []holder{newEC(t), newEC(t), newEd(t), newEd(t), newRSA(t)} {
		h.jwk = changed(h.jwk, object{"kid": "the same kid"})
		proof, err := v.Verify([]string{h.mint(t, object{"kid": "the same kid"}, nil)}, testMethod, testURL, testToken)
		if err != nil {
			t.Fatal(err)
		}
		if seen[proof.Thumbprint] {
			t.Errorf("%s seen before", proof.Thumbprint)
		}
		seen[proof.Thumbprint] = true
	}
}

// However a jwk is written, the key has one thumbprint.
func TestThumbprintDoesNotDependOnSpelling(t *testing.T) {
	t.Parallel()
	h := newEd(t)
	v := newVerifier(t)
	for name, jwk := range map[string]any{
		"plain":            h.jwk,
		"with extras":      changed(h.jwk, object{"kid": "k", "use": "sig", "alg": "EdDSA", "zzz": 1}),
		"with spaces":      jsonNumber(fmt.Sprintf(`{ "x" : "%s", "crv":"Ed25519" ,"kty":"OKP" }`, h.jwk["x"])),
		"with escapes":     jsonNumber(fmt.Sprintf(`{"x":"%s","crv":"Ed2551\u0039","k\u0074y":"OKP"}`, h.jwk["x"])),
		"too long to keep": changed(h.jwk, object{"pad": strings.Repeat("x", maxCachedJWK)}),
	} {
		proof, err := v.Verify([]string{h.mint(t, object{"jwk": jwk}, nil)}, testMethod, testURL, testToken)
		if err != nil || proof.Thumbprint != thumbprintOf(t, h.jwk) {
			t.Errorf("%s: thumbprint %s, error %v", name, proof.Thumbprint, err)
		}
	}
}

func TestReplayUntilCoversTheWindow(t *testing.T) {
	t.Parallel()
	h := newEd(t)
	now := testNow
	v, err := New(Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	header := []string{h.mint(t, nil, object{"iat": testNow.Unix() + 30})}
	proof, err := v.Verify(header, testMethod, testURL, testToken)
	if err != nil {
		t.Fatal(err)
	}
	for now = testNow; now.Before(testNow.Add(5 * time.Minute)); now = now.Add(250 * time.Millisecond) {
		_, err := v.Verify(header, testMethod, testURL, testToken)
		if forgotten := !now.Before(proof.ReplayUntil); err == nil && forgotten {
			t.Fatalf("accepted %s after iat, when a replay guard had forgotten it", now.Sub(proof.IssuedAt))
		} else if err != nil && now.Before(proof.ReplayUntil.Add(-time.Second)) {
			t.Fatalf("refused %s after iat: %v", now.Sub(proof.IssuedAt), err)
		}
	}
}

func TestReplayKey(t *testing.T) {
	t.Parallel()
	a := ReplayKey(Proof{Thumbprint: "ab", JTI: "c"})
	for name, p := range map[string]Proof{
		"boundary moved": {Thumbprint: "a", JTI: "bc"},
		"another key":    {Thumbprint: "ax", JTI: "c"},
		"another jti":    {Thumbprint: "ab", JTI: "d"},
		"longer jti":     {Thumbprint: "ab", JTI: "c\x00"},
		"all in the jti": {Thumbprint: "", JTI: "abc"},
	} {
		if ReplayKey(p) == a {
			t.Errorf("%s: same key", name)
		}
	}
	if ReplayKey(Proof{Thumbprint: "ab", JTI: "c", IssuedAt: testNow, Nonce: "n", ReplayUntil: testNow}) != a {
		t.Error("the key depends on more than thumbprint and jti")
	}
	// Two releases have to agree while one replaces the other.
	want := sha256.Sum256([]byte("headgate dpop proof\x00\x00\x00\x02ab\x00\x00\x00\x01c"))
	if a != want {
		t.Error("the form of the key has changed")
	}
}

func TestNewChecksItsConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"ahead under 10 s": {MaxAhead: 9 * time.Second},
		"ahead over 60 s":  {MaxAhead: 61 * time.Second},
		"negative age":     {MaxAge: -1},
		"negative cache":   {KeyCache: -1},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(Config{}); err != nil {
		t.Errorf("zero value: %v", err)
	}
}

func TestErrorSaysNothingOfTheProof(t *testing.T) {
	t.Parallel()
	h := newEC(t)
	_, err := newVerifier(t).Verify([]string{h.mint(t, nil, object{"jti": strings.Repeat("secret", 60)})}, testMethod, testURL, testToken)
	if err == nil || err.Error() != "dpop: proof refused: wrong_jti" {
		t.Errorf("error = %v", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	v, err := New(Config{Now: clock, KeyCache: 16}) // small, so that keys are displaced
	if err != nil {
		t.Fatal(err)
	}
	type one struct{ proof, jti, thumbprint string }
	var all []one
	for i := range 40 {
		h, jti := newEd(t), fmt.Sprint("jti-", i)
		all = append(all, one{h.mint(t, nil, object{"jti": jti, "pad": strings.Repeat("x", i)}), jti, thumbprintOf(t, h.jwk)})
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				want := all[(i*(g+1))%len(all)]
				got, err := v.Verify([]string{want.proof}, testMethod, testURL, testToken)
				if err != nil || got.JTI != want.jti || got.Thumbprint != want.thumbprint {
					t.Errorf("got %v, %v, want %v", got, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

// The examples of RFC 9449 sections 5 and 7.1.
func TestExamplesOfTheRFC(t *testing.T) {
	t.Parallel()
	const header = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik" +
		"VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR" +
		"nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE" +
		"QSIsImNydiI6IlAtMjU2In19."
	for name, tt := range map[string]struct {
		proof, method, url, token, jti string
		iat                            int64
	}{
		"token request": {
			proof: header + "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIj" +
				"oiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia" +
				"WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg" +
				"4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
			method: "POST", url: "https://server.example.com/token",
			jti: "-BwC3ESc6acc2lTc", iat: 1562262616,
		},
		"resource request": {
			proof: header + "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIj" +
				"oiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z" +
				"WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNF" +
				"c05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71E" +
				"OptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
			method: "GET", url: "https://resource.example.org/protectedresource",
			token: "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
			jti:   "e1j3V_bKic8-LAEB", iat: 1562262618,
		},
	} {
		v, err := New(Config{Now: func() time.Time { return time.Unix(tt.iat+2, 0) }})
		if err != nil {
			t.Fatal(err)
		}
		proof, err := v.Verify([]string{tt.proof}, tt.method, tt.url, tt.token)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if proof.Thumbprint != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" || proof.JTI != tt.jti {
			t.Errorf("%s: %+v", name, proof)
		}
	}
}
