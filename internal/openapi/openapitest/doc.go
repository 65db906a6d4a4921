// Package openapitest holds answers against the API document as a recipient
// has it: the document that is served, and a validator of another project. The
// tests of each package with operations use it.
//
// It must not know any operation. Only tests import it.
//
// Specs: OpenAPI 3.1, JSON Schema draft 2020-12.
package openapitest
