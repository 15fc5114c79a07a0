"""The API's description in OpenAPI 3.1: one table of operations, and the document made from it and our own types."""
