package ofx

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"

	"github.com/aclindsa/ofxgo"

	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// The lines of the source travel through ofxgo in elements that this import
// has no other use for, so that a fault found after decoding can still name
// its place.
var lineElement = map[string]string{
	"STMTTRNRS": "CLTCOOKIE", "CCSTMTTRNRS": "CLTCOOKIE", "INVSTMTTRNRS": "CLTCOOKIE",
	"STMTTRN": "SRVRTID", "INVTRAN": "SRVRTID", "STMTTRNP": "REFNUM",
}

// decodeTree hands the checked tree to ofxgo in the strict OFX 2 form that it
// reads without guessing. Validation by ofxgo is not asked for: it refuses
// statements that real banks send (an empty LANGUAGE, no FITID, a bank's own
// status code), and grammar has already said what must be there.
func decodeTree(file string, ofx *element) (*ofxgo.Response, error) {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><?OFX OFXHEADER="200" VERSION="220" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="NONE"?>`)
	b.WriteString("<OFX><SIGNONMSGSRSV1>")
	if set := ofx.child("SIGNONMSGSRSV1"); set != nil && set.child("SONRS") != nil {
		write(&b, set.child("SONRS"))
	} else {
		b.WriteString("<SONRS></SONRS>")
	}
	b.WriteString("</SIGNONMSGSRSV1>")
	for _, set := range ofx.children {
		if set.name != "SIGNONMSGSRSV1" {
			write(&b, set)
		}
	}
	b.WriteString("</OFX>")

	resp, err := ofxgo.DecodeResponse(&b)
	if err != nil {
		return nil, ledger.Faults{{File: file, What: fmt.Sprintf("cannot be read as OFX: %v", err)}}
	}
	return resp, nil
}

// write appends an element of the tree as XML.
func write(b *bytes.Buffer, e *element) {
	b.WriteString("<" + e.name + ">")
	if name := lineElement[e.name]; name != "" {
		b.WriteString("<" + name + ">" + strconv.Itoa(e.line) + "</" + name + ">")
	}
	if e.text != "" {
		// The only error is the writer's, and a buffer has none.
		_ = xml.EscapeText(b, []byte(e.text))
	}
	for _, child := range e.children {
		write(b, child)
	}
	b.WriteString("</" + e.name + ">")
}
