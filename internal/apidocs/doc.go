// Package apidocs serves the API document and a page to read it with:
//
//	/docs               the reference, made by Swagger UI from the document
//	/docs/plain         the same as plain HTML, without scripts
//	/docs/openapi.json  the document
//
// All of it is public and the same for everybody. openapi.json is written by
// internal/openapi/generate from the code; swagger-ui holds files of that
// project as they were published, packed.
//
// It must not know what the document describes.
package apidocs

//go:generate go run -tags nomsgpack ../openapi/generate -o openapi.json
