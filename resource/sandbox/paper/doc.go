// Package paper makes the papers of the sandbox bank: statements and terms as
// PDF, and cheques as images.
//
// A PDF of it is paged and tagged (ISO 32000-1 section 14.8): headings,
// paragraphs and tables are in a structure tree, what repeats on each page is
// an artifact, and text that is drawn in another order or with other letters
// than it is read carries its original as ActualText. The same data gives the
// same bytes.
//
// It owns the look of these papers. It must not know accounts, databases or who
// may see what: it prints what it is given. Everything is in English; names and
// descriptions are printed in what DejaVu Sans has, which is Latin, Greek,
// Cyrillic and Arabic, and a question mark stands for every other letter.
package paper
