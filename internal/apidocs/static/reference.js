// Shows the document. Nothing can be tried out here: every request needs a
// proof of possession that a page cannot make.
SwaggerUIBundle({
  url: "/docs/openapi.json",
  dom_id: "#reference",
  supportedSubmitMethods: [],
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
