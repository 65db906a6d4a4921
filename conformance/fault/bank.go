package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What goes wrong at the bank.
const (
	bankWell    = ""
	bankFrozen  = "bank frozen"
	bankDrips   = "bank answers a byte now and then"
	bankGarbage = "bank answers with garbage"
	bankLarge   = "bank answers with 64 MiB"
	bankForeign = "bank answers with another's account"
)

var bankTroubles = []string{bankFrozen, bankDrips, bankGarbage, bankLarge, bankForeign}

// bank is a bank with an interface of its own, in the form of FDX: what gateway
// B asks for V3, while gateway A has the one that it always has.
type bank struct {
	port   string
	server *http.Server

	trouble atomic.Value // string
	asked   atomic.Int64
	under   atomic.Int64 // calls on their way
	most    atomic.Int64 // the most of them at a time
}

func newBank(pair tls.Certificate) (*bank, error) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(socket.Addr().String())
	b := &bank{port: port}
	b.trouble.Store(bankWell)
	b.server = &http.Server{Handler: b, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		_ = b.server.Serve(tls.NewListener(socket, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert}))
	}()
	return b, nil
}

func (b *bank) close() { _ = b.server.Close() }

// someone is an account of somebody else.
const someone = "99999999-9999-4999-8999-999999999999"

func (b *bank) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.asked.Add(1)
	for n := b.under.Add(1); ; {
		most := b.most.Load()
		if n <= most || b.most.CompareAndSwap(most, n) {
			break
		}
	}
	defer b.under.Add(-1)
	trouble := b.trouble.Load().(string)
	w.Header().Set("Content-Type", "application/json")
	account := func(id string) map[string]any {
		return map[string]any{
			"accountCategory": "DEPOSIT_ACCOUNT", "accountId": id, "accountType": "CHECKING", "status": "OPEN",
			"productName": "Current account", "currency": map[string]any{"currencyCode": "USD"},
		}
	}
	path, found := strings.CutPrefix(r.URL.Path, "/fdx/v6/accounts")
	id, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if trouble == bankForeign && id != "" {
		id = someone
	}
	var body any
	switch {
	case !found:
		w.WriteHeader(http.StatusNotFound)
		return
	case id == "":
		list := []any{}
		for one := range strings.SplitSeq(r.FormValue("accountIds"), ",") {
			if trouble == bankForeign {
				one = someone
			}
			list = append(list, account(one))
		}
		body = map[string]any{"accounts": list}
	case rest == "transactions":
		list := []any{}
		for i := range 5 {
			at := time.Now().UTC().AddDate(0, 0, -1-i).Format(time.DateOnly) + "T12:00:00Z"
			list = append(list, map[string]any{
				"accountCategory": "DEPOSIT_ACCOUNT", "accountId": id, "transactionId": fmt.Sprint("t", i), "transactionTimestamp": at, "postedTimestamp": at,
				"description": "Groceries", "debitCreditMemo": "DEBIT", "status": "POSTED", "amount": 1.5,
			})
		}
		body = map[string]any{"transactions": list}
	default:
		body = account(id)
	}
	text, _ := json.Marshal(body) // of plain values
	switch trouble {
	case bankFrozen:
		<-r.Context().Done()
	case bankDrips:
		for i := range text {
			if _, err := w.Write(text[i : i+1]); err != nil || r.Context().Err() != nil {
				return
			}
			_ = http.NewResponseController(w).Flush() // a client that is gone is seen by Write
			time.Sleep(50 * time.Millisecond)
		}
	case bankGarbage:
		_, _ = io.WriteString(w, `{"accounts":[{"accountId":`)
	case bankLarge:
		blank := []byte(strings.Repeat(" ", 1<<20))
		for range 64 {
			if _, err := w.Write(blank); err != nil {
				return
			}
		}
		_, _ = w.Write(text)
	default:
		_, _ = w.Write(text)
	}
}

