package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/fdx"
)

// What the lines about pages ask for: all that the account has, in pages as
// long as the others', and in the longest ones.
const (
	allDays   = 729
	latePage  = 600
	firstPage = "sandbox-page-1"
)

// pages returns the lines that tell what the place and the length of a page
// cost. They read under one grant, because a page key opens no other.
func (s *stack) pages(ctx context.Context, c Config, g *generator) ([]line, error) {
	one := s.byCert
	one.tokens = one.tokens[:1]
	h, err := s.gateway(s.bank, s.gate, s.cache)
	if err != nil {
		return nil, err
	}
	path, _, _ := strings.Cut(s.path, "?")
	today := fdx.DateOf(time.Now())
	target := func(length int, key string) string {
		query := url.Values{
			"startDate": {today.AddDays(-allDays).String()}, "endDate": {today.String()}, "limit": {strconv.Itoa(length)},
		}
		if key != "" {
			query.Set("pageKey", key)
		}
		return path + "?" + query.Encode()
	}
	late, err := s.walk(ctx, h, one, target)
	if err != nil {
		return nil, err
	}
	var lines []line
	for _, e := range []endpoint{
		{firstPage, firstPage, one, s.gate, s.cache, target(limit, ""), ""},
		{"sandbox-page-600", firstPage, one, s.gate, s.cache, late, ""},
		{"sandbox-page-of-500", firstPage, one, s.gate, s.cache, target(fdx.MaxLimit, ""), ""},
	} {
		l, _, err := s.read(ctx, c, g, h, e)
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// walk follows the pages to latePage, over long ones while they do not reach
// beyond it, and returns what that one is asked for with.
func (s *stack) walk(ctx context.Context, h http.Handler, who credentials, target func(length int, key string) string) (string, error) {
	address, err := s.listen(h)
	if err != nil {
		return "", err
	}
	j := job{Address: address, CAFile: s.caFile, CertFile: who.pair.CertFile, KeyFile: who.pair.KeyFile, Scheme: who.scheme, Tokens: who.tokens}
	var key string
	for left := (latePage - 1) * limit; left > 0; {
		length := limit
		if left >= fdx.MaxLimit {
			length = fdx.MaxLimit
		}
		j.Path = target(length, key)
		body, err := once(ctx, j)
		if err != nil {
			return "", err
		}
		var page fdx.TransactionsAnswer
		if err := json.Unmarshal(body, &page); err != nil {
			return "", err
		}
		if key = page.Page.NextPageKey; key == "" {
			return "", fmt.Errorf("the account has no page %d", latePage)
		}
		left -= len(page.Transactions)
	}
	return target(limit, key), nil
}
