// Package config reads the one configuration file of a process: strict JSON,
// overridden by environment variables, checked as a whole, so that an
// operator sees every fault at once.
//
// A configuration is a struct of strings, booleans, integers, string lists
// and durations, flat, each field with the tags
//
//	json:"name"     its name in the file
//	default:"..."   its value when absent; a field without the tag is required
//	help:"..."      what it is, with unit
//
// The field's environment variable is PREFIX_NAME in upper case. Secrets are
// never values: they are paths of files that hold them.
package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/clientcert"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/token"
)

// maxFile bounds a configuration file, in bytes.
const maxFile = 1 << 20

// Load fills the struct that into points to: defaults, then the file (none
// when path is ""), then the environment through lookup (os.LookupEnv). It
// reports every fault, joined; into is not usable then.
func Load(path, prefix string, lookup func(string) (string, bool), into any) error {
	v := reflect.ValueOf(into).Elem()
	set := map[string]bool{}
	var faults []error
	if path != "" {
		given, err := readFile(path)
		if err != nil {
			return fmt.Errorf("config %s: %w", path, err)
		}
		names := map[string]int{}
		for i := range v.NumField() {
			names[v.Type().Field(i).Tag.Get("json")] = i
		}
		for name, raw := range given {
			i, known := names[name]
			if !known {
				faults = append(faults, fmt.Errorf("%s: unknown setting", name))
				continue
			}
			if err := fromJSON(v.Field(i), raw); err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", name, err))
			}
			set[name] = true
		}
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("json")
		if text, ok := lookup(Env(prefix, name)); ok {
			if err := fromText(v.Field(i), text); err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", Env(prefix, name), err))
			}
			continue
		}
		if set[name] {
			continue
		}
		text, optional := f.Tag.Lookup("default")
		if !optional {
			faults = append(faults, fmt.Errorf("%s: required: %s", name, f.Tag.Get("help")))
			continue
		}
		if err := fromText(v.Field(i), text); err != nil {
			panic(fmt.Sprintf("config: default of %s: %v", name, err))
		}
	}
	return errors.Join(faults...)
}

// Secret reads a file that holds one secret line, such as a DSN. The file
// must be private to its owner.
func Secret(path string) (string, error) {
	b, err := certs.ReadPrivate(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// Hasher reads the token hash keys that all processes share. The file must be
// private to its owner.
func Hasher(path string) (*token.Hasher, error) {
	file, err := certs.ReadPrivate(path)
	if err != nil {
		return nil, err
	}
	keys, err := token.ParseKeys(file)
	if err != nil {
		return nil, err
	}
	return token.NewHasher(keys)
}

// Secrets reads a file with a JSON array of base64 secrets, newest first. The
// file must be private to its owner.
func Secrets(path string) ([][]byte, error) {
	file, err := certs.ReadPrivate(path)
	if err != nil {
		return nil, err
	}
	var secrets [][]byte
	if json.Unmarshal(file, &secrets) != nil || len(secrets) == 0 {
		return nil, errors.New("not a JSON array of base64 secrets")
	}
	return secrets, nil
}

// Nonces returns the DPoP nonces under the secrets of a file, nil for no
// file: none are demanded.
func Nonces(path string) (*dpop.Nonces, error) {
	if path == "" {
		return nil, nil
	}
	keys, err := Secrets(path)
	if err != nil {
		return nil, err
	}
	return dpop.NewNonces(dpop.NonceConfig{Keys: keys})
}

// Certificates returns what finds client certificates. caFile is a PEM file
// of the authorities that may issue them, empty for none; proxy names the
// proxy whose Client-Cert header is believed, by thumbprint or subject name,
// empty for none.
func Certificates(caFile, proxy string) (*clientcert.Source, error) {
	var c clientcert.Config
	if caFile != "" {
		pool, err := certs.Authorities(caFile)
		if err != nil {
			return nil, fmt.Errorf("client_ca_file: %w", err)
		}
		c.ClientCAs = pool
	}
	if strings.Contains(proxy, "=") {
		c.ProxySubject = proxy
	} else {
		c.ProxyThumbprint = proxy
	}
	source, err := clientcert.New(c)
	if err != nil {
		return nil, fmt.Errorf("client_proxy: %w", err)
	}
	return source, nil
}

// Instance names one of several processes of that name: by host and process
// id.
func Instance(process string) string {
	host, err := os.Hostname()
	if err != nil {
		host = process
	}
	return host + "-" + strconv.Itoa(os.Getpid())
}

// Reloaded returns what a listener tells about its certificate files. alarm is
// told when they cannot be read.
func Reloaded(log *slog.Logger, alarm func(name string)) func(error) {
	return func(err error) {
		if err != nil {
			alarm("certificate_not_replaced")
			log.Error("server certificate not replaced", slog.String("cause", err.Error()))
			return
		}
		log.Info("server certificate replaced")
	}
}

// Env returns the name of a setting's environment variable.
func Env(prefix, name string) string { return prefix + "_" + strings.ToUpper(name) }

// Describe writes every setting of the struct v with its default,
// environment variable and meaning.
func Describe(w io.Writer, prefix string, v any) error {
	t := reflect.TypeOf(v)
	var b strings.Builder
	for i := range t.NumField() {
		f := t.Field(i)
		def, optional := f.Tag.Lookup("default")
		switch {
		case !optional:
			def = "required"
		case def == "":
			def = "empty"
		}
		fmt.Fprintf(&b, "  %s (%s, %s)\n      %s\n", f.Tag.Get("json"), def, Env(prefix, f.Tag.Get("json")), f.Tag.Get("help"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// readFile returns the members of the one object in the file. Comments and
// repeated members are faults: two values for one setting have no answer.
func readFile(path string) (map[string]json.RawMessage, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	open, err := d.Token()
	if err != nil || open != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	given := map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, err
		}
		if _, twice := given[name.(string)]; twice {
			return nil, fmt.Errorf("%s: given twice", name)
		}
		given[name.(string)] = raw
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return given, nil
}

func fromJSON(v reflect.Value, raw json.RawMessage) error {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return errors.New(`must be a duration such as "90s"`)
		}
		return fromText(v, text)
	}
	if string(raw) == "null" || json.Unmarshal(raw, v.Addr().Interface()) != nil {
		return fmt.Errorf("must be a %s", kind(v))
	}
	return nil
}

func fromText(v reflect.Value, text string) error {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New(`must be a duration such as "90s"`)
		}
		v.SetInt(int64(d))
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("must be true or false")
		}
		v.SetBool(b)
	case v.Kind() == reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("must be a whole number")
		}
		v.SetInt(int64(n))
	case v.Type() == reflect.TypeFor[[]string]():
		var list []string
		for _, s := range strings.Split(text, ",") {
			if s = strings.TrimSpace(s); s != "" {
				list = append(list, s)
			}
		}
		v.Set(reflect.ValueOf(list))
	default:
		panic("config: a setting of type " + v.Type().String())
	}
	return nil
}

func kind(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "whole number"
	default:
		return "list of texts"
	}
}
