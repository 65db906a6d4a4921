package resource

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// An until is a context like those of the standard library.
func TestUntil(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		wait bool // somebody waits before it ends
		end  func(u *until, parent context.CancelFunc)
		want error
	}{
		"its time comes":              {end: func(*until, context.CancelFunc) { time.Sleep(time.Minute) }, want: context.DeadlineExceeded},
		"its time comes, waited for":  {wait: true, end: func(*until, context.CancelFunc) { time.Sleep(time.Minute) }, want: context.DeadlineExceeded},
		"its parent ends":             {end: func(_ *until, parent context.CancelFunc) { parent() }, want: context.Canceled},
		"its parent ends, waited for": {wait: true, end: func(_ *until, parent context.CancelFunc) { parent() }, want: context.Canceled},
		"it is told":                  {end: func(u *until, _ context.CancelFunc) { u.cancel() }, want: context.Canceled},
		"it is told, waited for":      {wait: true, end: func(u *until, _ context.CancelFunc) { u.cancel() }, want: context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				type key struct{}
				parent, leave := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
				defer leave()
				u := &until{Context: parent, at: time.Now().Add(time.Minute)}
				defer u.cancel()
				if at, ok := u.Deadline(); !ok || !at.Equal(u.at) || u.Value(key{}) != "value" || u.Err() != nil {
					t.Error("it is not what it says")
				}
				var child context.Context = u
				if row.wait {
					var cancel context.CancelFunc
					child, cancel = context.WithCancel(u)
					defer cancel()
					if u.Value(key{}) != "value" {
						t.Error("the value is gone")
					}
				}
				row.end(u, leave)
				synctest.Wait()
				if err := u.Err(); !errors.Is(err, row.want) {
					t.Errorf("ended with %v, want %v", err, row.want)
				}
				for _, c := range []context.Context{u, child} {
					select {
					case <-c.Done():
					default:
						t.Error("who waits is not told")
					}
				}
				if err := child.Err(); !errors.Is(err, row.want) {
					t.Errorf("a child ended with %v", err)
				}
			})
		})
	}
}
