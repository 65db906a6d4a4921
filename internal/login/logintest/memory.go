package logintest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/login"
)

// Memory keeps everything in memory. It is safe for concurrent use. The zero
// value is ready.
type Memory struct {
	mu       sync.Mutex
	counts   map[login.Key]count
	codes    map[[2]string]*code
	attempts []login.SignIn
}

type count struct {
	failures  int
	waitUntil time.Time
	forgetAt  time.Time
	underWay  int
	overAt    time.Time
}

type code struct {
	login.Code
	tries int
	used  bool
}

// Begin implements login.Throttle.
func (m *Memory) Begin(_ context.Context, now time.Time, subjects ...login.Subject) (time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var wait time.Duration
	full := false
	for _, s := range subjects {
		c := m.count(s.Key, now)
		wait = max(wait, c.waitUntil.Sub(now))
		full = full || s.Free() > 0 && c.underWay >= max(1, s.Free()-c.failures)
	}
	if wait > 0 {
		return wait, nil
	}
	if full {
		return 0, login.ErrBusy
	}
	for _, s := range subjects {
		c := m.count(s.Key, now)
		c.underWay++
		c.overAt, c.forgetAt = now.Add(login.AttemptLife), now.Add(login.Memory)
		m.counts[s.Key] = c
	}
	return 0, nil
}

// count returns what is counted of a subject at now.
func (m *Memory) count(k login.Key, now time.Time) count {
	if m.counts == nil {
		m.counts = map[login.Key]count{}
	}
	c := m.counts[k]
	if !now.Before(c.forgetAt) {
		c.failures, c.waitUntil = 0, time.Time{}
	}
	if !now.Before(c.overAt) {
		c.underWay = 0
	}
	return c
}

// Fail implements login.Throttle.
func (m *Memory) Fail(_ context.Context, now time.Time, subjects ...login.Subject) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range subjects {
		c := m.count(s.Key, now)
		c.failures++
		c.underWay = max(c.underWay-1, 0)
		c.waitUntil, c.forgetAt = now.Add(s.Waits[min(c.failures, len(s.Waits))-1]), now.Add(login.Memory)
		m.counts[s.Key] = c
	}
	return nil
}

// Undo implements login.Throttle.
func (m *Memory) Undo(_ context.Context, keys ...login.Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		if c, ok := m.counts[k]; ok {
			c.underWay = max(c.underWay-1, 0)
			m.counts[k] = c
		}
	}
	return nil
}

// Forget implements login.Throttle.
func (m *Memory) Forget(_ context.Context, key login.Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, ok := m.counts[key]; ok {
		c.failures, c.waitUntil = 0, time.Time{}
		m.counts[key] = c
	}
	return nil
}

// Note implements login.Journal.
func (m *Memory) Note(_ context.Context, s login.SignIn) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.attempts = append(m.attempts, s)
	return nil
}

// SignIns returns a person's attempts, newest first, at most limit.
func (m *Memory) SignIns(_ context.Context, who consent.ConsumerID, limit int) ([]login.SignIn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []login.SignIn
	for i := len(m.attempts) - 1; i >= 0 && len(list) < limit; i-- {
		if m.attempts[i].Consumer == who {
			list = append(list, m.attempts[i])
		}
	}
	return list, nil
}

// PutCode implements login.CodeStore.
func (m *Memory) PutCode(_ context.Context, c login.Code, notBefore time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := [2]string{string(c.Consumer), c.Purpose}
	if old, ok := m.codes[k]; ok && !old.used && !old.IssuedAt.Before(notBefore) {
		return false, nil
	}
	if m.codes == nil {
		m.codes = map[[2]string]*code{}
	}
	m.codes[k] = &code{Code: c}
	return true, nil
}

// Code implements login.CodeStore.
func (m *Memory) Code(_ context.Context, who consent.ConsumerID, purpose string, now time.Time) (login.Code, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.live(who, purpose, now)
	if c == nil {
		return login.Code{}, fmt.Errorf("memory: %w", consent.ErrNotFound)
	}
	return c.Code, nil
}

func (m *Memory) live(who consent.ConsumerID, purpose string, now time.Time) *code {
	c, ok := m.codes[[2]string{string(who), purpose}]
	if !ok || c.used || c.tries >= login.CodeTries || !now.Before(c.ExpiresAt) {
		return nil
	}
	return c
}

// TryCode implements login.CodeStore.
func (m *Memory) TryCode(_ context.Context, who consent.ConsumerID, purpose string, hash login.Key, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.live(who, purpose, now)
	if c == nil {
		return login.ErrCodeOver
	}
	c.tries++
	if c.Hash != hash {
		return login.ErrCode
	}
	c.used = true
	return nil
}

// DropCode implements login.CodeStore.
func (m *Memory) DropCode(_ context.Context, who consent.ConsumerID, purpose string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.codes, [2]string{string(who), purpose})
	return nil
}