// withBank has gateway B ask a bank of its own and returns it, with what puts
// the other one back.
func (s *stack) withBank() (b *bank, back func() error, err error) {
	ca, err := s.authority()
	if err != nil {
		return nil, nil, err
	}
	pair, err := ca.issue("localhost", true)
	if err != nil {
		return nil, nil, err
	}
	ours, err := ca.issue("gateway", false)
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(ours.PrivateKey)
	if err != nil {
		return nil, nil, err
	}
	if b, err = newBank(pair); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	file := func(name string) string { return filepath.Join(s.dir, name) }
	put := func(name string, text []byte) {
		if err == nil {
			err = os.WriteFile(file(name), text, 0o600)
		}
	}
	put("bank-cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ours.Certificate[0]}))
	put("bank-key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	put("bank.yaml", fmt.Appendf(nil, `kind: upstream
upstream:
  base: https://localhost:%s/fdx/v6
  operations: {searchForAccounts: "", getAccount: "", searchForAccountTransactions: ""}
  consumer: {header: X-Consumer-Id}
  ca_file: %s
  cert_file: %s
  key_file: %s
`, b.port, s.dev.CAFile, file("bank-cert.pem"), file("bank-key.pem")))
	p := s.procs[gatewayB]
	was := p.args
	if err == nil {
		err = copySettings(was[0], file(gatewayB+"-bank.json"), func(settings map[string]any) {
			delete(settings, "bank_dsn_file")
			settings["bank_file"] = file("bank.yaml")
		})
	}
	if err != nil {
		return nil, nil, err
	}
	begin := func(args []string) error {
		p.kill()
		p.args = args
		return s.bring(gatewayB)
	}
	if err = begin([]string{file(gatewayB + "-bank.json")}); err != nil {
		return nil, nil, err
	}
	return b, func() error { b.close(); return begin(was) }, nil
}

// bankCallers ask gateway B at a time: more than may wait for its bank.
const bankCallers = 48

// atBank is a trouble of a bank as it was.
type atBank struct {
	span
	asked, late, most int64 // calls in all, from 5 s after the onset, and at a time
}

// banks has gateway B's bank misbehave in every way while both gateways are
// read, and sees that it stays its own trouble: V3.
func (d *driver) banks(ctx context.Context, troubles []string, hold time.Duration) (finding, error) {
	b, back, err := d.stack.withBank()
	if err != nil {
		return finding{}, err
	}
	loaded, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	ask := func(instance string, i int) {
		for n := i; loaded.Err() == nil; n++ {
			d.mu.Lock()
			g := d.steady[n%len(d.steady)]
			d.mu.Unlock()
			d.history.add(d.read(context.WithoutCancel(ctx), instance, g, n%2 == 0))
			_ = rest(loaded, 40*time.Millisecond)
		}
	}
	for i := range bankCallers {
		wg.Go(func() { ask(gatewayB, i) })
	}
	for i := range 4 {
		wg.Go(func() { ask(gatewayA, i) })
	}
	from := d.history.now()
	var list []atBank
	err = rest(ctx, 1500*time.Millisecond)
	calm := span{"", from, d.history.now()}
	for _, trouble := range troubles {
		if err != nil {
			break
		}
		long := hold
		if trouble == bankFrozen {
			long += 5 * time.Second // what the circuit breaker does is seen then
		}
		d.history.mark(trouble, starting)
		asked := b.asked.Load()
		b.most.Store(b.under.Load())
		b.trouble.Store(trouble)
		one := atBank{span: span{trouble, d.history.now(), 0}}
		if trouble == bankFrozen {
			err = rest(ctx, 5*time.Second)
			late := b.asked.Load()
			if g := d.take(); err == nil && g != nil {
				// Who stops does not ask the bank.
				d.history.add(d.revoke(ctx, g, byConsentAPI, gatewayB))
			}
			_ = rest(ctx, long-5*time.Second)
			one.late = b.asked.Load() - late
		} else {
			err = rest(ctx, long)
		}
		one.asked, one.most, one.end = b.asked.Load()-asked, b.most.Load(), d.history.now()
		b.trouble.Store(bankWell)
		d.history.mark(trouble, healed)
		list = append(list, one)
		if err == nil {
			err = rest(ctx, 4*time.Second)
		}
	}
	end()
	wg.Wait()
	if failed := back(); err == nil {
		err = failed
	}
	if err != nil {
		return finding{}, err
	}
	ops, _ := d.history.all()
	return checkBank(fair(ops, d.history.stood()), list, calm), nil
}

// checkBank is V3: a bank in trouble gets no more calls at a time than it may,
// and soon few; who asks for its data is refused in time, in form, and never
// given what is not theirs; and the others notice nothing.
func checkBank(ops []op, troubles []atBank, calm span) finding {
	f := finding{ID: "V3", What: "one bank's trouble stays its own"}
	var before []time.Duration
	for _, o := range ops {
		if o.Kind == opRead && o.Instance == gatewayA && o.Start > calm.begin && o.End < calm.end {
			before = append(before, o.took())
		}
	}
	for _, t := range troubles {
		var beside []time.Duration
		refused, first := 0, time.Duration(0)
		for _, o := range ops {
			if o.Instance == gatewayB && o.Kind == opRead && o.good() && o.Start > t.end && (first == 0 || o.End < first) {
				first = o.End
			}
			if o.Start < t.begin || o.Start > t.end {
				continue
			}
			switch {
			case o.Kind == opRevoke:
				f.Trials++
				if !o.good() && o.Status != http.StatusConflict {
					f.unserved(o, "%s: a stop was answered %d %s", t.fault, o.Status, o.Err)
				}
			case o.Kind != opRead:
			case o.Instance == gatewayA:
				f.Trials++
				beside = append(beside, o.took())
				if !o.good() {
					f.unserved(o, "%s: a read on %s, whose bank is well, was answered %d %s", t.fault, o.Instance, o.Status, o.Err)
				}
			case o.good() && slices.Contains(o.Accounts, someone):
				f.bad("%s: another's account was passed on", t.fault)
			case o.good() && t.fault != bankWell && o.End < t.end:
				f.Trials++
				f.bad("%s: data was given all the same, %v after the onset", t.fault, o.Start-t.begin)
			case o.good(), o.End >= t.end && o.took() <= 3500*time.Millisecond: // it was answered when all was well again
			default:
				f.Trials++
				refused++
				switch {
				case o.Status != 502 && o.Status != 503 && o.Status != 504, !o.Shaped, o.Status == 503 && !o.Retry:
					f.bad("%s: a read was answered %d %s without the form of a refusal", t.fault, o.Status, o.Err)
				case o.took() > 3500*time.Millisecond:
					f.late("%s: a refusal took %v", t.fault, o.took())
				}
			}
		}
		if t.most > 32 {
			f.bad("%s: %d calls at a time waited for it", t.fault, t.most)
		}
		if t.fault == bankFrozen && t.late > 8 {
			f.bad("%s: %d calls were made from 5 s after the onset on", t.fault, t.late)
		}
		switch {
		case first == 0:
			f.bad("%s: no data after it was over", t.fault)
		case first-t.end > 4*time.Second:
			f.late("%s: data again only %v after it was over", t.fault, first-t.end)
		}
		base, now := quantile(before, 0.5), quantile(beside, 0.5)
		f.note("%s: %d refused; %d calls, at most %d at a time; data again after %v; the others' median %v, %v before",
			t.fault, refused, t.asked, t.most, (first - t.end).Round(time.Millisecond), now, base)
		if len(before) >= 20 && len(beside) >= 20 && now > base*6/5+30*time.Millisecond {
			f.late("%s: the others' median was %v, %v before", t.fault, now, base)
		}
	}
	return f
}
