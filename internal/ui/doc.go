// Package ui is the look that every page shares: the frame around a page, one
// style sheet made from one set of tokens, the bank's name, colour and logo,
// and the headers that keep a page from being framed, scripted or stored.
//
// It must not know what a page says: no consent, no language catalogue, no
// routes but /static/. Pages work without scripts; there are none.
//
// Specs: WCAG 2.2 AA (contrast 1.4.3 and 1.4.11, reflow 1.4.10, target size
// 2.5.8), Content Security Policy Level 3.
package ui
