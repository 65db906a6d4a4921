// Package openapi is the vocabulary in which a package describes its HTTP
// operations for the API document: each package with routes exports one list
// of Operation, made from the very table that its routes and its enforcement
// are made from.
//
// It must not know any operation, and it reads no Go source. The command
// generate below it makes the document from all lists; package apidocs serves
// it.
//
// Specs: OpenAPI 3.1.
package openapi
