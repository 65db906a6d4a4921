package authzd

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/headgate/headgate/certs"
)

// subjectKey reads the secret from which subject identifiers are made: a
// private file with one JSON object {"secret": base64}.
func subjectKey(path string) ([]byte, error) {
	if path == "" {
		return nil, errors.New("is not set; `headgate keys new` makes the file")
	}
	file, err := certs.ReadPrivate(path)
	if err != nil {
		return nil, err
	}
	if err := certs.StrictJSON(file); err != nil {
		return nil, err
	}
	var key struct {
		Secret []byte `json:"secret"`
	}
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	if err := d.Decode(&key); err != nil {
		return nil, errors.New(`must hold {"secret": base64}`) // the cause could quote the secret
	}
	return key.Secret, nil
}
