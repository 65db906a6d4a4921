package browser

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/net/html"
)

// Stop signs in to the consumer's portal and stops sharing with one app, by
// the name that the portal shows. It returns the page that says so.
//
// It looks for the app's own stop control (element id stop_sharing, or
// stop_sharing_ and a suffix when one page lists several apps); where the
// page has none, it first follows the link that carries the app's name. Then
// it presses stop_confirm. It returns ErrProblemPage, ErrSignIn or ErrLost
// as ApproveAll does.
func Stop(ctx context.Context, b *Browser, portalURL, username, password, app string) (*Page, error) {
	page, err := stop(ctx, b, portalURL, username, password, app)
	if err != nil {
		return nil, fmt.Errorf("stop sharing at the portal: %w", err)
	}
	return page, nil
}

func stop(ctx context.Context, b *Browser, portalURL, username, password, app string) (*Page, error) {
	page, err := b.Open(ctx, portalURL)
	if err != nil {
		return nil, err
	}
	if page.Has("login_submit") {
		if page, err = signIn(ctx, b, page, username, password); err != nil {
			return nil, err
		}
		if page.Has("login_submit") {
			return nil, fmt.Errorf("%w: %s", ErrSignIn, page)
		}
	}
	if page.nearest(app, isStop) == nil {
		link := page.nearest(app, isLink)
		if link == nil {
			return nil, fmt.Errorf("%w: neither a stop control nor a link for the app: %s", ErrLost, page)
		}
		if page, err = b.press(ctx, page, link); err != nil {
			return nil, err
		}
	}
	control := page.nearest(app, isStop)
	if control == nil {
		return nil, fmt.Errorf("%w: no stop control for the app: %s", ErrLost, page)
	}
	if page, err = b.press(ctx, page, control); err != nil {
		return nil, err
	}
	if page, err = b.Press(ctx, page, "stop_confirm"); err != nil {
		return nil, err
	}
	switch {
	case page.Has("oauth_error"):
		return nil, problem(page)
	case page.Left != nil, page.Status >= 400, page.Has("stop_confirm"):
		return nil, fmt.Errorf("%w: pressed stop_confirm: %s", ErrLost, page)
	}
	return page, nil
}

func isStop(n *html.Node) bool {
	id, _ := attr(n, "id")
	return id == "stop_sharing" || strings.HasPrefix(id, "stop_sharing_")
}

func isLink(n *html.Node) bool { return n.Data == "a" && hasAttr(n, "href") }

// nearest finds the control that belongs to app, as a person would: the one
// whose own text, or whose smallest box on the page, names the app. A box
// with several such controls belongs to none of them, unless the control
// says the name itself. It returns nil when there is none.
func (p *Page) nearest(app string, is func(*html.Node) bool) *html.Node {
	for n := range p.elements() {
		if !is(n) {
			continue
		}
		for box := n; box != nil; box = box.Parent {
			if box != n && count(box, is) > 1 {
				break
			}
			if strings.Contains(textOf(box), app) {
				return n
			}
		}
	}
	return nil
}

func count(box *html.Node, is func(*html.Node) bool) (total int) {
	for n := range box.Descendants() {
		if n.Type == html.ElementNode && is(n) {
			total++
		}
	}
	return total
}
