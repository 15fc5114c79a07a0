// The API's description, drawn by Swagger UI. Nothing is asked of any other host: no validator, no badge.
globalThis.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  validatorUrl: null,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
});
