package chromium

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

// ErrNoBrowser means that there is no Chromium to start, or that it does not
// start.
var ErrNoBrowser = errors.New("no Chromium")

// startTime is how long Chromium may take to start.
const startTime = time.Minute

// names are looked for in this order when Start is told no path.
var names = [...]string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "headless-shell"}

// Chromium is a running browser. It is safe for concurrent use.
type Chromium struct {
	ctx  context.Context // chromedp keeps the browser in it; see chromedp.NewContext
	stop func()
	cert tls.Certificate // what every proxy shows to the browser
}

// Start starts a headless Chromium that has no way out by itself: path, or
// the one that is found when path is "". It runs until Close, or until ctx
// ends. It returns ErrNoBrowser when there is none.
//
// Chromium's own sandbox is off for root, as it has to be.
func Start(ctx context.Context, path string) (*Chromium, error) {
	path, err := find(path)
	if err != nil {
		return nil, err
	}
	c := &Chromium{}
	pin, err := c.certify()
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.DisableGPU,
		// What does not belong to a person's profile goes nowhere.
		chromedp.ProxyServer("http://127.0.0.1:9"),
		chromedp.Flag("ignore-certificate-errors-spki-list", pin),
		chromedp.Flag("disable-features", "site-per-process,Translate,BlinkGenPropertyTrees,HttpsUpgrades,OptimizationHints,MediaRouter"),
		chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(startTime),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	outer, endProcess := chromedp.NewExecAllocator(ctx, options...)
	// Errors come back from what is run; what it logs beside is about a
	// browser that is being closed.
	quiet := func(string, ...any) {}
	inner, endBrowser := chromedp.NewContext(outer, chromedp.WithLogf(quiet), chromedp.WithErrorf(quiet))
	c.ctx, c.stop = inner, func() {
		endBrowser()
		endProcess()
	}
	if err := chromedp.Do(inner); err != nil {
		c.stop()
		return nil, fmt.Errorf("%w: %s does not start: %s", ErrNoBrowser, path, strings.TrimSuffix(strings.TrimSpace(err.Error()), ":"))
	}
	return c, nil
}

// Close ends the browser and forgets its profiles.
func (c *Chromium) Close() { c.stop() }

func find(path string) (string, error) {
	if path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrNoBrowser, err)
		}
		return found, nil
	}
	for _, name := range names {
		if found, err := exec.LookPath(name); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("%w: none of %s is installed", ErrNoBrowser, strings.Join(names[:], ", "))
}

// certify makes the key under which the proxies end TLS, and returns its pin:
// the browser takes it for every host, whatever the certificate says.
func (c *Chromium) certify() (pin string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make the proxy's key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "proxy"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", fmt.Errorf("make the proxy's certificate: %w", err)
	}
	c.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", fmt.Errorf("make the proxy's pin: %w", err)
	}
	sum := sha256.Sum256(public)
	return base64.StdEncoding.EncodeToString(sum[:]), nil
}
