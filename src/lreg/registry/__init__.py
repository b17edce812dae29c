"""The server: routes to handlers to responses, who may write, TLS, metrics."""
